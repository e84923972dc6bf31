"""A specimen for tests/host/test_harness.py: one of two tests never runs."""

import unittest


class Specimen(unittest.TestCase):
    def test_runs(self):
        self.assertEqual(1, 1)

    def test_hidden(self):
        self.assertEqual(1, 2)

    del test_hidden
