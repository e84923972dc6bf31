"""Bosch BME280: temperature, humidity and pressure of air, one forced conversion a reading.

    {"driver": "bme280", "layer": 4, "role": "i2c0", "address": 118}

Data sheet: Bosch BST-BME280-DS002 (registers: section 5; compensation: 4.2.3; times: 9.1).
A forced conversion of every kind once takes 9.3 ms at most and leaves the chip asleep, so it
does not warm itself, and each reading sets it up anew: a chip that lost its power recovers.
"""

from array import array

from sil.compat import About, const

from . import scale
from .base import Chip, choice
from .bosch import Pressure, centidegrees, fine, signed, signed8, unsigned
from .parts import Bus
from .scale import mulshift

_ID = const(0xD0)
_CALIBRATION = const(0x88)  # T1..T3, P1..P9, a free byte, H1
_CALIBRATION_H = const(0xE1)  # H2..H6
_CONTROL_H = const(0xF2)
_CONTROL = const(0xF4)
_DATA = const(0xF7)
_FORCED = const(0x25)  # temperature and pressure once, then sleep
_NOTHING = const(0x80000)  # a conversion that was left out reads as this
_WAIT = const(10)

_STANDARD = const(810600)  # 101325 Pa in eighths
_COMFORT = const(2000)  # 20.00 degrees


class Driver(Chip):
    """Values: 0.01 degrees Celsius, 0.01 % relative humidity, 0.1 hPa.

    The byte: rho is ln of how far temperature is from 20 degrees, in units of 10 (`of` 0), or
    how far pressure is from 1013.25 hPa, in units of 10 hPa (`of` 1).  Theta is 0 above, 8
    below, turned by up to three steps for a rise (towards 4) or a fall (towards 12).
    """

    OPTIONS = ("of",)

    def __init__(self, bus: "Bus", entry: "About") -> None:
        self._of = choice(entry, "of", (0, 1))
        self._t = array("i", [0] * 3)
        self._p = array("i", [0] * 10)
        self._h = array("i", [0] * 6)
        self._table = bytearray(26)
        self._table_h = bytearray(7)
        self._data = bytearray(8)
        self._pressure = Pressure(self._p)
        self._before = 0
        self.eighths = 0  # pressure with all that is known of it, in 1/8 Pa
        Chip.__init__(self, bus, entry, 0x76, 4, 3, 20, _WAIT)

    def _setup(self) -> None:
        self._identify(
            _ID, (0x60,), (0x58, "BMP280, which has no humidity", 0x61, "BME680 or BME688")
        )
        table = self._table
        self._bus.read(self._address, _CALIBRATION, table)
        self._bus.read(self._address, _CALIBRATION_H, self._table_h)
        self._t[0] = unsigned(table, 0)
        self._t[1] = signed(table, 2)
        self._t[2] = signed(table, 4)
        self._p[0] = unsigned(table, 6)
        for i in range(1, 9):
            self._p[i] = signed(table, 6 + 2 * i)
        self._p[5] *= 4  # as `Pressure` wants it
        h = self._table_h
        self._h[0] = table[25]
        self._h[1] = signed(h, 0)
        self._h[2] = h[2]
        # H4 and H5 are 12 bits each and share a byte.
        self._h[3] = signed8(h[3]) * 16 + (h[4] & 15)
        self._h[4] = signed8(h[5]) * 16 + (h[4] >> 4)
        self._h[5] = signed8(h[6])

    def _start(self) -> None:
        self._set(_CONTROL_H, 1)  # takes effect with the next write of _CONTROL
        self._set(_CONTROL, _FORCED)

    def _fetch(self) -> bool:
        data = self._data
        self._bus.read(self._address, _DATA, data)
        raw_p = data[0] << 12 | data[1] << 4 | data[2] >> 4
        raw_t = data[3] << 12 | data[4] << 4 | data[5] >> 4
        if raw_p == _NOTHING or raw_t == _NOTHING:
            return self._skip()
        t = fine(raw_t, self._t[0], self._t[1], self._t[2])
        eighths = self._pressure.eighths(raw_p, t)
        if not eighths:  # coefficients that cannot be: it had just got its power
            self._lost = True
            return self._skip()
        self.eighths = eighths
        self.values[0] = centidegrees(t)
        self.values[1] = (humidity(data[6] << 8 | data[7], t, self._h) * 100 + 512) >> 10
        self.values[2] = (self.eighths + 40) // 80
        return True

    def _judge(self) -> int:
        if self._of:
            now = self.eighths - _STANDARD
            one, step = 8000, 80
        else:
            now = self.values[0] - _COMFORT
            one, step = 1000, 10
        change = now - self._before if self._code else 0
        self._before = now
        return scale.around(now, one, scale.trend(change, step))


def humidity(raw: int, t_fine: int, h: "array[int]") -> int:
    """Return relative humidity in 1/1024 %, held to 0..100 %.

    Args:
        raw: the humidity's 16 bits.
        t_fine: as `bosch.fine` gives it.
        h: H1..H6.
    """
    v = t_fine - 76800
    # (raw << 14) - (H4 << 20) - H5 * v + 16384, halved 15 times, without the wide terms.
    rest = h[4] * v - 16384
    first = (raw - h[3] * 64 - (rest >> 14) - (1 if rest & 16383 else 0)) >> 1
    gain = mulshift(mulshift(v, h[5], 10), mulshift(v, h[2], 11) + 32768, 10) + 2097152
    second = (mulshift(gain, h[1], 13) + 1) >> 1
    x = mulshift(second, first, 2)  # in quarters of the data sheet's
    if x <= 0:
        return 0
    if x > 200 << 20:
        x = 200 << 20  # twice all; beyond, the square below would not fit
    x -= mulshift(mulshift(x >> 13, x >> 13, 7), h[0], 6)
    return min(max(x >> 10, 0), 100 << 10)
