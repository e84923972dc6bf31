"""A stream of bytes over datagrams of at most 250 bytes (ESP-NOW).

    0  u8  number, +1 for each piece
    1  1..249 bytes of the stream

An encoded frame has up to 2114 bytes, so frames are cut wherever a piece is full.  The radio
repeats a piece until it is acknowledged and keeps their order, but gives up after some
tries, and may deliver a piece again when an acknowledgement was lost.  A repeated piece is
dropped by its number; a lost one damages its frame, which the session repairs.  So the link
counts as a stream that loses bytes, not as one of datagrams.
"""

from sil.compat import const
from sil.kernels import wire

PIECE = 250
_HEAD = const(1)


class Pieces:
    """Both directions of one peer's stream."""

    def __init__(self) -> None:
        self.out = bytearray(PIECE)
        self.lost = 0
        self.repeated = 0
        self._next = 0  # number of the next piece that goes out
        self._expected = -1  # of the next that comes in; -1: any
        self._piece = bytearray(PIECE)
        self._at = 0
        self._end = 0

    def cut(self, buf: "bytes | bytearray | memoryview", start: int, end: int) -> int:
        """Put the next bytes into ``out``; return how long the piece is, head included.

        The number counts up only with `sent`, since the radio may be busy.
        """
        size = min(end - start, PIECE - _HEAD)
        self.out[0] = self._next
        wire.copy(buf, start, start + size, self.out, _HEAD)
        return _HEAD + size

    def sent(self) -> None:
        """Note that the piece left."""
        self._next = (self._next + 1) & 0xFF

    def arrived(self, piece: "bytes | bytearray | memoryview") -> bool:
        """Take a piece that came in; False when it came before.  Only after `is_empty`."""
        size = len(piece)
        if size <= _HEAD or size > PIECE:
            return False
        number = piece[0]
        if self._expected >= 0:
            if (number + 1) & 0xFF == self._expected:
                self.repeated += 1
                return False
            self.lost += (number - self._expected) & 0xFF
        self._expected = (number + 1) & 0xFF
        wire.copy(piece, _HEAD, size, self._piece, 0)
        self._at = 0
        self._end = size - _HEAD
        return True

    def is_empty(self) -> bool:
        """Tell whether the piece before has been read to its end."""
        return self._at == self._end

    def readinto(self, buf: bytearray, at: int) -> int:
        """Move bytes to ``buf[at:]``; return where they end."""
        size = min(len(buf) - at, self._end - self._at)
        wire.copy(self._piece, self._at, self._at + size, buf, at)
        self._at += size
        return at + size
