"""Sensirion SGP40: the raw signal of volatile organic compounds.

    {"driver": "sgp40", "layer": 2, "role": "i2c0"}

Data sheet: Sensirion SGP40, version 1.2: commands, table 8 to 12; CRC, table 7 (polynomial
0x31, from 0xFF: BE EF gives 92); times, table 8: 30 ms to measure, 320 ms to test itself.
Each measurement is for 50 % humidity and 25 degrees, the chip's defaults.
"""

from sil.compat import About, Buf, const

from ..errors import SensorError
from . import scale
from .base import Chip, number
from .parts import Bus

_TRIES = const(64)  # reads until it answers: each takes 0.1 ms at least, it needs 1 ms
_STEP = const(32)  # counts; the signal falls about 400 to 3000 counts a decade of ethanol
_WAIT_TEST = const(320)
_WAIT = const(30)
_PASSED = const(0xD4)


def crc8(data: "Buf", start: int, end: int) -> int:
    """Return Sensirion's check of data[start:end]."""
    crc = 0xFF
    i = start
    while i < end:
        crc ^= data[i]
        bits = 8
        while bits:
            crc = (crc << 1 ^ (0x31 if crc & 0x80 else 0)) & 0xFF
            bits -= 1
        i += 1
    return crc


class Driver(Chip):
    """Values: SRAW_VOC, 0..65535; it falls with reducing gases.

    The first conversion is the chip's own test of its heater, `serial` its number.  A reading
    with a wrong CRC is `skipped`.  The byte: rho is ln of how far the signal is below `clean`
    (by default 30000 counts) in units of `one` (by default 1000), at or above it is the least;
    theta is 0 while it is steady, 1..4 while gas comes, 15..12 while it goes.
    """

    OPTIONS = ("clean", "one")

    def __init__(self, bus: "Bus", entry: "About") -> None:
        self._clean = number(entry, "clean", 30000, 1, 65535)
        self._unit = number(entry, "one", 1000, 1, 65535)
        self._measure = b"\x26\x0f\x80\x00\xa2\x66\x66\x93"
        self._data = bytearray(3)
        self._answer = bytearray(9)
        self._tested = False
        self._before = 0
        self.serial = bytearray(6)
        Chip.__init__(self, bus, entry, 0x59, 2, 1, 1000, _WAIT_TEST)

    def _setup(self) -> None:
        self._tested = False
        self._wait = _WAIT_TEST
        self._bus.write(self._address, b"\x36\x82")
        answer = self._answer
        tries = _TRIES
        while tries:
            tries -= 1
            try:
                self._bus.receive(self._address, answer)
                break
            except OSError:
                if not tries:
                    raise
        for i in range(3):
            if crc8(answer, 3 * i, 3 * i + 2) != answer[3 * i + 2]:
                raise SensorError(
                    "%s: its serial number has a wrong check: it is no SGP40, or the wires are bad"
                    % self.where
                )
            self.serial[2 * i] = answer[3 * i]
            self.serial[2 * i + 1] = answer[3 * i + 1]

    def _start(self) -> None:
        self._bus.write(self._address, self._measure if self._tested else b"\x28\x0e")

    def _fetch(self) -> bool:
        data = self._data
        self._bus.receive(self._address, data)
        if crc8(data, 0, 2) != data[2]:
            return self._skip()
        if self._tested:
            self.values[0] = data[0] << 8 | data[1]
            return True
        if data[0] != _PASSED:
            raise SensorError(
                "%s: its self-test says %02x%02x, not d400: replace it"
                % (self.where, data[0], data[1])
            )
        self._tested = True
        self._wait = _WAIT
        self._begun = False  # the test was no reading: measure at once
        return False

    def _judge(self) -> int:
        # The signal falls when gas comes.
        change = self._before - self.values[0] if self._code else 0
        self._before = self.values[0]
        rho = scale.strength(self._clean - self.values[0], self._unit)
        return scale.code(rho, scale.trend(change, _STEP))
