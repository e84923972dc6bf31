"""A line in memory between a simulated board and its hub."""

from collections import deque
from errno import ENODEV

_ROOM = 4096  # bytes that a wire holds for each end, as a driver's buffer does


class Wire:
    """A line in memory: the board's end is a link of the contract, the hub's `take` and `give`."""

    __slots__ = (
        "_down",
        "_is_open",
        "_up",
        "_up_size",
        "datagrams",
        "down",
        "hides_etx",
        "is_there",
        "room",
        "up",
    )

    def __init__(self, datagrams: bool = False, hides_etx: bool = False, room: int = _ROOM) -> None:
        self.datagrams = datagrams
        self.hides_etx = hides_etx
        self.room = room
        self.is_there = True  # False: unplugged
        self._is_open = False
        self._up: deque[bytes] = deque()
        self._up_size = 0
        self._down: deque[bytes] = deque()
        self.up = self.down = 0  # bytes carried so far

    def take(self) -> bytes:
        """Return what the board sent since (of datagrams: the next one); ``b""`` if nothing."""
        if not self._up:
            return b""
        data = self._up.popleft() if self.datagrams else b"".join(self._up)
        if not self.datagrams:
            self._up.clear()
        self._up_size -= len(data)
        self.up += len(data)
        return data

    def give(self, data: bytes) -> None:
        """Send bytes to the board; they are lost while its end is not open."""
        if self._is_open and self.is_there and data:
            self._down.append(data)
            self.down += len(data)

    def unplug(self) -> None:
        """Cut the line: what is on it is lost, and both ends notice."""
        self.is_there = False
        self._forget()

    def plug(self) -> None:
        """Put the line back."""
        self.is_there = True

    def has_bytes(self) -> bool:
        """Tell whether bytes wait for the board."""
        return bool(self._down)

    # -- as the port's contract says

    def open(self) -> bool:
        """Make the board's end ready; True when the line is there."""
        self._is_open = self.is_there
        return self._is_open

    def heard(self) -> None:
        """A valid frame came: nothing to do."""

    def readinto(self, buf: bytearray) -> int:
        """Take what is there."""
        self._check()
        count = 0
        while self._down and count < len(buf):
            piece = self._down.popleft()
            size = min(len(piece), len(buf) - count)
            buf[count : count + size] = piece[:size]
            count += size
            if self.datagrams:  # whole, or cut as a socket cuts what does not fit
                break
            if size < len(piece):
                self._down.appendleft(piece[size:])
        return count

    def write(self, buf: bytearray, start: int, end: int) -> int:
        """Send as much as there is room for."""
        self._check()
        room = self.room - self._up_size
        if self.datagrams and room < end - start:
            return 0
        size = min(end - start, room)
        if size > 0:
            self._up.append(bytes(buf[start : start + size]))
            self._up_size += size
        return max(size, 0)

    def close(self) -> None:
        """Let go."""
        self._is_open = False
        self._down.clear()

    def _check(self) -> None:
        if not (self._is_open and self.is_there):
            self._is_open = False
            raise OSError(ENODEV, "the line is gone")

    def _forget(self) -> None:
        self._up.clear()
        self._down.clear()
        self._up_size = 0
