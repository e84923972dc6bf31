"""What drivers share: options that are checked, turns that are kept, words for what fails."""

from array import array

from sil.compat import About, ticks_add, ticks_diff

from ..errors import SensorError
from . import scale
from .parts import Bus


def number(entry: "About", key: str, default: int, low: int, high: int) -> int:
    """Return an integer option of a sensor's entry.

    Raises:
        SensorError: it is no integer in low..high.
    """
    value = entry.get(key, default)
    if isinstance(value, int) and not isinstance(value, bool) and low <= value <= high:
        return value
    raise SensorError(
        "%s: option %s must be %d..%d, not %r" % (entry["driver"], key, low, high, value)
    )


def flag(entry: "About", key: str) -> bool:
    """Return a true-or-false option; false when it is not given.

    Raises:
        SensorError: it is neither.
    """
    value = entry.get(key, False)
    if isinstance(value, bool):
        return value
    raise SensorError("%s: option %s must be true or false, not %r" % (entry["driver"], key, value))


def choice(entry: "About", key: str, known: "tuple[int, ...]") -> int:
    """Return where the option's value stands in `known`; 0, the first, when it is not given.

    Raises:
        SensorError: it is not there.
    """
    value = entry.get(key, known[0])
    if value in known:
        return known.index(value)
    raise SensorError(
        "%s: option %s must be one of %s, not %r"
        % (entry["driver"], key, ", ".join([str(k) for k in known]), value)
    )


class Sensor:
    """A driver: `poll` starts a conversion when its turn has come and fetches it when it is done.

    A subclass gives `_start` (begin a conversion), `_fetch` (fill `values`) and `_judge` (the
    byte of `values`).

    Args:
        entry: its entry of device.json; options `layer`, `period` (ms, to read more rarely).
        layer: the layer that it perceives unless the entry says otherwise.
        channels: integers of a reading.
        period: ms from one reading to the next that the part needs at least.
        wait: ms from the start of a conversion to its end; 0: there is nothing to wait for.
    """

    PART = "bus"  # the method of the port that gives the part; "port": the port itself
    OPTIONS: "tuple[str, ...]" = ()  # what the entry may say besides what all may

    def __init__(self, entry: "About", layer: int, channels: int, period: int, wait: int) -> None:
        scale.prepare()
        self.layer = number(entry, "layer", layer, 0, 4)
        self.channels = channels
        self.period = number(entry, "period", period, period, 1 << 24)
        self.values = array("i", [0] * channels)
        self.skipped = 0  # readings thrown away: a wrong check, a value that cannot be
        self.name = entry["driver"]
        self._wait = wait
        self._code = 0
        self._begun = False
        self._busy = False
        self._lost = False
        self._due = 0
        self._ready = 0

    def poll(self, now: int) -> bool:
        """Do what is due at `now`; return whether `values` are new.

        Raises:
            OSError: the part does not answer; asked again, it is set up anew first.
            SensorError: it answers what cannot be.
        """
        if self._lost:
            self._setup()
            self._lost = False
        try:
            return self._turn(now)
        except OSError:
            self._lost = True
            self._busy = False
            raise

    def byte(self) -> int:
        """Return the ByteSil of the last reading; NULL before the first."""
        return self._code

    def _turn(self, now: int) -> bool:
        fresh = False
        if self._busy:
            if ticks_diff(now, self._ready) < 0:
                return False
            self._busy = False
            fresh = self._take()
        if self._begun and ticks_diff(now, self._due) < 0:
            return fresh
        try:
            self._start()
        except OSError:
            if not fresh:
                raise
            self._lost = True  # what was read is still good
            return True
        self._begun = True
        self._due = ticks_add(now, self.period)
        if not self._wait:
            return self._take()
        self._busy = True
        self._ready = ticks_add(now, self._wait)
        return fresh

    def _take(self) -> bool:
        if not self._fetch():
            return False
        self._code = self._judge()
        return True

    def _skip(self) -> bool:
        """Count a reading that is thrown away; return what `_fetch` then returns."""
        self.skipped = (self.skipped + 1) & 0xFFFFFF
        return False

    def _setup(self) -> None:
        """Check that the part is there and the right one, and bring it to its settings."""

    def _start(self) -> None:
        """Begin a conversion."""

    def _fetch(self) -> bool:
        """Fill `values`; False: there is no reading (see `_skip`)."""
        raise NotImplementedError

    def _judge(self) -> int:
        """Return the byte of `values`."""
        raise NotImplementedError


class Chip(Sensor):
    """A driver of a chip on an I2C bus, at the entry's `address` or else the one given here."""

    def __init__(
        self, bus: "Bus", entry: "About", address: int,
        layer: int, channels: int, period: int, wait: int,
    ) -> None:  # fmt: skip
        Sensor.__init__(self, entry, layer, channels, period, wait)
        self._bus = bus
        self._address = number(entry, "address", address, 0x08, 0x77)
        self._one = bytearray(1)
        self._two = bytearray(2)
        self.where = "%s at 0x%02x on %s" % (self.name, self._address, entry.get("role", "its bus"))
        try:
            self._setup()
        except OSError:
            raise SensorError("%s does not answer: check its wiring and address" % self.where)

    def _register(self, register: int) -> int:
        """Return the byte of a register."""
        self._bus.read(self._address, register, self._one)
        return self._one[0]

    def _set(self, register: int, value: int) -> None:
        """Write a byte to a register."""
        self._two[0] = register
        self._two[1] = value
        self._bus.write(self._address, self._two)

    def _identify(
        self, register: int, wanted: "tuple[int, ...]", known: "tuple[int | str, ...]"
    ) -> int:
        """Return the chip's identity; `known` holds identities and names of others.

        Raises:
            SensorError: it is another chip.
        """
        found = self._register(register)
        if found in wanted:
            return found
        other = ""
        if found in known:
            other = " is a %s" % known[known.index(found) + 1]
        raise SensorError(
            "%s: chip id 0x%02x%s, not %s: check the address, or name the right driver"
            % (self.where, found, other, " or ".join(["0x%02x" % w for w in wanted]))
        )
