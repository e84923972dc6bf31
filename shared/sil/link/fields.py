"""Little-endian fields of messages.

A field of 32 bits that counts something stays below 2**29 (a small int on every
board): `get32` answers -1 for more, and the message is refused.
"""

from ..compat import Buf
from ..kernels import wire


def put16(buf: bytearray, at: int, value: int) -> None:
    """Write a u16."""
    buf[at] = value & 0xFF
    buf[at + 1] = (value >> 8) & 0xFF


def get16(buf: Buf, at: int) -> int:
    """Read a u16."""
    return buf[at] | (buf[at + 1] << 8)


def put32(buf: bytearray, at: int, value: int) -> None:
    """Write a u32 that is below 2**29."""
    put16(buf, at, value & 0xFFFF)
    put16(buf, at + 2, value >> 16)


def get32(buf: Buf, at: int) -> int:
    """Read a u32; -1 stands for 2**29 and more."""
    if buf[at + 3] >= 0x20:
        return -1
    return get16(buf, at) | (get16(buf, at + 2) << 16)


def put_bytes(buf: bytearray, at: int, data: "bytes | bytearray") -> None:
    """Write `data` to ``buf[at:]``."""
    wire.copy(data, 0, len(data), buf, at)
