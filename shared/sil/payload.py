"""One frame of changes as it travels: a JSIL stream that both ends code beside what they expect."""

from . import jsil
from .compat import Buf, Ints
from .errors import FormatError, RangeError
from .update import Expectation


class Payload:
    """Codes and decodes the frames of one model, for as long as a federation lasts.

    Args:
        sizes: units of each layer, the input first.
        first: the model that training began with, as codes; all ends know it.
    """

    def __init__(self, sizes: "tuple[int, ...]", first: Buf):
        self._expectation = Expectation(sizes, first)
        self._weights = len(self._expectation.side)
        self._encoder = jsil.Encoder(self._weights, rows=sizes, agreed=True)
        self._decoder = jsil.Decoder(self._weights, rows=sizes)
        # Every payload begins alike.  The decoder learns how once, and is then given the rest.
        self._head = self._encoder.head.encode()
        self._decoder.feed(self._head, 0, len(self._head))

    @property
    def limit(self) -> int:
        """How long a payload can be, in bytes."""
        return self._weights + 24

    def expect(self, base: Ints) -> None:
        """Say from which model (int16 Q12) the next frames start, at both ends."""
        self._expectation.look(base)

    def check(self, out: bytearray) -> None:
        """Make sure that any payload fits.

        Raises:
            RangeError: `out` is shorter than `limit`.
        """
        if len(out) < self.limit:
            raise RangeError("a payload can have %d bytes, the buffer %d" % (self.limit, len(out)))

    def encode(self, frame: Buf, out: bytearray) -> int:
        """Write a frame's payload to `out`, as long as `limit`; return the payload's length."""
        self.check(out)
        encoder = self._encoder
        encoder.restart()
        encoder.expect(self._expectation.side)
        encoder.feed(frame, 0, self._weights)
        encoder.finish()
        return encoder.pull(out, 0, len(out))

    def decode(self, payload: Buf, frame: bytearray) -> None:
        """Write the frame of a payload to `frame`, a byte a weight.

        Raises:
            FormatError: the payload is damaged, cut, or of another model; `frame` is as it was.
        """
        head = self._head
        i = 0
        while i < len(head):
            if i >= len(payload) or payload[i] != head[i]:
                raise FormatError("this is no update of a model of %d weights" % self._weights)
            i += 1
        decoder = self._decoder
        decoder.restart(True)
        decoder.expect(self._expectation.side)
        stopped = decoder.feed(payload, i, len(payload))
        if stopped < len(payload) or decoder.finish() or decoder.waiting != self._weights:
            raise FormatError("an update is one whole frame of %d weights" % self._weights)
        decoder.pull(frame, 0, self._weights)
