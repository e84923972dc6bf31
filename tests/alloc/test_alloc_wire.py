"""The sum over a frame is taken without touching the heap; the pattern for its siblings."""

import unittest

from locked import locked
from sil.crc import Crc32


class Crc(unittest.TestCase):
    def setUp(self):
        self.frame = bytearray(b"123456789\0\0\0\0")
        self.crc = Crc32()

    def test_update_store_and_match(self):
        with locked():
            self.crc.update(self.frame, 0, 9)
            self.crc.store(self.frame, 9)
            matched = self.crc.matches(self.frame, 9)
        self.assertTrue(matched)
        self.assertEqual(self.frame[9:], b"\x26\x39\xf4\xcb")

    def test_reset(self):
        self.crc.update(self.frame, 0, 9)
        with locked():
            self.crc.reset()
        self.assertEqual(list(self.crc.halves), [0, 0])
