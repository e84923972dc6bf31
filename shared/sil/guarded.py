"""Guarded numbers: six bits a byte, each byte with a parity bit (SPEC.md section 3).

    bit 7      more bytes follow
    bits 6..1  six bits of the number, the least significant first
    bit 0      makes the count of ones in the byte odd

A flipped bit is seen in its own byte, so it can never move the place where the reader
thinks that something begins.  0x00 and 0xFF, which lost or erased storage is full of,
are no such bytes.
"""

from .compat import Buf, const
from .errors import FormatError

MAX = 0xFFFFFF

_SHIFT_END = const(24)


def odd(byte: int) -> int:
    """Return 1 if the count of ones in the byte is odd."""
    byte ^= byte >> 4
    byte ^= byte >> 2
    return (byte ^ (byte >> 1)) & 1


def length(value: int) -> int:
    """Return how many bytes `put` takes."""
    n = 1
    while value > 63:
        value >>= 6
        n += 1
    return n


def put(out: bytearray, at: int, value: int) -> int:
    """Write 0 <= value <= MAX to ``out[at:]``; return where it ended."""
    more = 128
    while more:
        more = 128 if value > 63 else 0
        byte = more | (value & 63) << 1
        out[at] = byte | 1 - odd(byte)
        value >>= 6
        at += 1
    return at


class Reader:
    """Takes the bytes of one number after another; allocates nothing."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Begin anew, in the middle of a number too."""
        self.value = 0
        self._shift = 0

    def take(self, byte: int) -> bool:
        """Take a byte in; return True when `value` is whole.

        Raises:
            FormatError: a bit of the byte is wrong, or the number is above MAX.
        """
        if not odd(byte):
            raise FormatError("a damaged length (0x%02x): cut the stream before this block" % byte)
        if self._shift == 0:
            self.value = 0
        if self._shift == _SHIFT_END:
            raise FormatError("a number above 2**24: not written by this format")
        self.value |= (byte >> 1 & 63) << self._shift
        self._shift = self._shift + 6 if byte & 128 else 0
        return self._shift == 0


def get(buf: Buf, at: int) -> "tuple[int, int]":
    """Return the number at ``buf[at:]`` and where it ended; (-1, at) if the end cuts it.

    Raises:
        FormatError: as `Reader.take`.
    """
    reader = Reader()
    i = at
    while i < len(buf):
        i += 1
        if reader.take(buf[i - 1]):
            return reader.value, i
    return -1, at
