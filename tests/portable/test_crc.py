"""CRC-32 in halves equals the published check values, in one piece or in many."""

import unittest

from sil.crc import Crc32

CHECKS = (
    (b"", "00000000"),
    (b"123456789", "2639f4cb"),  # the catalogue's check value 0xCBF43926
    (b"\x00" * 32, "ad550a19"),
    (b"\xff" * 32, "0bab6cff"),
    (b"The quick brown fox jumps over the lazy dog", "39a34f41"),
)


def hexed(crc):
    out = bytearray(4)
    crc.store(out, 0)
    return "".join("%02x" % b for b in out)


class TestCrc32(unittest.TestCase):
    def test_check_values(self):
        for data, expected in CHECKS:
            crc = Crc32()
            crc.update(data, 0, len(data))
            self.assertEqual(hexed(crc), expected)

    def test_any_split_gives_the_same_sum(self):
        data, expected = CHECKS[4]
        for cut in range(len(data) + 1):
            crc = Crc32()
            crc.update(data, 0, cut)
            crc.update(data, cut, len(data))
            self.assertEqual(hexed(crc), expected)

    def test_matches_sees_every_flipped_bit(self):
        buf = bytearray(b"123456789\0\0\0\0")
        crc = Crc32()
        crc.update(buf, 0, 9)
        crc.store(buf, 9)
        self.assertTrue(crc.matches(buf, 9))
        for bit in range(len(buf) * 8):
            buf[bit >> 3] ^= 1 << (bit & 7)
            crc.reset()
            crc.update(buf, 0, 9)
            self.assertTrue(not crc.matches(buf, 9))
            buf[bit >> 3] ^= 1 << (bit & 7)

    def test_reset_forgets(self):
        crc = Crc32()
        crc.update(b"noise", 0, 5)
        crc.reset()
        crc.update(b"123456789", 0, 9)
        self.assertEqual(hexed(crc), "2639f4cb")


if __name__ == "__main__":
    unittest.main()
