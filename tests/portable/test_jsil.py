"""JSIL streams: the golden bytes both ways, in any pieces, cut anywhere; damage is seen."""

import unittest

import vectors
from sil import jsil
from sil.errors import FormatError, RangeError


def options(case):
    return (
        case["mode"],
        case.get("group", 1),
        case.get("interval", 0),
        tuple(case.get("rows", ())),
    )


def side_of(case):
    return bytearray(vectors.unhex(case["side"])) if "side" in case else None


def encode(case, frames, step):
    """Return the stream of `frames`, fed and pulled `step` bytes at a time."""
    mode, group, interval, rows = options(case)
    side = side_of(case)
    encoder = jsil.Encoder(len(frames[0]), mode, group, interval, rows, side is not None)
    if side is not None:
        encoder.expect(side)
    data = b"".join(frames)
    out = bytearray()
    piece = bytearray(step)
    at = 0
    while at < len(data):
        at = encoder.feed(data, at, min(at + step, len(data)))
        while encoder.waiting:
            out.extend(piece[: encoder.pull(piece, 0, step)])
    encoder.finish()
    while encoder.waiting:
        out.extend(piece[: encoder.pull(piece, 0, step)])
    return bytes(out)


def decode(case, stream, size, step):
    """Return the frames of `stream`, joined, and the length of its torn tail."""
    _, group, _, rows = options(case)
    decoder = jsil.Decoder(size, group, rows)
    decoder.expect(side_of(case))
    out = bytearray()
    piece = bytearray(step)
    at = 0
    while at < len(stream):
        at = decoder.feed(stream, at, min(at + step, len(stream)))
        while decoder.waiting:
            out.extend(piece[: decoder.pull(piece, 0, step)])
    return bytes(out), decoder.finish()


