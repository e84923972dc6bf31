"""TDK InvenSense MPU-6050: acceleration and rotation.

    {"driver": "mpu6050", "layer": 4, "role": "i2c0", "address": 104, "range_g": 4}

Documents: PS-MPU-6000A-00 (sensitivity: 16384 counts a g at 2 g, 131 a degree per second at
250, section 6) and RM-MPU-6000A-00 (registers).
"""

from sil.compat import About, const

from .base import choice
from .motion import RANGES_DPS, RANGES_G, Motion
from .parts import Bus

_RATE = const(0x19)  # then: filter, gyroscope's range, accelerometer's range
_FILTER = const(0x1A)
_RANGE_DPS = const(0x1B)
_RANGE_G = const(0x1C)
_DATA = const(0x3B)
_POWER = const(0x6B)
_WHO = const(0x75)

_AWAKE = const(0x01)  # clock of the gyroscope
_44_HZ = const(3)  # low-pass, with which samples come 1000 times a second
_100_HZ = const(9)  # every tenth


class Driver(Motion):
    """See `Motion`; 16384 counts are `range_g` / 2 g, 131 counts `range_dps` / 250 degrees/s."""

    def __init__(self, bus: "Bus", entry: "About") -> None:
        self._of_g = choice(entry, "range_g", RANGES_G)
        self._of_dps = choice(entry, "range_dps", RANGES_DPS)
        self._data = bytearray(14)
        Motion.__init__(self, bus, entry, 0x68, self._of_g, 10, 0)

    def _setup(self) -> None:
        self._identify(
            _WHO, (0x68,), (0x70, "MPU-6500", 0x71, "MPU-9250", 0x73, "MPU-9255", 0x19, "MPU-6886")
        )
        self._set(_POWER, _AWAKE)
        self._set(_FILTER, _44_HZ)
        self._set(_RATE, _100_HZ)
        self._set(_RANGE_DPS, self._of_dps << 3)
        self._set(_RANGE_G, self._of_g << 3)

    def _fetch(self) -> bool:
        data = self._data
        self._bus.read(self._address, _DATA, data)
        some = 0
        i = 0
        while i < 6:
            at = 2 * i + (2 if i > 2 else 0)  # the chip's temperature stands between
            value = ((data[at] << 8 | data[at + 1]) ^ 0x8000) - 0x8000
            some |= value
            self.values[i] = value
            i += 1
        if some == 0:  # as after its power failed: it sleeps until it is set up
            self._lost = True
            return self._skip()
        return True
