"""Scaling and window features give the golden values, fed in any pieces."""

import unittest
from array import array

import vectors
from sil import features
from sil.errors import FormatError, RangeError


def int16(text):
    """Return the int16 samples that little-endian hex digits name."""
    raw = vectors.unhex(text)
    return array(
        "h", [((raw[i] | raw[i + 1] << 8) ^ 0x8000) - 0x8000 for i in range(0, len(raw), 2)]
    )


def scaler_of(case):
    return features.Scaler(case["kind"], [tuple(row) for row in case["rows"]])


def all_windows(windows, samples, piece):
    """Feed `samples` in pieces of `piece` frames; return the features of each window."""
    found = []
    step = piece * windows.channels
    for start in range(0, len(samples), step):
        end = min(start + step, len(samples))
        i = start
        while i < end:
            i = windows.feed(samples, i, end)
            if windows.ready:
                found.append(list(windows.out))
    return found


class TestScaler(unittest.TestCase):
    def setUp(self):
        self.cases = vectors.load("features")["scalers"]

    def test_golden_values(self):
        for case in self.cases:
            x = array("i", case["x"])
            out = bytearray(len(x))
            scaler = scaler_of(case)
            clamped = scaler.apply(x, out, len(x) // scaler.columns)
            self.assertEqual(vectors.tohex(out), case["out"])
            self.assertEqual(clamped, case["clamped"])

    def test_table_bytes_both_ways(self):
        for case in self.cases:
            table = vectors.unhex(case["table"])
            self.assertEqual(scaler_of(case).to_bytes(), table)
            self.assertEqual(features.Scaler.from_bytes(table).to_bytes(), table)

    def test_a_table_that_is_cut_or_not_one_is_refused(self):
        table = vectors.unhex(self.cases[-1]["table"])
        for cut in range(len(table)):
            with self.assertRaises(FormatError):
                features.Scaler.from_bytes(table[:cut])
        # kind, columns, then a column's: top byte of the offset, of the multiplier, shift
        for at, value in ((0, 2), (1, 0), (5, 0x20), (5, 0xDF), (7, 0x10), (8, 27)):
            wrong = bytearray(table)
            wrong[at] = value
            with self.assertRaises(FormatError):
                features.Scaler.from_bytes(bytes(wrong))

    def test_numbers_outside_of_their_limits_are_refused(self):
        most = features.MAX_OFFSET
        for row in ((most, 1, 0), (-most, 1, 0), (0, 4096, 0), (0, -1, 0), (0, 1, 27), (0, 1, -1)):
            with self.assertRaises(RangeError):
                features.Scaler(features.SIGNED, [row])
        with self.assertRaises(RangeError):
            features.Scaler(features.SIGNED, [])

    def test_short_buffers_are_refused(self):
        scaler = features.Scaler(features.UNSIGNED, [(0, 1, 0), (0, 1, 0)])
        for length, space, rows in ((1, 2, 1), (2, 1, 1), (2, 2, 2), (2, 2, -1)):
            with self.assertRaises(RangeError):
                scaler.apply(array("i", [0] * length), bytearray(space), rows)


class TestWindows(unittest.TestCase):
    def setUp(self):
        self.cases = vectors.load("features")["windows"]

    def test_golden_values_in_one_block(self):
        for case in self.cases:
            windows = features.Windows(case["channels"], case["length"])
            samples = int16(case["samples"])
            self.assertEqual(all_windows(windows, samples, len(samples)), case["out"])

    def test_any_pieces_give_the_same(self):
        for case in self.cases:
            windows = features.Windows(case["channels"], case["length"])
            samples = int16(case["samples"])
            for piece in (1, 3, 64, 201):
                windows.reset()
                self.assertEqual(all_windows(windows, samples, piece), case["out"])

    def test_feed_stops_at_the_end_of_the_window(self):
        windows = features.Windows(2, 3)
        samples = array("h", list(range(10)))
        self.assertEqual(windows.feed(samples, 0, 10), 6)
        self.assertTrue(windows.ready)
        self.assertEqual(windows.feed(samples, 6, 10), 10)
        self.assertTrue(not windows.ready)

    def test_reset_forgets_the_recording_before(self):
        windows = features.Windows(1, 2)
        windows.feed(array("h", [30000]), 0, 1)
        windows.reset()
        windows.feed(array("h", [1, 3]), 0, 2)
        self.assertEqual(list(windows.out), [2, 1, 1, 3, 2])

    def test_wrong_arguments_are_refused(self):
        for channels, length in ((0, 10), (65, 10), (1, 1), (1, 1025)):
            with self.assertRaises(RangeError):
                features.Windows(channels, length)
        windows = features.Windows(2, 10)
        samples = array("h", [0] * 8)
        for start, end in ((0, 3), (-2, 2), (0, 10), (4, 2)):
            with self.assertRaises(RangeError):
                windows.feed(samples, start, end)


if __name__ == "__main__":
    unittest.main()
