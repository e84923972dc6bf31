"""Serial ports: a board's USB or UART."""

import asyncio
import sys
from collections import deque
from contextlib import suppress
from dataclasses import dataclass

import serial
from serial.tools import list_ports

_BAUD = 115200
_CHUNK = 4096

# USB vendors whose devices are boards, or the bridges soldered onto them.
BOARD_VENDORS = {
    0x303A: "Espressif",
    0x10C4: "Silicon Labs CP210x",
    0x1A86: "WCH CH34x",
    0x0403: "FTDI",
    0x2E8A: "Raspberry Pi",
    0x239A: "Adafruit",
}


@dataclass(frozen=True)
class Port:
    """A serial port that may have a board behind it."""

    path: str
    maker: str
    serial_number: str


def discover() -> list[Port]:
    """Return the ports that look like boards, by path."""
    return sorted(
        (
            Port(port.device, BOARD_VENDORS[port.vid], port.serial_number or "")
            for port in list_ports.comports()
            if port.vid in BOARD_VENDORS
        ),
        key=lambda port: port.path,
    )


class SerialTransport:
    """One serial port, read when the event loop says that bytes are there."""

    datagrams = False

    def __init__(self, path: str, baud: int = _BAUD) -> None:
        self._port = serial.Serial()
        self._port.port = path
        self._port.baudrate = baud
        self._port.timeout = 0
        self._port.write_timeout = 0
        self._port.exclusive = True
        # DTR and RTS reset most ESP32 boards: leave both as they are at rest.
        self._port.dtr = False
        self._port.rts = False
        self._port.open()
        with suppress(AttributeError, OSError, ValueError, NotImplementedError):
            # FTDI bridges hold bytes back for 16 ms unless told not to.
            self._port.set_low_latency_mode(True)
        self._arrived: deque[bytes] = deque()
        self._readable = asyncio.Event()
        self._is_gone = False
        self._loop = asyncio.get_running_loop()
        self._watch()

    async def read(self) -> bytes:
        """Wait for bytes; ``b""`` when the port is gone."""
        while not self._arrived and not self._is_gone:
            self._readable.clear()
            await self._readable.wait()
        return self._arrived.popleft() if self._arrived else b""

    async def write(self, data: bytes) -> None:
        """Send bytes; waits while the driver's buffer is full, so that the queue stays short."""
        at = 0
        while at < len(data) and not self._is_gone:
            try:
                at += self._port.write(data[at:]) or 0
            except serial.SerialTimeoutException:
                pass
            except (OSError, serial.SerialException):
                self._leave()
                return
            if at < len(data):
                await asyncio.sleep(0.002)

    def close(self) -> None:
        """Let go of the port."""
        if not self._is_gone:
            self._leave()

    def _watch(self) -> None:
        if sys.platform == "win32":  # its serial handles cannot be selected on
            self._loop.call_later(0.002, self._poll)
        else:
            self._loop.add_reader(self._port.fileno(), self._take)

    def _poll(self) -> None:
        if not self._is_gone:
            self._take()
            self._watch()

    def _take(self) -> None:
        try:
            data = self._port.read(_CHUNK)
        except (OSError, serial.SerialException):
            self._leave()
            return
        if data:
            self._arrived.append(data)
            self._readable.set()

    def _leave(self) -> None:
        self._is_gone = True
        if sys.platform != "win32":
            self._loop.remove_reader(self._port.fileno())
        self._port.close()
        self._readable.set()
