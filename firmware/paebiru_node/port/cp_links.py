"""Lines to the hub that are wires, on CircuitPython: USB, the console as text, a UART."""

import sys

import busio
import supervisor
import usb_cdc

from sil.compat import const

from . import Entry, console
from .cp_parts import pin

_ENODEV = const(19)  # CircuitPython's `errno` knows few of them
_PIECE = const(512)


class Data:
    """`usb_cdc.data`: a second serial port, for bytes alone (``boot.py`` turns it on)."""

    datagrams = False
    hides_etx = False

    def __init__(self, serial: "usb_cdc.Serial") -> None:
        self._serial = serial
        serial.timeout = 0
        serial.write_timeout = 0

    def open(self) -> bool:
        """Tell whether a program on the PC has the port open."""
        return self._serial.connected

    def has_bytes(self) -> bool:
        """Tell whether bytes wait."""
        return self._serial.in_waiting > 0

    def heard(self) -> None:
        """A valid frame came: nothing to do."""

    def readinto(self, buf: bytearray) -> int:
        """Take what is there."""
        count = self._serial.readinto(buf)
        if not count and not self._serial.connected:
            raise OSError(_ENODEV)
        return count

    def write(self, buf: bytearray, start: int, end: int) -> int:
        """Send what fits into the driver's buffer."""
        return self._serial.write(memoryview(buf)[start : min(end, start + _PIECE)])

    def close(self) -> None:
        """Drop what waits; the port stays the PC's to open."""
        self._serial.reset_input_buffer()


class Console:
    """The console, as lines of text among others; see `console`."""

    datagrams = False
    hides_etx = False  # base64 has no 03

    def __init__(self) -> None:
        self._reader = console.LineReader()

    def open(self) -> bool:
        """Tell whether a terminal listens."""
        return supervisor.runtime.serial_connected

    def has_bytes(self) -> bool:
        """Tell whether characters wait."""
        return supervisor.runtime.serial_bytes_available > 0

    def heard(self) -> None:
        """A valid frame came: nothing to do, Ctrl-C works throughout."""

    def readinto(self, buf: bytearray) -> int:
        """Take the bytes of the lines that are there."""
        at = self._reader.readinto(buf, 0)
        while at < len(buf) and supervisor.runtime.serial_bytes_available:
            if self._reader.feed(ord(sys.stdin.read(1))):
                at = self._reader.readinto(buf, at)
        return at

    def write(self, buf: bytearray, start: int, end: int) -> int:
        """Send a line."""
        end = min(end, start + console.PIECE)
        if end > start:
            sys.stdout.write(console.encode(buf, start, end).decode())
        return end - start

    def close(self) -> None:
        """Forget what was half read."""
        self._reader = console.LineReader()


class Uart:
    """Two wires and ground."""

    datagrams = False
    hides_etx = False

    def __init__(self, entry: Entry) -> None:
        self._uart = busio.UART(
            pin(entry["tx"]),
            pin(entry["rx"]),
            baudrate=entry["baud"],
            timeout=0,
            receiver_buffer_size=4096,
        )

    def open(self) -> bool:
        """Start; the line is there."""
        return True

    def has_bytes(self) -> bool:
        """Tell whether bytes wait."""
        return self._uart.in_waiting > 0

    def heard(self) -> None:
        """A valid frame came: nothing to do."""

    def readinto(self, buf: bytearray) -> int:
        """Take what is there."""
        return self._uart.readinto(buf) or 0

    def write(self, buf: bytearray, start: int, end: int) -> int:
        """Send a piece; it waits while the piece leaves, 22 ms at 115200 Bd."""
        return self._uart.write(memoryview(buf)[start : min(end, start + 256)]) or 0

    def close(self) -> None:
        """Drop what waits."""
        self._uart.reset_input_buffer()


def stdio() -> "Data | Console":
    """Return the data port where ``boot.py`` has turned it on, else the console."""
    return Console() if usb_cdc.data is None else Data(usb_cdc.data)
