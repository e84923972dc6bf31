"""What surrounds a virtual board, read from a world file (``WORLD.md``)."""

import json
from pathlib import Path
from typing import Any

from paebiru.errors import UsageError
from paebiru.vboard.silicon.traces import TraceBus, chips

_KEYS = ("i2c", "adc", "pins", "i2s", "uart")
_ENODEV = 19
_EINVAL = 22


class World:
    """The recordings, each at its place; it goes on through the board's resets."""

    def __init__(self, described: dict[str, Any], folder: Path) -> None:
        for key in described:
            if key not in _KEYS:
                raise UsageError(f"a world has no {key!r}: {', '.join(_KEYS)}")
        self._buses = {int(bus): TraceBus(chips(all_)) for bus, all_ in _part(described, "i2c")}
        self._adc = {int(pin): _Loop(values, 0, 5000) for pin, values in _part(described, "adc")}
        self._pins = {int(pin): _Loop(values, 0, 1) for pin, values in _part(described, "pins")}
        self._streams = {
            (kind, int(number)): _Stream(folder / name)
            for kind in ("i2s", "uart")
            for number, name in _part(described, kind)
        }

    def scan(self, bus: int) -> bytes:
        """Return the addresses on an I2C bus, a byte each."""
        return bytes(self._buses[bus].scan()) if bus in self._buses else b""

    def i2c(self, bus: int, address: int, written: bytes, count: int) -> bytes:
        """Write, then read `count` bytes; OSError when no chip answers."""
        if bus not in self._buses:
            raise OSError(_ENODEV, "no chip")
        line = self._buses[bus]
        if not count:
            line.writeto(address, written)
            return b""
        if not written:
            return line.readfrom(address, count)
        at = int.from_bytes(written, "big")
        return line.readfrom_mem(address, at, count, addrsize=8 * len(written))

    def millivolts(self, pin: int) -> int:
        """Return what the ADC measures at a pin."""
        return self._next(self._adc, pin)

    def level(self, pin: int) -> int:
        """Return the level at a pin; one that nothing drives is low."""
        return self._next(self._pins, pin) if pin in self._pins else 0

    def stream(self, kind: str, number: int, count: int) -> bytes:
        """Return the next bytes of a microphone (i2s), or of what sends to a UART."""
        if (kind, number) not in self._streams:
            raise OSError(_ENODEV, "nothing sends")
        return self._streams[kind, number].take(count)

    def _next(self, loops: "dict[int, _Loop]", pin: int) -> int:
        if pin not in loops:
            raise OSError(_EINVAL, "nothing at the pin")
        return loops[pin].take()


def read(path: Path | None) -> World:
    """Return the world that a file describes; an empty one without a file."""
    if path is None:
        return World({}, Path())
    try:
        described = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(described, dict):
            raise TypeError("not an object")
        return World(described, path.parent)
    except UsageError as error:
        raise UsageError(f"{path}: {error}") from None
    except OSError as error:
        raise UsageError(f"cannot read the world {path}: {error.strerror}") from None
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise UsageError(
            f"{path} is no world: {error}; host/paebiru/vboard/WORLD.md shows one"
        ) from None


class _Loop:
    """A list of numbers, over and over."""

    def __init__(self, values: list[int], low: int, high: int) -> None:
        if not values or not all(isinstance(v, int) and low <= v <= high for v in values):
            raise ValueError(f"numbers from {low} to {high} are needed, not {values!r}")
        self._values = values
        self._at = 0

    def take(self) -> int:
        value = self._values[self._at]
        self._at = (self._at + 1) % len(self._values)
        return value


class _Stream:
    """A file of bytes, over and over."""

    def __init__(self, path: Path) -> None:
        self._data = path.read_bytes()
        if not self._data:
            raise ValueError(f"{path} is empty")
        self._at = 0

    def take(self, count: int) -> bytes:
        got = bytearray()
        while len(got) < count:
            piece = self._data[self._at : self._at + count - len(got)]
            got += piece
            self._at = (self._at + len(piece)) % len(self._data)
        return bytes(got)


def _part(described: dict[str, Any], key: str) -> list[tuple[str, Any]]:
    part = described.get(key, {})
    if not isinstance(part, dict):
        raise TypeError(f"{key} is no object")
    return list(part.items())
