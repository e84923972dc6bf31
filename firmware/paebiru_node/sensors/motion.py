"""What accelerometers share: gravity taken out, and the byte of what is left."""

from array import array

from sil.compat import About, const
from sil.intmath import isqrt

from . import scale
from .base import Chip
from .parts import Bus

RANGES_G = (2, 4, 8, 16)
RANGES_DPS = (250, 500, 1000, 2000)

_SLOW = const(4)  # gravity follows by a sixteenth a reading
_FINE = const(8)  # its bits behind the point


class Motion(Chip):
    """Values: acceleration x, y, z, then rotation x, y, z, int16 as the chip gives them.

    The byte: rho is ln of the acceleration beyond gravity, where an eighth of 1 g is 0; theta
    is its direction across the board in 16ths of a turn: 0 along x, 4 along y.  Gravity is the
    slow mean of what was measured.
    """

    OPTIONS = ("range_g", "range_dps")

    def __init__(
        self, bus: "Bus", entry: "About", address: int, range_g: int, period: int, wait: int
    ) -> None:
        self._g = 16384 * 2 // RANGES_G[range_g]  # counts of 1 g
        self._gravity = array("i", [0, 0, 0])
        self._rest = array("i", [0, 0, 0])
        Chip.__init__(self, bus, entry, address, 4, 6, period, wait)

    def _judge(self) -> int:
        gravity = self._gravity
        rest = self._rest
        i = 0
        while i < 3:
            value = self.values[i]
            if not self._code:
                gravity[i] = value << _FINE
            rest[i] = value - (gravity[i] >> _FINE)
            gravity[i] += rest[i] << (_FINE - _SLOW)
            i += 1
        # Each difference is below 2**17: halved thrice, three squares fit.
        shift = 3 if max(abs(rest[0]), abs(rest[1]), abs(rest[2])) > 16000 else 0
        x = rest[0] >> shift
        y = rest[1] >> shift
        z = rest[2] >> shift
        size = isqrt(x * x + y * y + z * z) << shift
        return scale.code(scale.strength(size, self._g >> 3), scale.direction(x, y))