class TestGolden(unittest.TestCase):
    def setUp(self):
        self.cases = vectors.load("jsil")["cases"]

    def each(self):
        for case in self.cases:
            frames = [vectors.unhex(frame) for frame in case["frames"]]
            yield case, frames, vectors.unhex(case["stream"])

    def test_encoding_gives_the_golden_bytes(self):
        for case, frames, _ in self.each():
            found = encode(case, frames, 4096)
            self.assertEqual(vectors.tohex(found), case["stream"], case["what"])

    def test_decoding_gives_the_frames(self):
        for case, frames, stream in self.each():
            found, torn = decode(case, stream, len(frames[0]), 4096)
            self.assertEqual(found, b"".join(frames), case["what"])
            self.assertEqual(torn, 0)

    def test_pieces_of_any_size_make_no_difference(self):
        for case, frames, stream in self.each():
            if len(frames) * len(frames[0]) > 200:
                continue  # a byte at a time is slow on plain interpreters
            for step in (1, 7):
                self.assertEqual(encode(case, frames, step), stream, case["what"])
                found, torn = decode(case, stream, len(frames[0]), step)
                self.assertEqual((found, torn), (b"".join(frames), 0), case["what"])

    def test_frames_are_found_by_number(self):
        for case, frames, stream in self.each():
            if "side" not in case:
                for n in (0, len(frames) // 2, len(frames) - 1):
                    self.assertEqual(jsil.read(stream, n), frames[n], case["what"])

    def test_info_counts_what_is_there(self):
        for case, frames, stream in self.each():
            about = jsil.info(stream)
            self.assertEqual(about["frames"], len(frames), case["what"])
            self.assertEqual(about["frame"], len(frames[0]))
            self.assertEqual(about["mode"], jsil.MODE_NAMES[case["mode"]])
            self.assertEqual((about["bytes"], about["torn"]), (len(stream), 0))


class TestDamage(unittest.TestCase):
    def setUp(self):
        self.frames = [bytes([i, 0, 0, i + 1, 0x80]) for i in range(6)]
        self.stream = jsil.pack(self.frames, group=1, interval=3)

    def test_a_torn_tail_is_cut_at_every_byte(self):
        head = jsil.read_head(self.stream)[1]
        ends = [head] + [end for _, end, _, _ in jsil.blocks(self.stream)]
        self.assertEqual(ends[-1], len(self.stream))
        for cut in range(head, len(self.stream)):
            whole = len([end for end in ends if end <= cut]) - 1
            self.assertEqual(jsil.verify(self.stream[:cut]), (whole, ends[whole]))

    def test_a_head_that_is_cut_is_an_error(self):
        for cut in range(jsil.read_head(self.stream)[1]):
            with self.assertRaises(FormatError):
                jsil.verify(self.stream[:cut])

    def test_every_flipped_bit_is_an_error_and_never_a_wrong_frame(self):
        data = bytearray(self.stream)
        for bit in range(len(data) * 8):
            data[bit >> 3] ^= 1 << (bit & 7)
            got = []
            try:
                for frame in jsil.unpack(bytes(data)):
                    got.append(frame)
                self.assertTrue(False, "bit %d was not seen" % bit)
            except FormatError:
                pass
            self.assertEqual(got, self.frames[: len(got)])
            data[bit >> 3] ^= 1 << (bit & 7)

    def test_a_stream_goes_on_where_its_torn_tail_was_cut(self):
        frames, good = jsil.verify(self.stream[:-1])
        encoder = jsil.Encoder(5, interval=3, resume=True)
        out = bytearray(64)
        encoder.feed(b"again", 0, 5)
        encoder.finish()
        more = bytes(out[: encoder.pull(out, 0, 64)])
        self.assertEqual(
            list(jsil.unpack(self.stream[:good] + more)), self.frames[:frames] + [b"again"]
        )

    def test_blocks_cannot_be_swapped_or_lost(self):
        spans = [(start, end) for start, end, _, _ in jsil.blocks(self.stream)]
        head = self.stream[: spans[0][0]]
        parts = [self.stream[start:end] for start, end in spans]
        lost = head + parts[0] + parts[2]
        with self.assertRaises(FormatError):
            list(jsil.unpack(lost))
        headless = head + parts[1]
        with self.assertRaises(FormatError):
            list(jsil.unpack(headless))

    def test_another_expectation_is_an_error(self):
        encoder = jsil.Encoder(43, rows=(4, 5, 3), agreed=True)
        encoder.expect(bytearray(43))
        encoder.feed(bytes(43), 0, 43)
        out = bytearray(100)
        n = encoder.pull(out, 0, 100)
        decoder = jsil.Decoder(43, rows=(4, 5, 3))
        decoder.expect(bytearray(b"\x10" + bytes(42)))
        with self.assertRaises(FormatError):
            decoder.feed(out, 0, n)


class TestMisuse(unittest.TestCase):
    def test_a_frame_above_what_the_decoder_was_opened_for_is_refused(self):
        stream = jsil.pack([bytes(300)])
        with self.assertRaises(FormatError):
            jsil.Decoder(299).feed(stream, 0, len(stream))
        self.assertEqual(jsil.Decoder(300).feed(stream, 0, len(stream)), len(stream))

    def test_a_dead_decoder_stays_dead_and_restarts(self):
        stream = jsil.pack([b"abc"], group=1)
        decoder = jsil.Decoder(3)
        with self.assertRaises(FormatError):
            decoder.feed(b"JSON", 0, 4)
        with self.assertRaises(FormatError):
            decoder.feed(stream, 0, len(stream))
        decoder.restart()
        decoder.feed(stream, 0, 6)
        with self.assertRaises(FormatError):
            decoder.feed(b"\x97\x96", 0, 2)  # amid a number
        decoder.restart()
        self.assertEqual(decoder.feed(stream, 0, len(stream)), len(stream))
        self.assertEqual(decoder.waiting, 3)

    def test_arguments_out_of_range(self):
        with self.assertRaises(RangeError):
            jsil.pack([])
        with self.assertRaises(RangeError):
            jsil.pack([b"ab", b"abc"])
        with self.assertRaises(RangeError):
            jsil.Encoder(0)
        with self.assertRaises(RangeError):
            jsil.Encoder(4, 5)
        with self.assertRaises(RangeError):
            jsil.Encoder(4, 4, 2, 3)
        with self.assertRaises(RangeError):
            jsil.Encoder(44, 4, 1, 0, (4, 5, 3))
        with self.assertRaises(RangeError):
            jsil.read(jsil.pack([b"ab"]), 1)
        encoder = jsil.Encoder(4)
        encoder.feed(b"abc", 0, 3)
        with self.assertRaises(RangeError):
            encoder.finish()
        with self.assertRaises(RangeError):
            encoder.expect(bytearray(4))


if __name__ == "__main__":
    unittest.main()
