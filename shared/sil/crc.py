"""CRC-32 (zlib's, polynomial 0xEDB88320) as two 16-bit halves.

A 32-bit int allocates on a 32-bit board, so the sum lives in a small mutable
object and never becomes one number:

    crc = Crc32()
    crc.update(buf, 0, n)
    crc.store(buf, n)            # four bytes, little-endian
"""

from array import array

from .compat import const
from .kernels import wire

_POLY_LO = const(0x8320)
_POLY_HI = const(0xEDB8)

SIZE = 4

_tables: "list[array[int]]" = []  # the one shared table (1 KiB), built at first use


def _table() -> "array[int]":
    if not _tables:
        table = array("H", bytes(1024))
        for k in range(256):
            lo, hi = k, 0
            for _ in range(8):
                odd = lo & 1
                lo = (lo >> 1) | ((hi & 1) << 15)
                hi >>= 1
                if odd:
                    lo ^= _POLY_LO
                    hi ^= _POLY_HI
            table[k] = lo
            table[256 + k] = hi
        _tables.append(table)
    return _tables[0]


class Crc32:
    """A running CRC-32; nothing but the constructor allocates."""

    def __init__(self) -> None:
        self._table = _table()
        self.halves = array("H", bytes(4))  # low half, high half

    def reset(self) -> None:
        """Start again from the empty input."""
        self.halves[0] = 0
        self.halves[1] = 0

    def update(self, buf: "bytes | bytearray | memoryview", start: int, end: int) -> None:
        """Take ``buf[start:end]`` in."""
        wire.crc32(buf, start, end, self._table, self.halves)

    def store(self, buf: bytearray, at: int) -> None:
        """Write the sum to ``buf[at:at + 4]``, little-endian."""
        lo, hi = self.halves[0], self.halves[1]
        buf[at] = lo & 0xFF
        buf[at + 1] = lo >> 8
        buf[at + 2] = hi & 0xFF
        buf[at + 3] = hi >> 8

    def matches(self, buf: "bytes | bytearray | memoryview", at: int) -> bool:
        """Tell whether ``buf[at:at + 4]`` is the sum as `store` writes it."""
        lo, hi = self.halves[0], self.halves[1]
        return (
            buf[at] == lo & 0xFF
            and buf[at + 1] == lo >> 8
            and buf[at + 2] == hi & 0xFF
            and buf[at + 3] == hi >> 8
        )
