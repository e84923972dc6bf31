"""The parts of a simulated board: they play what a world file has recorded."""

from errno import ENODEV
from pathlib import Path
from typing import Any, Protocol

from paebiru.vboard.silicon.traces import TraceBus, chips
from paebiru_node.errors import PortError

_BITS_A_BYTE = 10  # on a UART, with start and stop


class Now(Protocol):
    """What of the clock a part needs."""

    now: int


class SimBus:
    """I2C over recorded register traces."""

    def __init__(self, entry: dict[str, Any], world: dict[str, Any]) -> None:
        self._i2c = TraceBus(chips(world.get("i2c", {}).get(str(entry.get("id", 0)), {})))

    def read(self, address: int, register: int, buf: bytearray) -> None:
        """Fill ``buf`` from an 8-bit register on."""
        self._i2c.readfrom_mem_into(address, register, buf)

    def receive(self, address: int, buf: bytearray) -> None:
        """Fill ``buf`` without naming a register."""
        self._i2c.readfrom_into(address, buf)

    def write(self, address: int, data: bytes) -> None:
        """Send all of ``data``."""
        self._i2c.writeto(address, data)


class SimAnalog:
    """Recorded millivolts, one a reading, over and over."""

    def __init__(self, entry: dict[str, Any], world: dict[str, Any]) -> None:
        self._recorded = world.get("adc", {}).get(str(entry["pin"]), [])
        self._at = 0

    def millivolts(self) -> int:
        """Return the next reading."""
        if not self._recorded:
            raise OSError(ENODEV, "nothing was recorded of this pin")
        value = int(self._recorded[self._at])
        self._at = (self._at + 1) % len(self._recorded)
        return value


class SimStream:
    """Recorded bytes that come at the rate of the part, over and over.

    ``world["i2s"]`` or ``world["uart"]`` gives bytes, or a file of them, by the part's
    number; what was not fetched within a second is lost, as from a driver's buffer.
    """

    def __init__(self, entry: dict[str, Any], world: dict[str, Any], clock: Now) -> None:
        is_uart = entry["kind"] == "uart"
        recorded = world.get(entry["kind"], {}).get(str(entry.get("id", 0)), b"")
        self._recorded = recorded if isinstance(recorded, bytes) else _file(recorded)
        self._item = 1 if is_uart else 2
        self._rate = int(entry["baud"]) // _BITS_A_BYTE if is_uart else int(entry["rate"]) * 2
        self._clock = clock
        self._since = clock.now
        self._taken = 0  # bytes since then

    def readinto(self, buf: bytearray) -> int:
        """Take what has come."""
        if not self._recorded:
            return 0
        come = (self._clock.now - self._since) * self._rate // 1000
        self._taken = max(self._taken, (come - self._rate) // self._item * self._item)
        size = min(len(buf), come - self._taken) // self._item * self._item
        for i in range(size):
            buf[i] = self._recorded[(self._taken + i) % len(self._recorded)]
        self._taken += size
        return size


class SimOutput:
    """What was written to an output: ``history`` of (ms, level)."""

    def __init__(self, clock: Now) -> None:
        self._clock = clock
        self.history: list[tuple[int, int]] = []

    def write(self, level: int) -> None:
        """Set it: 0..255."""
        if not 0 <= level <= 255:
            raise ValueError(f"an output takes 0..255, not {level}")
        self.history.append((self._clock.now, level))


def _file(path: str) -> bytes:
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise PortError(f"the recording {path} cannot be read: {error.strerror}") from error
