"""The head of a JSIL stream, and the check that ends each block (SPEC.md section 3)."""

from .compat import Buf
from .crc import Crc32
from .errors import RangeError
from .guarded import put
from .kernels import spans

MAGIC = b"JSIL"
VERSION = 1

NONE = 0
XOR = 1
ROTATE = 2
XOR_ROTATE = 3
ADAPTIVE = 4

# Kinds of a block: the low two bits of its first number.
RAW = 0  # bytes as they are; needs nothing before it
ALONE = 1  # coded, the model fresh; needs nothing before it
GOES_ON = 2  # coded, the model kept; in mode Xor, bytes XORed with the frame before
DELTA = 3  # coded, the model kept, every symbol against the frame before

MAX_SIZE = 0x3FFFFF  # of a block, so that a kind fits beside its length in a guarded number
LONG = 1024  # bytes of a coded body from which the check is a CRC-32

AGREED = 8
VERSION_AT = 4
GROUPED = 64
ROWS = 128
MAX_LAYERS = 8


class Head:
    """Mode, frame size, frames a block, frames a keyframe interval, and rows of a stream.

    `agreed` says that the reader has to be opened with the same `rows`, which are then not
    written, and must be told the same expectation before each block.

    Raises:
        RangeError: a value outside of its domain.
    """

    def __init__(
        self, mode: int = ADAPTIVE, size: int = 1, group: int = 1, interval: int = 0,
        rows: "tuple[int, ...]" = (), agreed: bool = False,
    ) -> None:  # fmt: skip
        if not 0 <= mode <= ADAPTIVE:
            raise RangeError("mode %d does not exist: modes are 0 to 4" % mode)
        if not 1 <= size <= MAX_SIZE:
            raise RangeError("a frame has 1..%d bytes, not %d" % (MAX_SIZE, size))
        if group < 1 or size * group > MAX_SIZE:
            raise RangeError("%d frames a block make it empty or above %d" % (group, MAX_SIZE))
        if not 0 <= interval <= MAX_SIZE:
            raise RangeError("keyframe interval %d is out of 0..%d" % (interval, MAX_SIZE))
        if interval % group:
            raise RangeError("keyframe interval %d is no multiple of %d frames" % (interval, group))
        if len(rows) == 1 or len(rows) > MAX_LAYERS or any(not 1 <= r <= MAX_SIZE for r in rows):
            raise RangeError("rows are 2..%d layer sizes, not %s" % (MAX_LAYERS, rows))
        self.mode = mode
        self.size = size
        self.group = group
        self.interval = interval
        self.rows = rows
        self.agreed = agreed

    def encode(self) -> bytes:
        """Return the bytes of the head."""
        flags = self.mode | VERSION << VERSION_AT
        numbers = [self.size]
        if self.group > 1 or self.interval:
            flags |= GROUPED
            numbers += [self.group, self.interval // self.group]
        if self.agreed:
            flags |= AGREED
        elif self.rows:
            flags |= ROWS
            numbers += [len(self.rows)] + list(self.rows)
        out = bytearray(4 + 4 * (len(numbers) + 1))
        out[:4] = MAGIC
        at = put(out, 4, flags)
        for number in numbers:
            at = put(out, at, number)
        return bytes(out[:at])

    def seed(self) -> int:
        """Return what the check of a block that needs nothing before it starts from."""
        data = self.encode()
        crc = spans.crc16(data, 0, len(data), 0xFFFF)
        if self.agreed:
            hidden = bytearray(4 * len(self.rows) + 1)
            end = 0
            for number in self.rows:
                end = put(hidden, end, number)
            crc = spans.crc16(hidden, 0, end, crc)
        return crc


class Check:
    """The chained check: each block's covers what the block before ended with.

    Two bytes of CRC-16, which sees every error of up to three bits in a body shorter than
    `LONG`; four of CRC-32 from there.  Allocates nothing.
    """

    def __init__(self) -> None:
        self._crc = Crc32()
        self._chain = bytearray(2)
        self.sum = bytearray(4)

    def start(self, seed: int) -> None:
        """Begin a chain."""
        self._chain[0] = seed >> 8
        self._chain[1] = seed & 0xFF

    def make(self, data: Buf, start: int, end: int, side: "bytearray | None", long: bool) -> int:
        """Sum data[start:end] and the expectation up into `sum`; return its length."""
        if long:
            crc = self._crc
            crc.reset()
            crc.update(self._chain, 0, 2)
            if side is not None:
                crc.update(side, 0, len(side))
            crc.update(data, start, end)
            crc.store(self.sum, 0)
            return 4
        value = spans.crc16(self._chain, 0, 2, 0xFFFF)
        if side is not None:
            value = spans.crc16(side, 0, len(side), value)
        value = spans.crc16(data, start, end, value)
        self.sum[0] = value >> 8
        self.sum[1] = value & 0xFF
        return 2

    def link(self) -> None:
        """Let the next block follow the one just summed."""
        self._chain[0] = self.sum[0]
        self._chain[1] = self.sum[1]
