"""From measured values to a network's inputs, in integers, as a board does it.

Two steps, each usable alone:

* `Windows` turns a stream of raw int16 frames (one sample of each channel) into features
  of windows: mean, sd, least, greatest, mean |difference| a channel.  Memory is fixed:
  seven words a channel, whatever the length of the window.
* `Scaler` turns raw integer columns (those features, or values as a sensor gives them)
  into bytes that `sil.nn` takes: uint8 Q8 (0..255) for values that are never negative,
  int8 Q5 (-127..127, 32 = one standard deviation) otherwise.  Its table is learned on the
  host, on training data only, and travels to the board as bytes.

Neither allocates while it works.
"""

from array import array

from sil.compat import const
from sil.errors import FormatError, RangeError
from sil.kernels import features

UNSIGNED = 0  # outputs are uint8 Q8
SIGNED = 1  # outputs are int8 Q5, in two's complement
FEATURES = 5  # of a channel: mean, sd, least, greatest, mean |difference|

# Raw values beyond are taken as this, with their sign: products stay below 2**28.
RAW_LIMIT = 65535
MAX_MULTIPLIER = 4095
MAX_SHIFT = 26
MAX_OFFSET = 1 << 29

_MAX_COLUMNS = const(255)
_ROW = const(7)  # bytes: offset int32, multiplier uint16, shift uint8, little-endian
_STATE = const(7)  # words a channel, see kernels.features.push
_MAX_LENGTH = const(1024)
_MAX_CHANNELS = const(64)


class Scaler:
    """Affine scaling of integer columns to bytes.

    `kind` is UNSIGNED or SIGNED; `rows` has an (offset, multiplier, shift) a column:
    out = (x * multiplier + offset) >> shift, where the offset has the rounding in it
    and carries the units of the product.

    Raises:
        RangeError: no column or more than 255, or a number outside of its limits.
    """

    def __init__(self, kind: int, rows: "list[tuple[int, int, int]]") -> None:
        if kind not in (UNSIGNED, SIGNED):
            raise RangeError("a scaler's kind is 0 (uint8) or 1 (int8), not %r" % (kind,))
        if not 1 <= len(rows) <= _MAX_COLUMNS:
            raise RangeError("a scaler has 1..255 columns, not %d" % len(rows))
        table = array("i", [0] * (3 * len(rows)))
        for i, (offset, multiplier, shift) in enumerate(rows):
            if not (
                -MAX_OFFSET < offset < MAX_OFFSET
                and 0 <= multiplier <= MAX_MULTIPLIER
                and 0 <= shift <= MAX_SHIFT
            ):
                raise RangeError("column %d: offset, multiplier or shift is too large" % i)
            table[3 * i] = offset
            table[3 * i + 1] = multiplier
            table[3 * i + 2] = shift
        self.kind = kind
        self.columns = len(rows)
        self._table = table
        self._low = -127 if kind == SIGNED else 0
        self._high = 127 if kind == SIGNED else 255

    def apply(self, x: "array[int]", out: bytearray, rows: int = 1) -> int:
        """Scale `rows` rows of raw int32 `x` into `out`; return how many values were clamped.

        Raises:
            RangeError: a buffer is shorter than rows * columns.
        """
        size = rows * self.columns
        if rows < 0 or len(x) < size or len(out) < size:
            raise RangeError("scaling %d values needs buffers of that length" % size)
        return features.scale(x, self._table, out, rows, self.columns, self._low, self._high)

    def to_bytes(self) -> bytes:
        """Return the table as stored and sent: kind, columns, then 7 bytes a column."""
        out = bytearray(2 + _ROW * self.columns)
        out[0] = self.kind
        out[1] = self.columns
        at = 2
        for i in range(self.columns):
            offset = self._table[3 * i]
            multiplier = self._table[3 * i + 1]
            out[at] = offset & 0xFF
            out[at + 1] = (offset >> 8) & 0xFF
            out[at + 2] = (offset >> 16) & 0xFF
            out[at + 3] = (offset >> 24) & 0xFF
            out[at + 4] = multiplier & 0xFF
            out[at + 5] = multiplier >> 8
            out[at + 6] = self._table[3 * i + 2]
            at += _ROW
        return bytes(out)

    @staticmethod
    def from_bytes(data: bytes) -> "Scaler":
        """Return the scaler that `to_bytes` wrote.

        Raises:
            FormatError: the bytes are not such a table.
        """
        if len(data) < 2 or len(data) != 2 + _ROW * data[1]:
            raise FormatError(
                "a scaler's table is 2 bytes and 7 a column; it was cut or is not one"
            )
        rows = []
        for at in range(2, len(data), _ROW):
            # The top byte is a signed one: so no value passes through 2**31.
            top = (data[at + 3] ^ 0x80) - 0x80
            if not -0x20 <= top < 0x20:
                raise FormatError("a scaler's offset is beyond 2**29")
            offset = (top << 24) | (data[at + 2] << 16) | (data[at + 1] << 8) | data[at]
            rows.append((offset, data[at + 4] | (data[at + 5] << 8), data[at + 6]))
        try:
            return Scaler(data[0], rows)
        except RangeError as error:
            raise FormatError("not a scaler's table: %s" % error)


class Windows:
    """Features of consecutive windows over a stream of int16 frames, in fixed memory.

    A frame is one sample of each channel; a window is `length` frames (4 s at 50 Hz: 200).
    Feed until `ready`, then read `out`: int32, `channels` times mean, sd, least,
    greatest, mean |difference|, in units of the samples.

        i = 0
        while i < end:
            i = windows.feed(samples, i, end)
            if windows.ready:
                scaler.apply(windows.out, inputs)

    Raises:
        RangeError: channels not in 1..64, or length not in 2..1024.
    """

    def __init__(self, channels: int, length: int) -> None:
        if not 1 <= channels <= _MAX_CHANNELS:
            raise RangeError("a window has 1..64 channels, not %d" % channels)
        if not 2 <= length <= _MAX_LENGTH:
            raise RangeError("a window has 2..1024 frames, not %d" % length)
        self.channels = channels
        self.length = length
        self.out = array("i", [0] * (FEATURES * channels))
        self.ready = False
        self._state = array("i", [0] * (_STATE * channels))
        self._filled = 0

    def reset(self) -> None:
        """Forget a window that has begun: the next frame belongs to another recording."""
        self._filled = 0
        self.ready = False

    def feed(self, samples: "array[int]", start: int, end: int) -> int:
        """Take frames from int16 `samples[start:end]`, at most to the window's end.

        Returns the index of the first sample not taken; sets `ready` if `out` is new.

        Raises:
            RangeError: the range is outside of the buffer, or not of whole frames.
        """
        if not 0 <= start <= end <= len(samples) or (end - start) % self.channels:
            raise RangeError("samples start..end are not whole frames within the buffer")
        frames = (end - start) // self.channels
        if frames > self.length - self._filled:
            frames = self.length - self._filled
        self._filled = features.push(
            samples, start, frames, self.channels, self._state, self._filled
        )
        self.ready = self._filled == self.length
        if self.ready:
            features.finish(self._state, self.channels, self.length, self.out)
            self._filled = 0
        return start + frames * self.channels
