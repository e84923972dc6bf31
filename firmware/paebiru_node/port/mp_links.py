"""Lines to the hub that are wires, on MicroPython: the REPL's own line, and a UART."""

import sys
import time

import micropython

from sil.compat import const, ticks_add, ticks_diff

from . import Entry
from .common import Gate

try:
    import select
except ImportError:
    select = None  # type: ignore[assignment]

try:
    import machine
except ImportError:  # a VM without hardware has the REPL's line alone
    machine = None  # type: ignore[assignment]

_PIECE = const(256)  # bytes in one write: 22 ms at 115200 Bd, when the line's buffer is full
_SILENCE = const(10000)  # ms without a valid frame, then Ctrl-C interrupts again
_ETX = const(3)
_NO_PEER = const(104)  # ECONNRESET


def ticks_ms() -> int:
    """Return the clock: 29 bits of it on every port."""
    return ticks_add(0, time.ticks_ms())  # type: ignore[arg-type]


class Stdio:
    """USB or UART0, shared with the REPL.

    While valid frames come, Ctrl-C is a byte like any other; ten seconds after the last one it
    interrupts again, so that a developer gets in.
    """

    datagrams = False
    hides_etx = True

    def __init__(self, polled: "select.poll", gate: Gate) -> None:
        self.is_open = False
        self._polled = polled
        self._gate = gate
        self._in = sys.stdin.buffer
        self._out = sys.stdout.buffer
        self._one = bytearray(1)
        self._readable = select.poll()
        self._readable.register(self._in, select.POLLIN)
        self._writable = select.poll()
        self._writable.register(self._out, select.POLLOUT)
        self._kbd_intr = getattr(micropython, "kbd_intr", None)
        self._is_deaf = False  # to Ctrl-C
        self._last = 0

    def open(self) -> bool:
        """Start; the line is there."""
        if not self.is_open:
            self._polled.register(self._in, select.POLLIN)
            self.is_open = True
        return True

    def heard(self) -> None:
        """A valid frame came: for the next ten seconds Ctrl-C is data."""
        self._last = ticks_ms()
        if not self._is_deaf and self._kbd_intr:
            self._kbd_intr(-1)
            self._is_deaf = True

    def readinto(self, buf: bytearray) -> int:
        """Take what is there, a byte at a time: the line's own read waits for all it is asked."""
        self._step()
        count = 0
        while count < len(buf):
            flags = 0
            for item in self._readable.ipoll(0):
                flags = item[1]
            if not flags:
                break
            if self._in.readinto(self._one, 1) != 1:  # the end; never on a board
                if count:
                    break
                raise OSError(_NO_PEER)
            buf[count] = self._one[0]
            count += 1
        return count

    def write(self, buf: bytearray, start: int, end: int) -> int:
        """Send; the line may hold a piece of it up, not more."""
        self._step()
        for _ in self._writable.ipoll(0):
            # MicroPython's streams take an offset and a size (py/stream.c): no slice to allocate.
            count = self._out.write(buf, start, min(end - start, _PIECE)) or 0
            self._gate.passed(buf, start, start + count)
            return count
        return 0

    def close(self) -> None:
        """Give the line back to the REPL alone."""
        if self.is_open:
            self._polled.unregister(self._in)
            self.is_open = False
        self._listen()

    def _step(self) -> None:
        now = ticks_ms()
        if self._is_deaf and ticks_diff(now, self._last) > _SILENCE:
            self._listen()
        while self._gate.is_due(now):
            print(self._gate.take())

    def _listen(self) -> None:
        if self._is_deaf and self._kbd_intr:
            self._kbd_intr(_ETX)
            self._is_deaf = False


class Uart:
    """Two wires and ground."""

    datagrams = False
    hides_etx = False

    def __init__(self, polled: "select.poll", entry: Entry) -> None:
        self._polled = polled
        self._is_open = False
        self._uart = machine.UART(
            entry["id"],
            baudrate=entry["baud"],
            tx=machine.Pin(entry["tx"]),
            rx=machine.Pin(entry["rx"]),
            rxbuf=4096,
            txbuf=2304,  # the longest frame fits: a write then waits for nothing
            timeout=0,
        )

    def open(self) -> bool:
        """Start; the line is there."""
        if not self._is_open:
            self._polled.register(self._uart, select.POLLIN)
            self._is_open = True
        return True

    def heard(self) -> None:
        """A valid frame came: nothing to do."""

    def readinto(self, buf: bytearray) -> int:
        """Take what is there."""
        return self._uart.readinto(buf) or 0

    def write(self, buf: bytearray, start: int, end: int) -> int:
        """Send a piece."""
        size = min(end - start, _PIECE)
        return self._uart.write(buf, start, size) or 0  # type: ignore[call-arg]

    def close(self) -> None:
        """Stop listening; the UART stays set up for the next `open`."""
        if self._is_open:
            self._polled.unregister(self._uart)
            self._is_open = False
