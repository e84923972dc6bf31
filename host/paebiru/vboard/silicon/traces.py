"""Plays recorded register traces: I2C chips that answer what real ones have answered.

Runs on MicroPython (the virtual board's `machine.I2C`) and on CPython (tests of drivers).
The format, and what a trace answers when, is in ``WORLD.md`` one folder up.
"""

import binascii

_ENODEV = 19  # what the ESP32 port raises when nobody acknowledges


class Trace:
    """One chip's recording: ``[[written hex, read hex], …]`` in the order it was taken.

    A read is answered by the next answer to what was written last, as far as the recording
    knows it; after the last answer comes the first again.
    """

    def __init__(self, pairs: list[list[str]]) -> None:
        self._places: dict[bytes, int] = {}
        self._answers: dict[bytes, list[bytes]] = {}
        for written, read in pairs:
            if read:
                key = binascii.unhexlify(written)
                self._answers.setdefault(key, []).append(binascii.unhexlify(read))
        self._last = b""

    def write(self, data: bytes) -> None:
        """Take a write: acknowledged, remembered when a read of it was recorded."""
        data = bytes(data)
        if data in self._answers:
            self._last = data

    def readinto(self, buf: bytearray) -> None:
        """Fill `buf` with the next recorded answer; OSError when there is none, or a shorter."""
        answers = self._answers.get(self._last)
        if answers is None:
            raise OSError(_ENODEV)
        at = self._places.get(self._last, 0)
        answer = answers[at]
        if len(answer) < len(buf):
            raise OSError(_ENODEV)
        self._places[self._last] = (at + 1) % len(answers)
        buf[:] = answer[: len(buf)]

    def register(self, data: bytes, buf: bytearray) -> None:
        """Write `data` and read in one transaction: only what was recorded for it will do."""
        if bytes(data) not in self._answers:
            raise OSError(_ENODEV)
        self.write(data)
        self.readinto(buf)


class TraceBus:
    """An I2C bus with recorded chips on it: ``{address: Trace}``, methods as `machine.I2C`'s."""

    def __init__(self, chips: dict[int, Trace]) -> None:
        self._chips = chips

    def scan(self) -> list[int]:
        """Return the addresses that acknowledge."""
        return sorted(self._chips)

    def writeto(self, addr: int, data: bytes, stop: bool = True) -> int:
        """Write `data`; return how many bytes were acknowledged."""
        self._chip(addr).write(data)
        return len(data)

    def writevto(self, addr: int, parts: list[bytes], stop: bool = True) -> int:
        """Write several buffers as one."""
        return self.writeto(addr, b"".join([bytes(part) for part in parts]), stop)

    def readfrom_into(self, addr: int, buf: bytearray, stop: bool = True) -> None:
        """Fill `buf`."""
        self._chip(addr).readinto(buf)

    def readfrom(self, addr: int, nbytes: int, stop: bool = True) -> bytes:
        """Return `nbytes` bytes."""
        buf = bytearray(nbytes)
        self.readfrom_into(addr, buf, stop)
        return bytes(buf)

    def readfrom_mem_into(
        self, addr: int, memaddr: int, buf: bytearray, *, addrsize: int = 8
    ) -> None:
        """Fill `buf` from a register on."""
        self._chip(addr).register(memaddr.to_bytes(addrsize // 8, "big"), buf)

    def readfrom_mem(self, addr: int, memaddr: int, nbytes: int, *, addrsize: int = 8) -> bytes:
        """Return `nbytes` bytes from a register on."""
        buf = bytearray(nbytes)
        self.readfrom_mem_into(addr, memaddr, buf, addrsize=addrsize)
        return bytes(buf)

    def writeto_mem(self, addr: int, memaddr: int, buf: bytes, *, addrsize: int = 8) -> None:
        """Write `buf` from a register on."""
        self.writeto(addr, memaddr.to_bytes(addrsize // 8, "big") + bytes(buf))

    def _chip(self, addr: int) -> Trace:
        chip = self._chips.get(addr)
        if chip is None:
            raise OSError(_ENODEV)
        return chip


def chips(described: dict[str, dict[str, list[list[str]]]]) -> dict[int, Trace]:
    """Return ``{address: Trace}`` of a bus as a world file describes it."""
    return {int(addr, 0): Trace(chip["trace"]) for addr, chip in described.items()}
