"""A resistive gas sensor (MQ series, TGS series) on an analog input.

    {"driver": "analog_gas", "layer": 2, "role": "gas", "supply": 5000, "load": 10000,
     "divider": [2, 1], "clean": 33000}

The element and a load resistor divide the supply; the input sees the load's voltage V, or a
part of it by a `divider`.  Rs = load * (supply - V) / V (Hanwei MQ-2, MQ-135 and Figaro
TGS 2600 data sheets, "basic circuit").  Rs falls when there is gas.
"""

from sil.compat import About, const

from ..errors import SensorError
from . import scale
from .base import Sensor, number
from .parts import Analog

_LEAST_MV = const(5)  # below, the load sees nothing: no sensor, or cut wires
_MOST_OHMS = const(100000000)
_STEP = const(102)


class Driver(Sensor):
    """Values: mV at the load, Rs in units of 10 ohms, log2 of Rs in Q10.

    The byte: rho is ln(`clean` / Rs), 0 in clean air and growing with gas; theta is 0 while
    that is steady, 1..4 while gas comes, 15..12 while it goes.
    """

    PART = "analog"
    OPTIONS = ("supply", "load", "divider", "clean")

    def __init__(self, analog: "Analog", entry: "About") -> None:
        Sensor.__init__(self, entry, 2, 3, 100, 0)
        self._analog = analog
        self._supply = number(entry, "supply", 5000, 1000, 12000)
        self._load = number(entry, "load", 10000, 100, 1000000)
        self._clean = number(entry, "clean", 30000, 100, 10000000)
        divider = entry.get("divider", [1, 1])
        if (
            not isinstance(divider, (list, tuple))
            or len(divider) != 2
            or not all([isinstance(d, int) and 1 <= d <= 1000 for d in divider])
            or divider[0] < divider[1]
        ):
            raise SensorError(
                "%s: option divider is [whole, part] of the voltage, as [2, 1], not %r"
                % (self.name, divider)
            )
        self._whole = divider[0]
        self._part = divider[1]
        self._ohms = 0
        self._before = 0

    def _fetch(self) -> bool:
        mv = self._analog.millivolts() * self._whole // self._part
        if not _LEAST_MV <= mv < self._supply:
            return self._skip()
        self._ohms = min(max(scale.ratio(self._load, self._supply - mv, mv), 1), _MOST_OHMS)
        self.values[0] = mv
        self.values[1] = (self._ohms + 5) // 10
        self.values[2] = scale.level(self._ohms)
        return True

    def _judge(self) -> int:
        # More gas, less resistance: both signs turn round.
        change = self._before - self.values[2] if self._code else 0
        self._before = self.values[2]
        rho = -scale.strength(self._ohms, self._clean)
        return scale.code(rho, scale.trend(change, _STEP))
