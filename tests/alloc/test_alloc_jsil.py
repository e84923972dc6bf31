"""Streams are written and read without touching the heap, once their memory is there."""

import unittest

from locked import locked
from sil import jsil

SIZE = 43
ROWS = (4, 5, 3)


def frame(k):
    return bytes((i * k) & 0x37 if (i + k) % 3 else 0 for i in range(SIZE))


class Streams(unittest.TestCase):
    def setUp(self):
        self.frames = [frame(k) for k in range(4)]
        self.out = bytearray(300)

    def write(self, encoder, first, last):
        """Feed frames first..last-1, pull all; return where in `out` it ended."""
        n = 0
        k = first
        while k < last:
            encoder.feed(self.frames[k], 0, SIZE)
            n += encoder.pull(self.out, n, 300)
            k += 1
        return n

    def test_blocks_of_every_mode(self):
        for mode in range(5):
            encoder = jsil.Encoder(SIZE, mode, 1, 0, ROWS)
            n = self.write(encoder, 0, 2)  # Adaptive makes its second model at the second block
            start = bytes(self.out[:n])
            with locked():
                n = self.write(encoder, 2, 4)
            stream = start + bytes(self.out[:n])
            decoder = jsil.Decoder(SIZE, 1, ROWS)
            at = decoder.feed(stream, 0, len(stream))  # the head makes the coder
            back = bytearray(SIZE * 4)
            m = decoder.pull(back, 0, len(back))
            with locked():
                while at < len(stream):
                    at = decoder.feed(stream, at, len(stream))
                    m += decoder.pull(back, m, len(back))
                torn = decoder.finish()
            self.assertEqual((torn, m), (0, SIZE * 4))
            self.assertEqual(back, b"".join(self.frames))

    def test_one_frame_again_and_again(self):
        """What a board does each round: another stream from the same encoder, another to read."""
        encoder = jsil.Encoder(SIZE, rows=ROWS, agreed=True)
        decoder = jsil.Decoder(SIZE, rows=ROWS)
        side = bytearray(frame(9))
        back = bytearray(SIZE)
        encoder.expect(side)
        n = self.write(encoder, 1, 2)
        decoder.expect(side)
        decoder.feed(self.out, 0, n)
        with locked():
            encoder.restart()
            encoder.expect(side)
            n = self.write(encoder, 2, 3)
            encoder.finish()
        payload = bytes(self.out[:n])
        decoder.restart()
        decoder.expect(side)
        decoder.feed(payload, 0, 7)  # the head is parsed into a new object
        with locked():
            decoder.feed(payload, 7, n)
            decoder.pull(back, 0, SIZE)
        self.assertEqual(back, self.frames[2])


if __name__ == "__main__":
    unittest.main()
