"""Writing a JSIL stream: frames in and bytes out, in pieces of any size, in fixed memory."""

from .coder import Coder, Model
from .compat import Buf, const
from .errors import RangeError
from .guarded import length, put
from .jsil_head import (
    ADAPTIVE,
    ALONE,
    DELTA,
    GOES_ON,
    LONG,
    RAW,
    ROTATE,
    XOR,
    Check,
    Head,
)  # fmt: skip
from .kernels import spans

_SLACK = const(8)  # room behind a body: zeros that the coder takes back, and the check
_ROOM = const(8)  # bytes for what stands before a body: its length, its count of frames


class Encoder:
    """Codes frames of `size` bytes to a stream.

        while encoder.waiting or more:
            at = encoder.feed(frames, at, len(frames))    # stops where a block is full
            n = encoder.pull(out, 0, len(out))            # write out[:n] somewhere
        encoder.finish()                                  # then pull the rest

    Args:
        size: bytes of a frame.
        mode: NONE, XOR, ROTATE, XOR_ROTATE or ADAPTIVE.
        group: frames coded together as a block, for frames as short as states.
        interval: at least every so many frames a block that needs nothing before it; 0 = never.
        rows: units of a network's layers, if the frames are its weights (see coder.segments).
        agreed: the reader knows `rows` and what is expected (see Head).
        resume: continue a stream of the same parameters, cut to whole blocks: writes no head.
        model: of the coder, for streams whose blocks all stand alone, where others have one that
            is at rest meanwhile; of no use to ADAPTIVE.

    Memory: (3 group + 1) * size bytes and a `Coder`; ADAPTIVE takes another Coder and block
    at the second block.

    Raises:
        RangeError: see `Head` and `coder.segments`.
    """

    def __init__(
        self, size: int, mode: int = ADAPTIVE, group: int = 1, interval: int = 0,
        rows: "tuple[int, ...]" = (), agreed: bool = False, resume: bool = False,
        model: "Model | None" = None,
    ) -> None:  # fmt: skip
        self.head = Head(mode, size, group, interval, rows, agreed)
        self._block = size * group
        self._raw = bytearray(size + self._block)
        self._fill = 0
        self._coder = Coder(size, group, rows, None, model) if mode >= ROTATE else None
        self._spare: "Coder | None" = None
        self._trial = bytearray(0)
        self._check = Check()
        self._seed = self.head.seed()
        self._side: "bytearray | None" = None
        self._name = self.head.encode()
        self._first = b"" if resume else self._name  # what has to go before the next block
        self._body = len(self._name) + _ROOM  # where bodies begin in _out
        self._out = bytearray(self._body + self._block + _SLACK)
        self._from = 0
        self._to = 0
        self._before = bytearray(_ROOM)
        self._left = 0  # frames until the next block that needs nothing before it
        self._ending = False
        self._kind = RAW

    def restart(self) -> None:
        """Begin another stream of the same parameters, with its head; the memory stays."""
        self._first = self._name
        self._side = None
        self._fill = 0
        self._from = 0
        self._to = 0
        self._left = 0
        self._ending = False

    @property
    def waiting(self) -> int:
        """How many bytes wait to be pulled."""
        return self._to - self._from

    def expect(self, side: "bytearray | None") -> None:
        """Code what follows beside a byte an element that the reader has too.

        Raises:
            RangeError: the stream is not `agreed`, or `side` has another length than its block.
        """
        if not self.head.agreed or (side is not None and len(side) != self._block):
            raise RangeError("an expectation needs an agreed stream and %d bytes" % self._block)
        self._side = side

    def feed(self, buf: Buf, start: int, end: int) -> int:
        """Take buf[start:end] in; return where it stopped: at `end`, or where pulling is needed."""
        while start < end:
            if self._fill == self._block:
                break
            n = self._block - self._fill
            if n > end - start:
                n = end - start
            spans.copy(buf, start, self._raw, self.head.size + self._fill, n)
            self._fill += n
            start += n
            self._close_if_due()
        return start

    def pull(self, out: bytearray, start: int, end: int) -> int:
        """Give up to ``end - start`` bytes of the stream to out[start:]; return how many."""
        n = self._to - self._from
        if n > end - start:
            n = end - start
        spans.copy(self._out, self._from, out, start, n)
        self._from += n
        self._close_if_due()
        return n

    def finish(self) -> None:
        """Say that no more frames come; what is held comes out by `pull`.

        Raises:
            RangeError: the last frame is not whole.
        """
        if self._fill % self.head.size:
            raise RangeError(
                "the last frame has %d of %d bytes" % (self._fill % self.head.size, self.head.size)
            )
        self._ending = True
        self._close_if_due()

    def _close_if_due(self) -> None:
        """Code the block once it is whole and the one before is out."""
        if self._from < self._to:
            return
        if self._fill == self._block or (self._ending and self._fill):
            self._close(self._fill)
        elif self._ending and len(self._first):
            self._prefix(self._body)
            self._to = self._body

    def _close(self, n: int) -> None:
        frames = n // self.head.size
        key = self._left <= 0
        if key:
            self._left = self.head.interval if self.head.interval else 0x3FFFFFFF
        self._left -= frames
        end = self._code(n, key)
        if end < 0:
            self._kind = RAW
            end = spans.copy(self._raw, self.head.size, self._out, self._body, n)
            if self._coder:
                self._coder.reset()
        self._seal(frames, end)
        spans.copy(self._raw, n, self._raw, 0, self.head.size)
        self._fill = 0

    def _code(self, n: int, key: bool) -> int:
        """Code n bytes by the mode, leave the kind in `_kind`; return the end, -1 for raw."""
        mode = self.head.mode
        if mode == XOR and not key:
            self._kind = GOES_ON
            return spans.xor(self._raw, self.head.size, n, self._out, self._body)
        coder = self._coder
        if coder is None:
            return -1
        if key or mode == ROTATE:
            self._kind = ALONE
            coder.reset()
            end = self._encode(coder, self._out, self._body, n)
        elif mode == ADAPTIVE:
            end = self._shorter(coder, n)
        else:
            self._kind = DELTA
            end = self._encode(coder, self._out, self._body, n)
        if end < 0 or self._size(n // self.head.size, end - self._body) >= n + 3:
            return -1
        return end

    def _encode(self, coder: Coder, out: bytearray, at: int, n: int) -> int:
        size = self.head.size
        delta = 1 if self._kind == DELTA else 0
        return coder.encode(self._raw, size, n, delta, self._side, out, at, at + n + _SLACK)

    def _shorter(self, coder: Coder, n: int) -> int:
        """Code against the frame before and without it; keep the shorter, and what it learned."""
        spare = self._spare
        if spare is None:
            spare = Coder(self.head.size, self.head.group, self.head.rows)
            self._trial = bytearray(self._block + _SLACK)
        spare.copy(coder)
        self._kind = DELTA
        end = self._encode(coder, self._out, self._body, n)
        self._kind = GOES_ON
        other = self._encode(spare, self._trial, 0, n)
        self._spare = spare
        if other < 0 or 0 <= end <= self._body + other:
            self._kind = DELTA
            return end
        self._coder = spare
        self._spare = coder
        return spans.copy(self._trial, 0, self._out, self._body, other)

    def _size(self, frames: int, body: int) -> int:
        """Return how many bytes a coded block takes."""
        total = length(body << 2) + body + (4 if body >= LONG else 2)
        return total + length(frames) if self.head.group > 1 else total

    def _seal(self, frames: int, end: int) -> None:
        """Put the numbers in front of the body and the check behind it."""
        coded = self._kind != RAW and self.head.mode != XOR
        body = end - self._body
        at = put(self._before, 0, (body if coded else frames) << 2 | self._kind)
        if coded and self.head.group > 1:
            at = put(self._before, at, frames)
        start = self._body - at
        spans.copy(self._before, 0, self._out, start, at)
        if self._kind <= ALONE:
            self._check.start(self._seed)
        size = self._check.make(self._out, start, end, self._side, coded and body >= LONG)
        self._check.link()
        self._to = spans.copy(self._check.sum, 0, self._out, end, size)
        self._from = start
        self._prefix(start)

    def _prefix(self, start: int) -> None:
        """Put the stream's head before the first block."""
        if self._first:
            self._from = start - len(self._first)
            spans.copy(self._first, 0, self._out, self._from, len(self._first))
            self._first = b""
