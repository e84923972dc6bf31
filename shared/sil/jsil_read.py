"""Reading a JSIL stream: bytes in and frames out, in pieces of any size, in fixed memory."""

from .coder import Coder, Model
from .compat import Buf, const
from .errors import FormatError, RangeError
from .guarded import Reader
from .jsil_head import (
    ALONE,
    DELTA,
    GOES_ON,
    LONG,
    MAGIC,
    RAW,
    XOR,
    Check,
    Head,
)
from .jsil_parse import parse
from .kernels import spans

_ROOM = const(16)  # bytes of a block beside its body: two numbers, the check

# What the next byte belongs to.
_MAGIC = const(0)
_HEAD = const(1)
_LENGTH = const(2)
_FRAMES = const(3)
_BODY = const(4)


class Decoder:
    """Undoes `Encoder`, for frames of at most `size` bytes and at most `group` of them a block.

        at = decoder.feed(data, at, len(data))      # stops where frames wait
        n = decoder.pull(out, 0, len(out))          # frames, one after another
        torn = decoder.finish()                     # bytes behind the last whole block

    A block is given out once its check is right; nothing of a damaged one ever is.

    Args:
        size, group: the most that a stream may say; memory is (3 group + 1) * size bytes, and a
            `Coder` for what it does say.
        rows: units of a network's layers, for streams that agree on them (see Head).
        model: of the coder, for streams whose blocks all stand alone, where others have one that
            is at rest meanwhile.

    Raises:
        RangeError: `size` or `group` is not positive.
    """

    def __init__(
        self,
        size: int,
        group: int = 1,
        rows: "tuple[int, ...]" = (),
        model: "Model | None" = None,
    ) -> None:
        if size < 1 or group < 1:
            raise RangeError("a frame has at least one byte, a block at least one frame")
        self._limit = size
        self._limit_group = group
        self._rows = rows
        self._model = model
        self._in = bytearray(size * group + _ROOM)
        self._raw = bytearray(size * (group + 1))
        self._coder: "Coder | None" = None
        self._shape: "object" = None
        self._check = Check()
        self._number = Reader()
        self.restart()

    def restart(self, known: bool = False) -> None:
        """Get ready for another stream; the memory stays.

        With `known` its head is that of the stream before and is not fed again: nothing is
        then allocated, however many streams follow each other.
        """
        if not known:
            self.head = Head()  # what the stream says; before it does, of no meaning
            self._numbers: "list[int]" = []
        self.good = 0  # bytes of the stream to the end of the last whole block
        self._side: "bytearray | None" = None
        self._number.reset()
        self._taken = 0  # bytes since then
        self._fill = 0
        self._state = _LENGTH if known else _MAGIC
        self._kind = RAW
        self._frames = 0
        self._want = 0  # bytes until the block is whole
        self._from = 0
        self._to = 0
        self._wrong = ""
        self._fresh = False  # the coder has its model as the blocks so far left it

    @property
    def waiting(self) -> int:
        """How many bytes of frames wait to be pulled."""
        return self._to - self._from

    def expect(self, side: "bytearray | None") -> None:
        """Say what the writer expects of the blocks that follow: a byte an element."""
        self._side = side

    def feed(self, buf: Buf, start: int, end: int) -> int:
        """Take buf[start:end] in; return where it stopped: at `end`, or where frames wait.

        Raises:
            FormatError: the bytes are not, or no longer, a stream for this decoder.
        """
        if self._wrong:
            raise FormatError(self._wrong)
        try:
            while start < end and self._from == self._to:
                start = self._step(buf, start, end)
        except FormatError as error:
            self._wrong = str(error)
            raise
        return start

    def pull(self, out: bytearray, start: int, end: int) -> int:
        """Give up to ``end - start`` bytes of frames to out[start:]; return how many."""
        n = self._to - self._from
        if n > end - start:
            n = end - start
        spans.copy(self._raw, self._from, out, start, n)
        self._from += n
        return n

    def finish(self) -> int:
        """Return how many bytes lie behind the last whole block: 0, or those of a torn tail."""
        return self._taken

    def _step(self, buf: Buf, start: int, end: int) -> int:
        if self._state == _BODY:
            n = self._want - self._fill
            if n > end - start:
                n = end - start
            spans.copy(buf, start, self._in, self._fill, n)
            self._fill += n
            self._taken += n
            if self._fill == self._want:
                self._block()
            return start + n
        byte = buf[start]
        self._taken += 1
        if self._state == _MAGIC:
            self._magic(byte)
        elif self._state == _HEAD:
            if self._number.take(byte):
                self._numbers.append(self._number.value)
                self._head()
        else:
            self._in[self._fill] = byte
            self._fill += 1
            if self._number.take(byte):
                self._length(self._number.value)
        return start + 1

    def _magic(self, byte: int) -> None:
        if byte != MAGIC[self._taken - 1]:
            raise FormatError("this is not JSIL: it does not begin with the letters JSIL")
        if self._taken == len(MAGIC):
            self._state = _HEAD

    def _head(self) -> None:
        head = parse(self._numbers, self._rows)
        if head is None:
            return
        if head.size > self._limit or head.group > self._limit_group:
            raise FormatError(
                "frames of %d bytes, %d a block: this reader was opened for %d and %d"
                % (head.size, head.group, self._limit, self._limit_group)
            )
        shape = (head.size, head.group, head.rows)
        if head.mode > XOR and self._shape != shape:
            try:
                self._coder = Coder(head.size, head.group, head.rows, None, self._model)
            except RangeError as error:
                raise FormatError("a head that fits no frame: %s" % error)
            self._shape = shape
        self.head = head
        self._seed = head.seed()
        self._end_block()

    def _length(self, value: int) -> None:
        head = self.head
        if self._state == _LENGTH:
            self._kind = value & 3
            value >>= 2
            if head.mode <= XOR and self._kind != RAW and self._kind != GOES_ON * head.mode:
                raise FormatError("a block of kind %d in mode %d" % (self._kind, head.mode))
            if self._kind > ALONE and self._to == 0:
                raise FormatError("the first block needs another before it: begin at a keyframe")
            if self._kind != RAW and head.mode != XOR:
                self._body = value
                self._state = _FRAMES
                if head.group > 1:
                    return
                value = 1
        self._frames = value
        if not 1 <= self._frames <= head.group:
            raise FormatError("a block of %d frames: here one has 1 to %d" % (value, head.group))
        most = self._frames * head.size
        if self._state == _LENGTH:
            self._body = most
        elif not 1 <= self._body <= most:
            raise FormatError("a body of %d bytes for %d: the length lies" % (self._body, most))
        self._long = 4 if self._state == _FRAMES and self._body >= LONG else 2
        self._start = self._fill
        self._want = self._fill + self._body + self._long
        self._state = _BODY

    def _block(self) -> None:
        """Check the block, and undo it into `_raw`."""
        end = self._start + self._body
        if self._kind <= ALONE:
            self._check.start(self._seed)
        size = self._check.make(self._in, 0, end, self._side, self._long == 4)
        k = 0
        while k < size:
            if self._check.sum[k] != self._in[end + k]:
                raise FormatError(
                    "a damaged block after byte %d, or one coded against another model: "
                    "what came before is whole" % self.good
                )
            k += 1
        self._check.link()
        head = self.head
        coder = self._coder
        n = self._frames * head.size
        if self._to:  # the frame before goes to the front
            spans.copy(self._raw, self._to - head.size, self._raw, 0, head.size)
        if self._kind == RAW:
            spans.copy(self._in, self._start, self._raw, head.size, n)
            self._fresh = False
        elif coder is None or head.mode == XOR:
            spans.unxor(self._in, self._start, self._raw, head.size, n)
        else:
            if self._kind == ALONE or not self._fresh:
                coder.reset()
            self._fresh = True
            coder.decode(
                self._in, self._start, end, self._raw, head.size, n,
                1 if self._kind == DELTA else 0, self._side,
            )  # fmt: skip
        self._from = head.size
        self._to = head.size + n
        self._end_block()

    def _end_block(self) -> None:
        self.good += self._taken
        self._taken = 0
        self._fill = 0
        self._state = _LENGTH
