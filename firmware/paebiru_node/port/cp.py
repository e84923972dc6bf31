"""The port to CircuitPython.

`cp_parts`, `cp_links`, `cp_radio` and `cp_nvm` are its pieces.  Only files named ``cp*.py``
import what CircuitPython alone has.  The file system is FAT and belongs to the PC while its
drive is mounted there, unless ``boot.py`` gives it to the board.
"""

import gc
import os

import microcontroller
import storage
import supervisor
import watchdog

from sil.compat import const, ticks_add, ticks_diff

from ..errors import PortError
from . import (
    CAUSE_BROWNOUT,
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
    cp_links,
    cp_parts,
    cp_radio,
)
from .common import described, kind_of, made, one_line
from .cp_nvm import NvmStore

_ENOENT = const(2)  # CircuitPython's `errno` knows few of them
_EROFS = const(30)
_SLICE_US = const(1000)  # between two looks at the lines


class Port:
    """A board that runs CircuitPython."""

    def __init__(self, board: Board) -> None:
        self._board = board
        self._parts = {}  # type: dict[str, Part]
        self._lines = []  # type: list[Part]
        self._watchdog = None  # type: watchdog.WatchDogTimer | None
        if microcontroller.nvm is None:
            raise PortError("this board has no nvm, which keeps its key: take another")
        self._store = NvmStore(microcontroller.nvm)  # type: ignore[arg-type]
        self.load = self._store.load
        self.save = self._store.save

    # -- time

    def ticks_ms(self) -> int:
        """Return the clock."""
        return ticks_add(0, supervisor.ticks_ms())

    def idle(self, ms: int) -> None:
        """Let at most ``ms`` pass; bytes that arrive on an open link end it."""
        start = supervisor.ticks_ms()
        while ticks_diff(supervisor.ticks_ms(), start) < ms:
            for line in self._lines:
                if line.has_bytes():
                    return
            microcontroller.delay_us(_SLICE_US)

    def feed(self) -> None:
        """Keep the watchdog quiet; the first call starts it."""
        if self._watchdog is None:
            self._watchdog = made("the watchdog", _watchdog, self._board)
        self._watchdog.feed()

    def rest(self, ms: int) -> None:
        """Let ``ms`` pass in which Ctrl-C interrupts, as it does at any time here."""
        start = supervisor.ticks_ms()
        while ticks_diff(supervisor.ticks_ms(), start) < ms:
            if self._watchdog is not None:
                self._watchdog.feed()
            microcontroller.delay_us(_SLICE_US)

    def reset(self) -> None:
        """Start over."""
        microcontroller.reset()

    # -- identity

    def unique_id(self) -> bytes:
        """Return the chip's number."""
        return bytes(microcontroller.cpu.uid[:8])

    def urandom(self, n: int) -> bytes:
        """Return random bytes."""
        return os.urandom(n)

    def cause(self) -> int:
        """Return why the board started."""
        if supervisor.runtime.run_reason != supervisor.RunReason.STARTUP:
            return CAUSE_SOFT
        reasons = microcontroller.ResetReason
        causes = {
            reasons.POWER_ON: CAUSE_POWER,
            reasons.BROWNOUT: CAUSE_BROWNOUT,
            reasons.SOFTWARE: CAUSE_RESET,
            reasons.RESET_PIN: CAUSE_RESET,
            reasons.DEEP_SLEEP_ALARM: CAUSE_SLEEP,
            reasons.WATCHDOG: CAUSE_WATCHDOG,
        }
        return causes.get(microcontroller.cpu.reset_reason, CAUSE_UNKNOWN)

    def free(self) -> int:
        """Return the bytes of free memory."""
        return gc.mem_free()  # type: ignore[attr-defined]

    def log(self, text: str) -> None:
        """Print a line: the link has a port of its own, or lines of its own."""
        print(one_line(text))

    # -- parts

    def bus(self, role: str) -> "cp_parts.Bus":
        """Return an I2C bus, the same object each time."""
        return self._part("buses", role, cp_parts.Bus)

    def analog(self, role: str) -> "cp_parts.Analog":
        """Return an analog input."""
        return self._part("analog", role, cp_parts.Analog)

    def stream(self, role: str) -> "cp_parts.I2SStream | cp_parts.UartStream":
        """Return samples or pixels that come by themselves."""
        kind_of(described(self._board, "streams", role), "streams", role, ("i2s", "uart"))
        return self._part("streams", role, cp_parts.stream)

    def output(self, role: str) -> "cp_parts.Digital | cp_parts.Pwm":
        """Return what layer 6 moves."""
        kind_of(described(self._board, "outputs", role), "outputs", role, ("digital", "pwm"))
        return self._part("outputs", role, cp_parts.output)

    def link(self, role: str) -> Part:
        """Return a line to the hub."""
        entry = described(self._board, "links", role)
        kind_of(entry, "links", role, ("stdio", "uart", "tcp", "espnow"))
        line = self._part("links", role, _line)
        if line not in self._lines:
            self._lines.append(line)
        return line

    # -- files

    def open(self, name: str, mode: str) -> Part:
        """Open a file; what was written is durable when it was closed."""
        return Durable(name) if mode == "wb" else open(name, mode)

    def remove(self, name: str) -> None:
        """Remove a file; no error when it is not there."""
        try:
            os.remove(name)
        except OSError as error:
            if error.args[0] != _ENOENT:
                raise

    # -- helpers

    def _part(self, section: str, role: str, make: Make) -> Part:
        key = section + "." + role
        if key not in self._parts:
            self._parts[key] = made(key, make, described(self._board, section, role))
        return self._parts[key]


class Durable:
    """A file to be written, on the medium when it was closed."""

    def __init__(self, name: str) -> None:
        try:
            self._file = open(name, "wb")  # noqa: SIM115
        except OSError as error:
            if error.args[0] != _EROFS:
                raise
            _take_the_drive()
            self._file = open(name, "wb")  # noqa: SIM115
        self.write = self._file.write

    def __enter__(self) -> "Durable":
        return self

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        self.close()

    def flush(self) -> None:
        """Put what was written so far onto the medium."""
        self._file.flush()
        os.sync()

    def close(self) -> None:
        """Write the rest; the file is whole when this returns."""
        self._file.close()
        os.sync()


def _take_the_drive() -> None:
    try:
        storage.remount("/", False)
    except RuntimeError:
        raise PortError(
            "the PC holds the board's drive: have boot.py call storage.disable_usb_drive(), "
            "or eject the drive and reset the board"
        )


def _watchdog(board: Board) -> Part:
    timer = microcontroller.watchdog
    if timer is None:
        raise PortError("this board has no watchdog: set watchdog_ms = 0 in its description")
    timer.timeout = (board["watchdog_ms"] + 999) // 1000
    timer.mode = watchdog.WatchDogMode.RESET
    return timer


def _line(entry: Entry) -> Part:
    kind = entry["kind"]
    if kind == "stdio":
        return cp_links.stdio()
    if kind == "uart":
        return cp_links.Uart(entry)
    return cp_radio.Tcp(entry) if kind == "tcp" else cp_radio.EspNow(entry)
