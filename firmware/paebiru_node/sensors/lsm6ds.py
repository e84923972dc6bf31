"""ST LSM6DS3, LSM6DSL, LSM6DSR and LSM6DSO families: acceleration and rotation.

    {"driver": "lsm6ds", "layer": 4, "role": "i2c0", "address": 106, "range_g": 4}

Data sheets: LSM6DS3 (DocID026899), LSM6DS3TR-C (DS11929), LSM6DSO (DS12140), LSM6DSOX
(DS12814), LSM6DSR (DS12897): WHO_AM_I, CTRL1_XL, CTRL2_G, CTRL3_C and the outputs have the
same addresses and bits in all.  LSM6DSV has others and is refused.  Sensitivity: 0.061 mg
and 8.75 mdps a count at 2 g and 250 dps.
"""

from sil.compat import About, const

from .base import choice
from .motion import RANGES_DPS, RANGES_G, Motion
from .parts import Bus

_WHO = const(0x0F)
_ACCELERATION = const(0x10)
_ROTATION = const(0x11)
_COMMON = const(0x12)
_DATA = const(0x22)  # rotation, then acceleration

_104_HZ = const(0x40)
_WHOLE = const(0x44)  # a sample's bytes belong together; addresses count up

# Bits of the ranges 2, 4, 8, 16 g: they are not in order.
_G_BITS = b"\x00\x08\x0c\x04"


class Driver(Motion):
    """See `Motion`; 16393 counts are `range_g` / 2 g, 114.3 counts `range_dps` / 250 degrees/s."""

    def __init__(self, bus: "Bus", entry: "About") -> None:
        self._of_g = choice(entry, "range_g", RANGES_G)
        self._of_dps = choice(entry, "range_dps", RANGES_DPS)
        self._data = bytearray(12)
        Motion.__init__(self, bus, entry, 0x6A, self._of_g, 10, 0)

    def _setup(self) -> None:
        self._identify(
            _WHO,
            (0x69, 0x6A, 0x6B, 0x6C),
            (0x70, "LSM6DSV, whose registers differ", 0x33, "LIS3DH"),
        )
        self._set(_COMMON, _WHOLE)
        self._set(_ACCELERATION, _104_HZ | _G_BITS[self._of_g])
        self._set(_ROTATION, _104_HZ | self._of_dps << 2)

    def _fetch(self) -> bool:
        data = self._data
        self._bus.read(self._address, _DATA, data)
        some = 0
        i = 0
        while i < 6:
            at = 2 * i + 6 if i < 3 else 2 * i - 6
            value = ((data[at + 1] << 8 | data[at]) ^ 0x8000) - 0x8000
            some |= value
            self.values[i] = value
            i += 1
        if some == 0:  # as after its power failed: it sleeps until it is set up
            self._lost = True
            return self._skip()
        return True
