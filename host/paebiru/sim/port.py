"""The port of simulated boards: virtual time, memory for flash, recorded sensors, pipes for lines.

    clock = Clock()
    port = SimPort(board, clock, b"board-01", world=world)
    node = Node(port, config)
    hub_end = port.wire("usb")          # take() what the board sent, give() it bytes

``board`` is what stands in ``device.json``; ``world`` describes what the sensors have recorded, as
``vboard/WORLD.md`` says.  A board that starts again is ``port.again(cause)``: same flash, same
wires, another life.  Everything is reproducible by ``seed``, and a board that nobody
steps costs nothing, so that many thousands fit into one process.
"""

from collections import deque
from collections.abc import Callable
from heapq import heappop, heappush
from random import Random
from typing import Any, Never

from paebiru.sim.flash import Flash
from paebiru.sim.parts import SimAnalog, SimBus, SimOutput, SimStream
from paebiru.sim.wire import Wire
from paebiru_node.errors import PortError, Restart
from paebiru_node.port import CAUSE_POWER
from paebiru_node.port.common import described, kind_of, one_line
from sil.compat import ticks_add

__all__ = ["Bitten", "Clock", "SimPort", "Wire"]

_LOGGED = 64  # lines


class Bitten(BaseException):
    """The watchdog was not fed in time: the board starts over, whatever it was doing."""


class Clock:
    """Virtual milliseconds, and what shall happen when."""

    __slots__ = ("_count", "_events", "now")

    def __init__(self, now: int = 0) -> None:
        self.now = now
        self._events: list[tuple[int, int, Callable[[], None]]] = []
        self._count = 0

    def at(self, when: int, act: Callable[[], None]) -> None:
        """Have ``act()`` called when the clock reaches ``when``; in order."""
        heappush(self._events, (when, self._count, act))
        self._count += 1

    def advance(self, ms: int, until: Callable[[], bool] = lambda: False) -> None:
        """Let ``ms`` pass, or as many as it takes until ``until()`` holds after an event."""
        end = self.now + ms
        while self._events and self._events[0][0] <= end:
            when, _, act = heappop(self._events)
            self.now = max(self.now, when)
            act()
            if until():
                return
        self.now = end


class SimPort:
    """One life of a simulated board."""

    def __init__(
        self,
        board: dict[str, Any],
        clock: Clock,
        device: bytes,
        *,
        flash: Flash | None = None,
        world: dict[str, Any] | None = None,
        cause: int = CAUSE_POWER,
        memory: int = 100_000,
        seed: int = 0,
    ) -> None:
        self.clock = clock
        self.flash = flash or Flash()
        self.logged: deque[str] = deque(maxlen=_LOGGED)
        self.memory = memory  # what `free` says: a simulated board has no heap of its own
        self._board = board
        self._device = device
        self._world = world or {}
        self._cause = cause
        self._seed = seed
        self._life = 0
        self._random: Random | None = None
        self._fed: int | None = None
        self._wires: dict[str, Wire] = {}
        self._parts: dict[str, Any] = {}
        self.load = self.flash.load
        self.save = self.flash.save
        self.open: Callable[[str, str], Any] = self.flash.open
        self.remove = self.flash.remove

    def again(self, cause: int) -> "SimPort":
        """Return the same board in its next life."""
        port = SimPort(
            self._board,
            self.clock,
            self._device,
            flash=self.flash,
            world=self._world,
            cause=cause,
            memory=self.memory,
            seed=self._seed,
        )
        port._life = self._life + 1
        port._wires = self._wires
        for wire in self._wires.values():
            wire.close()
        self.flash.power_on()
        return port

    # -- time

    def ticks_ms(self) -> int:
        """Return the clock."""
        self._watch()
        return ticks_add(0, self.clock.now)

    def idle(self, ms: int) -> None:
        """Let at most ``ms`` pass; bytes that arrive end it."""
        if ms > 0 and not self._has_bytes():
            self.clock.advance(ms, self._has_bytes)
        self._watch()

    def feed(self) -> None:
        """Keep the watchdog quiet."""
        if not self._board.get("watchdog_ms"):
            raise PortError("the watchdog: the board's description lacks 'watchdog_ms'")
        self._watch()
        self._fed = self.clock.now

    def rest(self, ms: int) -> None:
        """Let nothing pass: there is nobody to press a key."""

    def reset(self) -> Never:
        """Start over."""
        raise Restart

    # -- identity

    def unique_id(self) -> bytes:
        """Return the device's number."""
        return self._device[:8]

    def urandom(self, n: int) -> bytes:
        """Return bytes that the seed, the device and its life determine."""
        if self._random is None:
            self._random = Random(f"{self._seed}.{self._device.hex()}.{self._life}")
        return self._random.randbytes(n)

    def cause(self) -> int:
        """Return why the board started."""
        return self._cause

    def free(self) -> int:
        """Return the bytes of memory that this board is said to have."""
        return self.memory

    def log(self, text: str) -> None:
        """Keep a line."""
        self.logged.append(one_line(text))

    # -- parts

    def bus(self, role: str) -> Any:
        """Return an I2C bus with the recorded chips on it."""
        return self._part("buses", role, SimBus)

    def analog(self, role: str) -> Any:
        """Return an analog input that plays its recording."""
        return self._part("analog", role, SimAnalog)

    def stream(self, role: str) -> Any:
        """Return recorded samples or pixels, at the rate at which they came."""
        kind_of(described(self._board, "streams", role), "streams", role, ("i2s", "uart", "pdm"))
        return self._part("streams", role, lambda e, w: SimStream(e, w, self.clock))

    def output(self, role: str) -> Any:
        """Return an output; ``history`` is what was written to it, and when."""
        kind_of(described(self._board, "outputs", role), "outputs", role, ("digital", "pwm"))
        return self._part("outputs", role, lambda e, w: SimOutput(self.clock))

    def link(self, role: str) -> Wire:
        """Return the board's end of a wire."""
        return self.wire(role)

    def wire(self, role: str) -> Wire:
        """Return the wire of a role; the hub's end is in the same object."""
        if role not in self._wires:
            entry = described(self._board, "links", role)
            kind_of(entry, "links", role, ("stdio", "console", "uart", "tcp", "espnow", "cdc"))
            self._wires[role] = Wire(hides_etx=entry["kind"] == "stdio")
        return self._wires[role]

    # -- helpers

    def _part(self, section: str, role: str, make: Callable[[Any, Any], Any]) -> Any:
        key = f"{section}.{role}"
        if key not in self._parts:
            self._parts[key] = make(described(self._board, section, role), self._world)
        return self._parts[key]

    def _has_bytes(self) -> bool:
        return any(wire.has_bytes() for wire in self._wires.values())

    def _watch(self) -> None:
        if self._fed is not None and self.clock.now - self._fed > self._board["watchdog_ms"]:
            self._fed = None
            raise Bitten
