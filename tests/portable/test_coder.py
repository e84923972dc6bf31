"""The entropy coder by itself, guarded numbers, CRC-16: values, bounds, no byte out of place."""

import unittest
from array import array

from sil import coder, coder_tables, guarded
from sil.coder import Coder
from sil.errors import FormatError, RangeError
from sil.kernels import spans


def through(model, other, frame, side=None):
    """Code a frame with `model`, decode it with `other`; return body and frame."""
    n = len(frame)
    room = bytearray(2 * n + 40)
    raw = bytearray(frame)
    end = model.encode(raw, 0, n, 0, side, room, 3, len(room))
    body = bytearray(room[:end])
    raw = bytearray(n)
    other.decode(body, 3, end, raw, 0, n, 0, side)
    return bytes(body[3:]), bytes(raw)


class TestCoder(unittest.TestCase):
    def test_what_is_coded_is_decoded_and_both_learn_the_same(self):
        model, other = Coder(64), Coder(64)
        sizes = []
        for _ in range(4):
            frame = bytes((i * i) & 0x17 for i in range(64))
            body, back = through(model, other, frame)
            self.assertEqual(back, frame)
            sizes.append(len(body))
        self.assertTrue(sizes[3] < sizes[0])  # it has learned

    def test_reset_forgets(self):
        model, other = Coder(40), Coder(40)
        frame = bytes(range(40))
        first = through(model, other, frame)
        through(model, other, frame)
        model.reset()
        other.reset()
        self.assertEqual(through(model, other, frame), first)

    def test_a_copy_goes_on_alike(self):
        model, other = Coder(40), Coder(40)
        frame = bytes(range(40))
        through(model, Coder(40), frame)
        other.copy(model)
        self.assertEqual(through(model, other, frame)[1], frame)

    def test_room_that_ends_is_told_and_kept(self):
        frame = bytearray((i * 37) & 0xFF for i in range(60))
        model = Coder(60)
        whole = bytearray(100)
        end = model.encode(frame, 0, 60, 0, None, whole, 0, 100)
        for room in range(end):
            model.reset()
            out = bytearray(100)
            got = model.encode(frame, 0, 60, 0, None, out, 0, room)
            self.assertTrue(got <= room)
            self.assertEqual(out[room:], bytes(100 - room))
            if got > 0:  # zeros at the end that need no room
                self.assertEqual(out[:got], whole[:end])

    def test_any_bytes_decode_to_something_within_the_frame(self):
        model = Coder(20)
        raw = bytearray(30)
        for first in (0x00, 0x7F, 0xFF):
            for rest in (0x00, 0x55, 0xFF):
                data = bytearray([first] + [rest] * 9)
                model.reset()
                model.decode(data, 0, 10, raw, 0, 20, 0, None)
                self.assertEqual(raw[20:], bytes(10))

    def test_a_body_that_begins_beyond_the_interval_is_taken_for_its_end(self):
        ones, last = bytearray(b"\xff" * 9), bytearray(b"\xff\xff\xff\xef" + b"\xff" * 5)
        raws = []
        for data in (ones, last):
            raws.append(bytearray(40))
            Coder(40).decode(bytearray(b"\xd0") + data, 0, 10, raws[-1], 0, 40, 0, None)
            st = array("i", bytes(48))
            st[1] = len(data)
            self.assertEqual(spans.begin(data, st), 0xFFFFFFE)
            self.assertEqual(st[2], 0xFFFFFFE)
        self.assertEqual(raws[0], raws[1])

    def test_nothing_but_null_takes_three_bytes_at_most(self):
        body, back = through(
            Coder(2410, 1, (64, 32, 10)), Coder(2410, 1, (64, 32, 10)), bytes(2410)
        )
        self.assertEqual(back, bytes(2410))
        self.assertTrue(len(body) <= 3)

    def test_symbols_are_a_permutation_both_ways(self):
        for states in (False, True):
            table = coder_tables.table(states)
            for code in range(256):
                self.assertEqual(table[1665 + table[1409 + code]], code)
            self.assertEqual(table[1409], 0)

    def test_the_model_is_as_large_as_it_says(self):
        self.assertEqual(len(coder_tables.PRIORS), coder.SLOTS)
        self.assertEqual(coder.MODEL_BYTES, 3 * coder.SLOTS + 4 * len(coder_tables.weights()))

    def test_rows_must_make_the_frame(self):
        self.assertEqual(coder.segments(43, 1, (4, 5, 3)), [4, 5, 0, 5, 1, 1, 5, 3, 2, 3, 1, 3])
        with self.assertRaises(RangeError):
            coder.segments(42, 1, (4, 5, 3))
        with self.assertRaises(RangeError):
            coder.segments(2050, 1, (1025, 2))


class TestGuarded(unittest.TestCase):
    def test_numbers_come_back(self):
        out = bytearray(8)
        for value in (0, 1, 63, 64, 4095, 4096, 262143, 262144, guarded.MAX):
            end = guarded.put(out, 0, value)
            self.assertEqual(end, guarded.length(value))
            self.assertEqual(guarded.get(out[:end], 0), (value, end))
            self.assertEqual(guarded.get(out[: end - 1], 0), (-1, 0))

    def test_every_flipped_bit_is_seen(self):
        out = bytearray(4)
        end = guarded.put(out, 0, 2410)
        for bit in range(8 * end):
            out[bit >> 3] ^= 1 << (bit & 7)
            with self.assertRaises(FormatError):
                guarded.get(out, 0)
            out[bit >> 3] ^= 1 << (bit & 7)

    def test_lost_storage_is_no_number(self):
        with self.assertRaises(FormatError):
            guarded.get(b"\x00\x00", 0)
        with self.assertRaises(FormatError):
            guarded.get(b"\xff\xff", 0)

    def test_a_number_without_end_is_refused(self):
        with self.assertRaises(FormatError):
            guarded.get(b"\x80\x80\x80\x80\x80\x80", 0)


class TestCrc16(unittest.TestCase):
    def test_check_value(self):
        # The catalogue's value of CRC-16/IBM-3740 (CCITT, first value FFFF).
        self.assertEqual(spans.crc16(b"123456789", 0, 9, 0xFFFF), 0x29B1)

    def test_any_split_gives_the_same_sum(self):
        for cut in range(10):
            first = spans.crc16(b"123456789", 0, cut, 0xFFFF)
            self.assertEqual(spans.crc16(b"123456789", cut, 9, first), 0x29B1)


if __name__ == "__main__":
    unittest.main()
