"""A small camera: a frame of luminance, reduced to eight by eight blocks as it comes.

    {"driver": "camera", "layer": 0, "role": "camera", "width": 96, "height": 96}

The stream gives rows of one byte a pixel.  No frame is ever held: each pixel is added to its
block.  A frame begins behind `header` (hex digits, up to 8 bytes).  Without one it begins where
the last ended; a pause of at least `gap` ms ends a frame too, and throws it away.
"""

from array import array
from binascii import unhexlify

from sil.compat import About, const, ticks_diff
from sil.kernels import image

from ..errors import SensorError
from . import scale
from .base import Sensor, flag, number
from .parts import Stream

_BLOCKS = const(64)
_PIECE = const(512)
_MOST_HEADER = const(8)


class Driver(Sensor):
    """`inputs` and values: 64 means, row by row, uint8 Q8: black is 0, white 255.

    That is the scale of the data set `digits`, where ink is bright: `invert` makes it so of
    dark ink on white paper.  The byte: rho is ln of the mean brightness, where a quarter of
    white (`one`, by default 64) is 0; theta is the direction in which the picture brightens,
    0 right, 4 up (see `sil.kernels.image.brightens`).
    """

    PART = "stream"
    OPTIONS = ("width", "height", "invert", "header", "gap", "one")

    def __init__(self, stream: "Stream", entry: "About") -> None:
        Sensor.__init__(self, entry, 0, _BLOCKS, 0, 0)
        self.width = number(entry, "width", 96, 8, 1024)
        self.height = number(entry, "height", 96, 8, 1024)
        self._invert = 255 if flag(entry, "invert") else 0
        self._unit = number(entry, "one", 64, 1, 255)
        self._gap = number(entry, "gap", 50, 1, 10000)
        self._header = _header(entry)
        self._pixels = self.width * self.height
        self.inputs = bytearray(_BLOCKS)
        self._sums = array("i", [0] * _BLOCKS)
        self._counts = array("i", [0] * 16)
        self._bytes = bytearray(_PIECE)
        self._stream = stream
        self._from = 0
        self._to = 0
        self._position = 0  # pixels of the frame so far
        self._matched = 0  # bytes of the header so far
        self._now = 0
        self._heard = 0  # when the last byte came
        self._total = 0

    def poll(self, now: int) -> bool:
        """Take in what came; return whether a frame is whole.  See `Sensor.poll`."""
        self._now = now
        return Sensor.poll(self, now)

    def _fetch(self) -> bool:
        pieces = self._pixels // _PIECE + 2  # so much, then others have their turn
        while pieces:
            pieces -= 1
            if self._from == self._to and not self._receive():
                return False
            self._seek()
            n = min(self._to - self._from, self._pixels - self._position)
            self._position = image.add(
                self._bytes, self._from, n, self.width, self.height, self._position, self._sums
            )
            self._from += n
            if self._position == self._pixels:
                self._restart()
                self._total = image.means(
                    self._sums, self.width, self.height, self._invert, self.inputs
                )
                i = 0
                while i < _BLOCKS:
                    self.values[i] = self.inputs[i]
                    i += 1
                return True
        return False

    def _receive(self) -> bool:
        self._from = 0
        self._to = max(self._stream.readinto(self._bytes), 0)
        if self._to:
            self._heard = self._now
            return True
        pause = ticks_diff(self._now, self._heard)
        if self._position and pause >= self._gap and not self._header:
            self._forget()
        return False

    def _seek(self) -> None:
        """Go on to behind the header, where there is one and no frame has begun."""
        header = self._header
        while self._matched < len(header) and self._from < self._to:
            byte = self._bytes[self._from]
            self._from += 1
            if byte == header[self._matched]:
                self._matched += 1
            else:
                # No header begins like the middle of itself (`_header`): try it as a first byte.
                self._matched = 1 if byte == header[0] else 0

    def _forget(self) -> None:
        """Throw an unfinished frame away."""
        self._skip()
        self._restart()
        i = 0
        while i < _BLOCKS:
            self._sums[i] = 0
            i += 1

    def _restart(self) -> None:
        self._position = 0
        self._matched = 0

    def _setup(self) -> None:
        if self._position:
            self._forget()

    def _judge(self) -> int:
        theta = image.brightens(self.inputs, self._counts)
        return scale.code(scale.strength(self._total, self._unit * _BLOCKS), theta)


def _header(entry: "About") -> bytes:
    """Return the bytes that begin a frame.

    Raises:
        SensorError: no hex digits, too many, or the first byte comes again: a search could then
            miss it.
    """
    text = entry.get("header", "")
    try:
        header = unhexlify(text)
    except (TypeError, ValueError):
        raise SensorError("camera: option header is hex digits, as 55aa00ff, not %r" % (text,))
    if len(header) > _MOST_HEADER or (header and header[:1] in header[1:]):
        raise SensorError(
            "camera: option header has up to %d bytes, and its first only once" % _MOST_HEADER
        )
    return header
