"""A specimen for tests/host/test_harness.py: a test leaves, with a good exit code."""

import unittest


class Specimen(unittest.TestCase):
    def test_leaves(self):
        raise SystemExit(0)
