"""Bosch BME688: temperature, humidity, pressure, and the resistance of a heated gas sensor.

    {"driver": "bme688", "layer": 2, "role": "i2c0", "address": 119, "heater": 320, "heat_ms": 100}

Data sheet: Bosch BST-BME688-DS000 (registers: section 5; compensation and heater: 3.6, gas:
3.6.5); the positions of the coefficients and of the heater's own are those of Bosch's published
BME68x sensor API.  Each reading is one forced conversion that heats for `heat_ms` to `heater`
degrees; the chip sleeps in between, and is set up anew each time.
"""

from array import array

from sil.compat import About, const

from ..errors import SensorError
from . import scale
from .base import Chip, number
from .bosch import Pressure, centidegrees, fine, signed, signed8, unsigned
from .parts import Bus
from .scale import mulshift

_ID = const(0xD0)
_VARIANT = const(0xF0)
_TABLE_1 = const(0x8A)  # 23 bytes of coefficients
_TABLE_2 = const(0xE1)  # 14 more
_HEAT_VALUE = const(0x00)
_HEAT_RANGE = const(0x02)
_DATA = const(0x1D)  # status, then raw pressure, temperature, humidity, gas to 0x2D
_HEATER = const(0x5A)
_HEAT_TIME = const(0x64)
_GAS = const(0x71)
_CONTROL_H = const(0x72)
_CONTROL = const(0x74)

_FORCED = const(0x25)  # temperature and pressure once
_RUN_GAS = const(0x20)
_NEW = const(0x80)
_GAS_IS_GOOD = const(0x30)  # a gas conversion took place, and the heater was stable
_CONVERSION_MS = const(12)  # of the three others, with the gas's own pause
_STEP = const(102)


class Driver(Chip):
    """Values: log2 of the gas resistance in Q10, 100 ohms, 0.01 degrees, 0.01 % humidity, 0.1 hPa.

    The byte: rho is ln(`clean` / resistance), 0 in clean air and growing with gas (`clean` in
    ohms, by default 100000); theta is 0 while that is steady, 1..4 while gas comes, 15..12
    while it goes.
    """

    OPTIONS = ("heater", "heat_ms", "clean")

    def __init__(self, bus: "Bus", entry: "About") -> None:
        self._heater = number(entry, "heater", 320, 200, 400)
        heat_ms = number(entry, "heat_ms", 100, 1, 4032)
        self._clean = number(entry, "clean", 100000, 100, 100000000)
        self._heat_time = heat_time(heat_ms)
        self._t = array("i", [0] * 3)
        self._p = array("i", [0] * 10)
        self._h = array("i", [0] * 7)
        self._g = array("i", [0] * 5)  # gh1, gh2, gh3, range, value of the heater
        self._table = bytearray(23)
        self._table_2 = bytearray(14)
        self._data = bytearray(17)
        self._pressure = Pressure(self._p)
        self._before = 0
        self.ohms = 0
        wait = _CONVERSION_MS + heat_ms + (heat_ms >> 3)  # the chip's clock may be slow
        Chip.__init__(self, bus, entry, 0x76, 2, 5, max(1000, wait), wait)

    def _setup(self) -> None:
        self._identify(_ID, (0x61,), (0x60, "BME280", 0x58, "BMP280"))
        variant = self._register(_VARIANT)
        if variant != 1:
            raise SensorError(
                "%s: variant %d is a BME680, whose gas differs: a BME688 (variant 1) is wanted"
                % (self.where, variant)
            )
        one = self._table
        two = self._table_2
        self._bus.read(self._address, _TABLE_1, one)
        self._bus.read(self._address, _TABLE_2, two)
        coefficients(one, two, self._t, self._p, self._h, self._g)
        self._g[3] = self._register(_HEAT_RANGE) >> 4 & 3
        self._g[4] = signed8(self._register(_HEAT_VALUE))

    def _start(self) -> None:
        ambient = 25
        if self._code:
            ambient = self.values[2] // 100
        self._set(_HEATER, heat_resistance(self._heater, ambient, self._g))
        self._set(_HEAT_TIME, self._heat_time)
        self._set(_GAS, _RUN_GAS)
        self._set(_CONTROL_H, 1)
        self._set(_CONTROL, _FORCED)

    def _fetch(self) -> bool:
        data = self._data
        self._bus.read(self._address, _DATA, data)
        if not data[0] & _NEW or data[16] & _GAS_IS_GOOD != _GAS_IS_GOOD:
            return self._skip()
        raw_p = data[2] << 12 | data[3] << 4 | data[4] >> 4
        raw_t = data[5] << 12 | data[6] << 4 | data[7] >> 4
        if not self._p[0]:  # coefficients that cannot be: it had just got its power
            self._lost = True
            return self._skip()
        t = fine(raw_t, self._t[0], self._t[1], self._t[2])
        centi = centidegrees(t)
        self.ohms = gas_resistance(data[15] << 2 | data[16] >> 6, data[16] & 15)
        self.values[0] = scale.level(self.ohms)
        self.values[1] = (self.ohms + 50) // 100
        self.values[2] = centi
        self.values[3] = humidity(data[8] << 8 | data[9], centi, self._h)
        self.values[4] = (self._pressure.eighths(raw_p, t) + 40) // 80
        return True

    def _judge(self) -> int:
        # More gas, less resistance: both signs turn round.
        change = self._before - self.values[0] if self._code else 0
        self._before = self.values[0]
        rho = -scale.strength(self.ohms, self._clean)
        return scale.code(rho, scale.trend(change, _STEP))


