"""`machine` of the virtual board: the part of the ESP32 port's that firmware needs.

The chip's state lives in the process on the other end of the line (`paebiru.vboard.chip`), so that
it outlives the VM as it outlives a reset, and takes nothing of the program's heap.
"""

import time

import umachine
from line import ask, tell
from pins import ADC, PWM, Pin  # noqa: F401
from streams import I2S, UART  # noqa: F401

Signal = umachine.Signal
idle = umachine.idle
mem8 = umachine.mem8
mem16 = umachine.mem16
mem32 = umachine.mem32
time_pulse_us = umachine.time_pulse_us

PWRON_RESET = 1
HARD_RESET = 2
WDT_RESET = 3
DEEPSLEEP_RESET = 4
SOFT_RESET = 5


def unique_id() -> bytes:
    """Return the chip's 6 bytes, those of its MAC address."""
    return ask("id")


def reset_cause() -> int:
    """Return why the board started, one of ``…_RESET``."""
    return ask("cause")[0]


def reset() -> None:
    """Start over as the reset button does; does not return."""
    tell("reset")
    _wait_for_the_end()


def soft_reset() -> None:
    """Start the interpreter over."""
    raise SystemExit


def bootloader(timeout: int = 0) -> None:
    """There is none: a board without a serial loader raises this."""
    raise NotImplementedError("the virtual board has no loader: its flash is a file")


def freq(hz: "int | None" = None) -> int:
    """Return the clock of an ESP32; it cannot be changed here."""
    if hz is not None and hz not in (20000000, 40000000, 80000000, 160000000, 240000000):
        raise ValueError("frequency must be 20MHz, 40MHz, 80Mhz, 160MHz or 240MHz")
    return 160000000


def lightsleep(time_ms: int = 0) -> None:
    """Wait, with everything kept."""
    time.sleep_ms(time_ms)


def deepsleep(time_ms: int = 0) -> None:
    """Sleep and start over; for ever without a time, as no pin can wake the board."""
    tell("sleep %d" % time_ms)
    _wait_for_the_end()


def _wait_for_the_end() -> None:
    while True:
        try:
            time.sleep_ms(1000)
        except KeyboardInterrupt:
            pass


class WDT:
    """The watchdog: the chip starts over when it is not fed in time.  It cannot be stopped."""

    def __init__(self, id: int = 0, timeout: int = 5000) -> None:
        if id:
            raise ValueError("WDT(%d) doesn't exist" % id)
        if timeout <= 0:
            raise ValueError("WDT timeout too short")
        tell("wdt %d" % timeout)

    def feed(self) -> None:
        """Let another time-out begin."""
        tell("feed")


class I2C:
    """A bus; the chips on it answer what the world file has recorded."""

    def __init__(
        self,
        id: int = 0,
        *,
        scl: "Pin | None" = None,
        sda: "Pin | None" = None,
        freq: int = 400000,
        timeout: int = 50000,
    ) -> None:
        if id not in (0, 1):
            raise ValueError("I2C(%d) doesn't exist" % id)
        self._id = id

    def scan(self) -> "list[int]":
        """Return the addresses that acknowledge."""
        return list(ask("i2c %d" % self._id))

    def writeto(self, addr: int, buf: bytes, stop: bool = True) -> int:
        """Write `buf`; return how many bytes were acknowledged."""
        self._transfer(addr, buf, 0)
        return len(buf)

    def writevto(self, addr: int, vector: "list[bytes]", stop: bool = True) -> int:
        """Write several buffers as one."""
        return self.writeto(addr, b"".join([bytes(part) for part in vector]), stop)

    def readfrom(self, addr: int, nbytes: int, stop: bool = True) -> bytes:
        """Return `nbytes` bytes."""
        return self._transfer(addr, b"", nbytes)

    def readfrom_into(self, addr: int, buf: bytearray, stop: bool = True) -> None:
        """Fill `buf`."""
        buf[:] = self._transfer(addr, b"", len(buf))

    def readfrom_mem(self, addr: int, memaddr: int, nbytes: int, *, addrsize: int = 8) -> bytes:
        """Return `nbytes` bytes from a register on."""
        return self._transfer(addr, memaddr.to_bytes(addrsize // 8, "big"), nbytes)

    def readfrom_mem_into(
        self, addr: int, memaddr: int, buf: bytearray, *, addrsize: int = 8
    ) -> None:
        """Fill `buf` from a register on."""
        buf[:] = self.readfrom_mem(addr, memaddr, len(buf), addrsize=addrsize)

    def writeto_mem(self, addr: int, memaddr: int, buf: bytes, *, addrsize: int = 8) -> None:
        """Write `buf` from a register on."""
        self._transfer(addr, memaddr.to_bytes(addrsize // 8, "big") + bytes(buf), 0)

    def _transfer(self, addr: int, written: bytes, count: int) -> bytes:
        return ask("i2c %d %d %s %d" % (self._id, addr, bytes(written).hex() or "-", count))
