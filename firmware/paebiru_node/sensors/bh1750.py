"""ROHM BH1750FVI: illuminance, one high-resolution conversion a reading.

    {"driver": "bh1750", "layer": 0, "role": "i2c0", "address": 35}

Data sheet: ROHM BH1750FVI, rev. D: instructions, p. 5; lx = count / 1.2, p. 7; a conversion
takes 180 ms at most, p. 2.  The chip has no identity to check: that somebody acknowledges at
its address is all that can be known.
"""

from sil.compat import About, const

from . import scale
from .base import Chip, number
from .parts import Bus

_WAIT = const(180)
_STEP = const(102)  # a tenth of an octave, 7 %, in Q10 of log2


class Driver(Chip):
    """Values: lx (0..54612), and log2 of the count in Q10 (0..16384), which fits a window.

    The byte: rho is ln(lx / `one`), by default 400 lx, a lit office; theta is 0 for steady
    light, 1..4 for more of it, 15..12 for less (see `scale.trend`).
    """

    OPTIONS = ("one",)

    def __init__(self, bus: "Bus", entry: "About") -> None:
        self._one_count = number(entry, "one", 400, 1, 54612) * 6 // 5
        self._once = b"\x20"  # high resolution, then power down: each reading sets it up anew
        self._data = bytearray(2)
        self._count = 0
        self._before = 0
        Chip.__init__(self, bus, entry, 0x23, 0, 2, 200, _WAIT)

    def _setup(self) -> None:
        self._bus.write(self._address, b"\x01")  # power on: only to be acknowledged

    def _start(self) -> None:
        self._bus.write(self._address, self._once)

    def _fetch(self) -> bool:
        self._bus.receive(self._address, self._data)
        self._count = self._data[0] << 8 | self._data[1]
        self.values[0] = (self._count * 10 + 6) // 12
        self.values[1] = scale.level(self._count)
        return True

    def _judge(self) -> int:
        now = self.values[1]
        change = now - self._before if self._code else 0
        self._before = now
        return scale.code(scale.strength(self._count, self._one_count), scale.trend(change, _STEP))