def coefficients(
    one: bytearray, two: bytearray,
    t: "array[int]", p: "array[int]", h: "array[int]", g: "array[int]",
) -> None:  # fmt: skip
    """Take the coefficients out of their two tables, in the units of `bosch.Pressure`."""
    t[0] = unsigned(two, 8)
    t[1] = signed(one, 0)
    t[2] = signed8(one[2]) * 16
    p[0] = unsigned(one, 4)
    p[1] = signed(one, 6)
    p[2] = signed8(one[8]) * 32
    p[3] = signed(one, 10)
    p[4] = signed(one, 12)
    p[5] = signed8(one[15])
    p[6] = signed8(one[14]) * 128
    p[7] = signed(one, 18)
    p[8] = signed(one, 20)
    p[9] = one[22]
    # H1 and H2 are 12 bits each and share a byte.
    h[0] = two[2] << 4 | two[1] & 15
    h[1] = two[0] << 4 | two[1] >> 4
    for i in range(3):
        h[2 + i] = signed8(two[3 + i])
    h[5] = two[6]
    h[6] = signed8(two[7])
    g[0] = signed8(two[12])
    g[1] = signed(two, 10)
    g[2] = signed8(two[13])


def humidity(raw: int, centi: int, h: "array[int]") -> int:
    """Return relative humidity in 0.01 %, held to 0..100 %, by the data sheet's terms.

    Args:
        raw: the humidity's 16 bits.
        centi: temperature in 0.01 degrees.
        h: H1..H7.
    """
    base = raw - (h[0] << 4) - (truncated(centi * h[2], 100) >> 1)
    bend = truncated(centi * h[3], 100) + truncated(centi * truncated(centi * h[4], 100) >> 6, 100)
    gain = h[1] * (bend + 16384) >> 10
    # Their product has 22 bits behind the point: too wide by 8 near 100 %.
    linear = mulshift(gain, base, 8)
    square = mulshift(linear >> 6, linear >> 6, 10)  # of the product without its last 14 bits
    curve = (h[5] << 7) + truncated(centi * h[6], 100) >> 4
    total = (linear >> 2) + mulshift(square, curve, 11)
    return min(max(mulshift(total, 1000, 12) // 10, 0), 10000)


def gas_resistance(raw: int, gas_range: int) -> int:
    """Return ohms of the gas sensor's 10 bits and their range, as the data sheet has it."""
    return scale.ratio(262144 >> gas_range, 1000000, 4096 + 3 * (raw - 512))


def heat_resistance(target: int, ambient: int, g: "array[int]") -> int:
    """Return the register value that heats to `target` degrees in air of `ambient` degrees.

    By the floating-point form.  The integer form divides early, and its term of the air,
    ambient * gh3 / 1000 * 256, is 10000 times less than there: together up to three steps.
    """
    one = ambient * g[2] * 2560
    two = (g[0] + 784) * ((truncated((g[1] + 154009) * target * 5, 100) + 3276800) // 10)
    three = (one + (two >> 1)) // (g[3] + 4)
    tenths = scale.ratio(three, 16, 131 * g[4] + 65536)  # of an ohm-like unit, in sixteenths
    return max((tenths - 250 * 16) * 34 // 1600, 0) & 0xFF


def heat_time(ms: int) -> int:
    """Return the register value of a heating time, 1..4032 ms: six bits and a power of four."""
    power = 0
    while ms > 63:
        ms >>= 2
        power += 1
    return power << 6 | ms


def truncated(a: int, b: int) -> int:
    """Return a / b towards zero, as C divides; b is positive."""
    return a // b if a >= 0 else -(-a // b)
