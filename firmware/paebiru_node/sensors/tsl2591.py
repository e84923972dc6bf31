"""ams TSL2591: light and its infrared share, over five decades by three gains.

    {"driver": "tsl2591", "layer": 0, "role": "i2c0"}

Data sheet: ams TSL2591 v1-02: command byte and registers, p. 14-22; typical gains 1, 25, 428,
p. 8; a channel holds at most 36863 counts in 100 ms, p. 16.  It gives no formula for lux; the
one used is that of ams's application notes for the family, as Adafruit's driver has it:
lx = (C0 - C1)**2 / C0 * 408 / (ms * gain), C0 all light, C1 infrared.
"""

from array import array

from sil.compat import About, const

from . import scale
from .base import Chip, number
from .parts import Bus

_COMMAND = const(0xA0)  # a register, in normal operation
_ENABLE = const(0xA0)
_CONTROL = const(0xA1)
_ID = const(0xB2)
_DATA = const(0xB4)
_ON = const(0x03)  # power and conversion
_FULL = const(36863)
_LOW = const(100)  # fewer counts: a higher gain sees more
_WAIT = const(120)  # 100 ms of integration, with the tolerance of its clock
_STEP = const(102)


class Driver(Chip):
    """Values: lx, the infrared share (0..1000 of 1000), log2 of lx * 64 in Q10.

    The byte: rho is ln(lx / `one`), by default 400 lx; theta is the infrared share in 16ths:
    0..1 LED and fluorescent lamps, about 3..5 daylight, above 8 glowing wires and fire.
    """

    OPTIONS = ("one",)

    def __init__(self, bus: "Bus", entry: "About") -> None:
        self._unit = number(entry, "one", 400, 1, 100000) * 64
        self._gains = array("H", [1, 25, 428])
        self._gain = 1
        self._data = bytearray(4)
        self._lux64 = 0
        self._share = 0
        Chip.__init__(self, bus, entry, 0x29, 0, 3, 200, _WAIT)

    def _setup(self) -> None:
        self._identify(_ID, (0x50,), (0x44, "TCS34725"))
        self._set(_CONTROL, self._gain << 4)
        self._set(_ENABLE, _ON)

    def _fetch(self) -> bool:
        data = self._data
        self._bus.read(self._address, _DATA, data)
        light = data[1] << 8 | data[0]
        infrared = data[3] << 8 | data[2]
        gain = self._gain
        if light >= _FULL or infrared >= _FULL:
            if gain > 0:
                self._change(gain - 1)
                return False
            light = min(light, _FULL)
        elif light < _LOW and gain < 2:
            self._change(gain + 1)
            return False
        infrared = min(infrared, light)
        self._share = infrared * 4096 // light if light else 0
        visible = light - infrared
        visible = scale.ratio(visible, visible, light) if light else 0
        self._lux64 = scale.ratio(visible, 408 * 64, 100 * self._gains[gain])
        self.values[0] = (self._lux64 + 32) >> 6
        self.values[1] = self._share * 1000 + 2048 >> 12
        self.values[2] = scale.level(self._lux64)
        return True

    def _change(self, gain: int) -> None:
        """Take another gain; the conversion that runs is thrown away by starting anew."""
        self._gain = gain
        self._set(_ENABLE, 1)
        self._set(_CONTROL, gain << 4)
        self._set(_ENABLE, _ON)

    def _judge(self) -> int:
        theta = self._share >> 8
        return scale.code(scale.strength(self._lux64, self._unit), min(theta, 15))
