"""The harness itself, on every interpreter: its stand-in for unittest, and its vectors."""

import unittest

import vectors
from sil import compat, errors


class Assertions(unittest.TestCase):
    def setUp(self):
        self.ready = True

    def test_setup_ran_before(self):
        self.assertTrue(self.ready)

    def test_each_assertion_passes_what_holds(self):
        self.assertEqual(b"\x01", bytearray(b"\x01"))
        self.assertNotEqual(1, 2)
        self.assertFalse([])
        self.assertIn(2, (1, 2))
        self.assertIsNone(None)
        self.assertLess(1, 2)

    def test_each_assertion_refuses_what_does_not(self):
        for check, arguments in (
            (self.assertEqual, (1, 2)),
            (self.assertNotEqual, (1, 1)),
            (self.assertTrue, (0,)),
            (self.assertFalse, (1,)),
            (self.assertIn, (3, (1, 2))),
            (self.assertNotIn, (1, (1, 2))),
            (self.assertIsNone, (0,)),
            (self.assertIsNotNone, (None,)),
            (self.assertLess, (2, 2)),
            (self.assertLessEqual, (3, 2)),
            (self.assertGreater, (2, 2)),
            (self.assertGreaterEqual, (1, 2)),
            (self.fail, ()),
        ):
            with self.assertRaises(AssertionError):
                check(*arguments)

    def test_raises_catches_its_kind_and_keeps_it(self):
        with self.assertRaises(errors.SilError) as caught:
            raise errors.FormatError("magic")
        self.assertEqual(str(caught.exception), "magic")

    def test_raises_refuses_silence(self):
        with self.assertRaises(AssertionError):
            with self.assertRaises(ValueError):
                pass

    def test_raises_lets_another_kind_through(self):
        with self.assertRaises(KeyError):
            with self.assertRaises(ValueError):
                raise KeyError(1)

    @unittest.skipIf(False, "never")
    def test_skip_if_false_runs(self):
        self.assertTrue(self.ready)


class Vectors(unittest.TestCase):
    def test_hex_both_ways(self):
        self.assertEqual(vectors.unhex("4a 53 49 4c"), b"JSIL")
        self.assertEqual(vectors.tohex(b"JSIL"), "4a53494c")


class Interpreter(unittest.TestCase):
    def test_ticks_difference_survives_the_wrap(self):
        before = (1 << 29) - 5
        self.assertEqual(compat.ticks_diff(compat.ticks_add(before, 12), before), 12)
        self.assertEqual(compat.ticks_diff(before, compat.ticks_add(before, 12)), -12)
