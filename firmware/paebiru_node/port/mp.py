"""The port to MicroPython: ESP32 boards, and its VM on a computer with what that has.

`mp_parts`, `mp_links`, `mp_radio` and `mp_store` are its pieces; parts and radio are loaded when
a board first asks for one.  Only files named ``mp*.py`` import what MicroPython alone has.
"""

import gc
import os
import time

from sil.compat import const, ticks_diff

from ..errors import PortError, Restart
from . import (
    CAUSE_POWER,
    CAUSE_RESET,
    CAUSE_SLEEP,
    CAUSE_SOFT,
    CAUSE_UNKNOWN,
    CAUSE_WATCHDOG,
    Board,
    Entry,
    Make,
    Part,
    mp_links,
    mp_store,
)
from .common import Gate, described, kind_of, made, one_line

try:
    import select
except ImportError:
    select = None  # type: ignore[assignment]

try:
    import machine
except ImportError:  # a VM without hardware
    machine = None  # type: ignore[assignment]

_SLICE = const(50)  # ms

# By `machine.reset_cause()`, as the ESP32 numbers them.
_CAUSES = (
    CAUSE_UNKNOWN,
    CAUSE_POWER,
    CAUSE_RESET,
    CAUSE_WATCHDOG,
    CAUSE_SLEEP,
    CAUSE_SOFT,
)


class Port:
    """A board that runs MicroPython."""

    def __init__(self, board: Board) -> None:
        if select is None:
            raise PortError("this interpreter was built without select: no line can be waited for")
        self._board = board
        self._polled = select.poll()
        self._gate = Gate()
        self._stdio = None  # type: mp_links.Stdio | None
        self._watchdog = None  # type: machine.WDT | None
        self._parts = {}  # type: dict[str, Part]
        self._store = mp_store.store()
        self.load = self._store.load
        self.save = self._store.save
        self.remove = mp_store.remove

    # -- time

    def ticks_ms(self) -> int:
        """Return the clock."""
        return mp_links.ticks_ms()

    def idle(self, ms: int) -> None:
        """Let at most ``ms`` pass; bytes that arrive on an open link end it."""
        if ms > 0:
            for _ in self._polled.ipoll(ms):
                return

    def feed(self) -> None:
        """Keep the watchdog quiet; the first call starts it."""
        if self._watchdog is None:
            self._watchdog = made("the watchdog", _watchdog, self._board)
        self._watchdog.feed()

    def rest(self, ms: int) -> None:
        """Let ``ms`` pass in which Ctrl-C interrupts."""
        if self._stdio is not None:
            self._stdio.close()
        start = mp_links.ticks_ms()
        while ticks_diff(mp_links.ticks_ms(), start) < ms:
            if self._watchdog is not None:
                self._watchdog.feed()
            time.sleep_ms(_SLICE)

    def reset(self) -> None:
        """Start over."""
        if hasattr(machine, "reset"):
            machine.reset()
        raise Restart

    # -- identity

    def unique_id(self) -> bytes:
        """Return the chip's number, or one drawn once where there is no chip."""
        if hasattr(machine, "unique_id"):
            return bytes(machine.unique_id()[:8])
        drawn = self.load("id")
        if not drawn:
            drawn = self.urandom(8)
            self.save("id", drawn)
        return drawn

    def urandom(self, n: int) -> bytes:
        """Return random bytes."""
        if not hasattr(os, "urandom"):
            raise PortError("this interpreter has no os.urandom: it cannot make nonces")
        return os.urandom(n)

    def cause(self) -> int:
        """Return why the board started."""
        if not hasattr(machine, "reset_cause"):
            return CAUSE_UNKNOWN
        cause = machine.reset_cause()
        return _CAUSES[cause] if 0 <= cause < len(_CAUSES) else CAUSE_UNKNOWN

    def free(self) -> int:
        """Return the bytes of free memory."""
        return gc.mem_free()

    def log(self, text: str) -> None:
        """Print a line, never inside of a frame."""
        if self._stdio is not None and self._stdio.is_open:
            self._gate.put(text, mp_links.ticks_ms())
        else:
            print(one_line(text))

    # -- parts

    def bus(self, role: str) -> Part:
        """Return an I2C bus, the same object each time."""
        from . import mp_parts

        return self._part("buses", role, mp_parts.Bus)

    def analog(self, role: str) -> Part:
        """Return an analog input."""
        from . import mp_parts

        return self._part("analog", role, mp_parts.Analog)

    def stream(self, role: str) -> Part:
        """Return samples or pixels that come by themselves."""
        from . import mp_parts

        kind_of(described(self._board, "streams", role), "streams", role, ("i2s", "uart"))
        return self._part("streams", role, mp_parts.stream)

    def output(self, role: str) -> Part:
        """Return what layer 6 moves."""
        from . import mp_parts

        kind_of(described(self._board, "outputs", role), "outputs", role, ("digital", "pwm"))
        return self._part("outputs", role, mp_parts.output)

    def link(self, role: str) -> Part:
        """Return a line to the hub."""
        entry = described(self._board, "links", role)
        kind_of(entry, "links", role, ("stdio", "uart", "tcp", "espnow"))
        return self._part("links", role, self._line)

    # -- files

    def open(self, name: str, mode: str) -> Part:
        """Open a file; what was written is durable when it was closed."""
        return mp_store.durable(name) if mode == "wb" else open(name, mode)

    # -- helpers

    def _part(self, section: str, role: str, make: Make) -> Part:
        key = section + "." + role
        if key not in self._parts:
            self._parts[key] = made(key, make, described(self._board, section, role))
        return self._parts[key]

    def _line(self, entry: Entry) -> Part:
        kind = entry["kind"]
        if kind == "stdio":
            self._stdio = mp_links.Stdio(self._polled, self._gate)
            return self._stdio
        if kind == "uart":
            return mp_links.Uart(self._polled, entry)
        from . import mp_radio

        if kind == "tcp":
            return mp_radio.Tcp(self._polled, entry)
        return mp_radio.EspNow(self._polled, entry)


def _watchdog(board: Board) -> Part:
    return machine.WDT(timeout=board["watchdog_ms"])
