"""The lock that the other files of this folder trust: it catches, and it lets go."""

import sys
import unittest

from locked import LOCKS, locked

WHY = "CPython's heap cannot be locked"
SMALL_INT_BITS = 31 if sys.maxsize == (1 << 31) - 1 else 63


class Lock(unittest.TestCase):
    @unittest.skipUnless(LOCKS, WHY)
    def test_it_catches_a_new_object(self):
        with self.assertRaises(MemoryError):
            with locked():
                bytearray(100)

    @unittest.skipUnless(LOCKS, WHY)
    def test_it_catches_a_slice(self):
        data = bytearray(100)
        with self.assertRaises(MemoryError):
            with locked():
                data = data[10:90]

    @unittest.skipUnless(LOCKS, WHY)
    def test_it_catches_an_int_that_is_not_small(self):
        half = 1 << (SMALL_INT_BITS - 2)
        with self.assertRaises(MemoryError):
            with locked():
                half += half

    @unittest.skipUnless(LOCKS, WHY)
    def test_it_is_lifted_after_an_error(self):
        with self.assertRaises(MemoryError):
            with locked():
                bytearray(100)
        self.assertEqual(len(bytearray(100)), 100)

    def test_it_lets_arithmetic_through(self):
        total = 0
        with locked():
            while total < 1000:
                total += 7
        self.assertEqual(total, 1001)
