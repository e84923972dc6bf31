"""One frame of changes as it travels: a JSIL stream of one block, beside what both ends expect.

`jsil.Encoder` with one frame writes the same bytes and `jsil.Decoder` reads them.  They hold
copies, since they work on pieces of streams of any length; here the frame and the payload
lie in memory as a whole, and one coder serves both ways.
"""

from .coder import Coder, Model
from .compat import Buf, Ints, const
from .errors import FormatError, RangeError
from .guarded import Reader, length, put
from .jsil_head import ADAPTIVE, ALONE, LONG, RAW, Check, Head
from .kernels import spans
from .update import Expectation

_ROOM = const(4)  # bytes for the number before a body
_SLACK = const(8)  # room behind a body: zeros that the coder takes back, and the check


class Payload:
    """Codes and decodes the frames of one model, for as long as a federation lasts.

    Memory for n weights: n bytes for the expectation, and a `Coder`, whose n symbols may lie
    in the `scratch` of somebody who does not need it while a payload is coded.

    Args:
        sizes: units of each layer, the input first.
        first: the model that training began with, as codes; all ends know it.
        scratch: n elements to work in.
        model: of the coder, where others have one that is at rest meanwhile.
    """

    def __init__(
        self,
        sizes: "tuple[int, ...]",
        first: Buf,
        scratch: "Ints | bytearray | None" = None,
        model: "Model | None" = None,
    ):
        self._expectation = Expectation(sizes, first)
        self._weights = len(self._expectation.side)
        head = Head(ADAPTIVE, self._weights, rows=sizes, agreed=True)
        self._head = head.encode()  # every payload begins alike
        self._seed = head.seed()
        self._coder = Coder(self._weights, 1, sizes, scratch, model)
        self._number = Reader()
        self._check = Check()

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

    def encode(self, frame: bytearray, out: bytearray) -> int:
        """Write a frame's payload to `out`, as long as `limit`; return the payload's length."""
        self.check(out)
        n = self._weights
        side = self._expectation.side
        start = spans.copy(self._head, 0, out, 0, len(self._head))
        body = start + _ROOM
        self._coder.reset()
        end = self._coder.encode(frame, 0, n, 0, side, out, body, body + n + _SLACK)
        size = end - body
        check = 4 if size >= LONG else 2
        if end < 0 or length(size << 2) + size + check >= n + 3:  # as bytes it is no longer
            end = spans.copy(frame, 0, out, body, n)
            check = 2
            at = put(out, start, 1 << 2 | RAW)
        else:
            at = put(out, start, size << 2 | ALONE)
        end = spans.copy(out, body, out, at, end - body)
        self._check.start(self._seed)
        self._check.make(out, start, end, side, check == 4)
        return spans.copy(self._check.sum, 0, out, end, check)

    def decode(self, payload: Buf, frame: bytearray) -> None:
        """Write the frame of a payload to `frame`, a byte a weight.

        Raises:
            FormatError: the payload is damaged, cut, or of another model; `frame` is as it was.
        """
        n = self._weights
        side = self._expectation.side
        start = self._begin(payload)
        at = self._read_number(payload, start)
        raw = self._number.value == 1 << 2 | RAW
        size = n if raw else self._number.value >> 2
        check = 4 if size >= LONG and not raw else 2
        end = at + size
        known = raw or (self._number.value & 3 == ALONE and 0 < size <= n)
        if not known or end + check != len(payload):
            raise FormatError("an update is one whole frame of %d weights" % n)
        self._check.start(self._seed)
        self._check.make(payload, start, end, side, check == 4)
        k = 0
        while k < check:
            if self._check.sum[k] != payload[end + k]:
                raise FormatError("a damaged update, or one for a model at another state")
            k += 1
        if raw:
            spans.copy(payload, at, frame, 0, n)
        else:
            self._coder.reset()
            self._coder.decode(payload, at, end, frame, 0, n, 0, side)

    def _begin(self, payload: Buf) -> int:
        """Return where the block begins, behind the head that every payload has."""
        i = 0
        while i < len(self._head):
            if i >= len(payload) or payload[i] != self._head[i]:
                raise FormatError("this is no update of a model of %d weights" % self._weights)
            i += 1
        return i

    def _read_number(self, payload: Buf, at: int) -> int:
        """Read the number before the body; return where that begins."""
        self._number.reset()
        while at < len(payload):
            at += 1
            if self._number.take(payload[at - 1]):
                return at
        raise FormatError("an update that was cut within its head")
