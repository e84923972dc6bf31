"""A probe in a liquid, pH or conductivity, on an analog input, calibrated at two points.

    {"driver": "probe", "layer": 3, "role": "ph", "points": [[2032, 4010], [1500, 6860]]}
    {"driver": "probe", "layer": 3, "role": "ec", "points": [[210, 84], [2300, 1413]],
     "neutral": 0, "one": 500, "limits": [0, 20000]}

A point is [millivolts, value], measured in a buffer whose value is known; the value is any
integer unit: milli-pH, microsiemens a centimetre.  Between and beyond the points the probe is
taken as straight, which an electrode is by Nernst's law.
"""

from sil.compat import About, const

from ..errors import SensorError
from . import scale
from .base import Sensor, number
from .parts import Analog

_APART_MV = const(20)  # two buffers closer than this would make a slope of noise
_MOST_MV = const(5000)
_MOST_VALUE = const(200000)


class Driver(Sensor):
    """Values: the calibrated value, and the millivolts it was made of.

    The byte: rho is ln(|value - `neutral`| / `one`), by default 7000 and 1000, so pH 7 is
    nothing and one pH beside it 0; theta is 0 above and 8 below, turned by a trend (see
    `scale.around`).  A value outside of `limits` is none: the probe is dry or broken.

    Raises:
        SensorError: the calibration cannot be: points too close, or out of range.
    """

    PART = "analog"
    OPTIONS = ("points", "neutral", "one", "limits")

    def __init__(self, analog: "Analog", entry: "About") -> None:
        Sensor.__init__(self, entry, 3, 2, 100, 0)
        self._analog = analog
        points = entry.get("points")
        self._mv, self._value = self._point(points, 0)
        mv, value = self._point(points, 1)
        self._span = mv - self._mv
        self._rise = value - self._value
        if abs(self._span) < _APART_MV or not self._rise:
            raise SensorError(
                "%s: points at %d and %d mV, values %d and %d: take two buffers of other values, "
                "at least %d mV apart" % (self.name, self._mv, mv, self._value, value, _APART_MV)
            )
        self._neutral = number(entry, "neutral", 7000, -_MOST_VALUE, _MOST_VALUE)
        self._unit = number(entry, "one", 1000, 1, _MOST_VALUE)
        limits = entry.get("limits", [0, 14000])
        if not isinstance(limits, (list, tuple)) or len(limits) != 2 or not _are_ints(limits):
            raise SensorError("%s: option limits is [least, most]" % self.name)
        self._least = limits[0]
        self._most = limits[1]
        if not self._least <= min(self._value, value) <= max(self._value, value) <= self._most:
            raise SensorError("%s: the points lie outside of limits %r" % (self.name, limits))
        self._before = 0

    def _point(self, points: object, which: int) -> "tuple[int, int]":
        if isinstance(points, (list, tuple)) and len(points) == 2:
            point = points[which]
            if isinstance(point, (list, tuple)) and len(point) == 2 and _are_ints(point):
                mv, value = point
                if 0 <= mv <= _MOST_MV and -_MOST_VALUE <= value <= _MOST_VALUE:
                    return mv, value
                raise SensorError(
                    "%s: point %r is out of 0..%d mV, or its value of +-%d"
                    % (self.name, point, _MOST_MV, _MOST_VALUE)
                )
        raise SensorError(
            "%s: points are two pairs [millivolts, value], as [[2032, 4010], [1500, 6860]]"
            % self.name
        )

    def _fetch(self) -> bool:
        mv = self._analog.millivolts()
        ahead = mv - self._mv
        # Signs apart: `ratio` is of amounts.
        down = (ahead < 0) ^ (self._span < 0) ^ (self._rise < 0)
        amount = scale.ratio(abs(ahead), abs(self._rise), abs(self._span))
        value = self._value - amount if down else self._value + amount
        if not self._least <= value <= self._most:
            return self._skip()
        self.values[0] = value
        self.values[1] = mv
        return True

    def _judge(self) -> int:
        value = self.values[0]
        change = value - self._before if self._code else 0
        self._before = value
        turn = scale.trend(change, max(self._unit >> 4, 1))
        return scale.around(value - self._neutral, self._unit, turn)


def _are_ints(pair: "list[object] | tuple[object, ...]") -> bool:
    for value in pair:
        if not isinstance(value, int) or isinstance(value, bool):
            return False
    return True
