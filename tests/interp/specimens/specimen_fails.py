"""A specimen for tests/host/test_harness.py: two of three tests fail."""

import unittest


class Specimen(unittest.TestCase):
    def test_passes(self):
        self.assertEqual(1, 1)

    def test_fails(self):
        self.assertEqual(1, 2)

    def test_raises(self):
        raise OSError(1)
