"""The memory of a simulated board that outlives its power, and the power cut at any write."""

import io
from array import array
from errno import EBADF, ENOENT
from typing import Self

from paebiru_node.errors import PortError
from paebiru_node.port.common import check_name, check_size

_SECTOR = 512


class PowerCut(BaseException):
    """The power is gone: nothing of the board runs on, so nothing of it may catch this."""


class Flash:
    """Files and saved values.

    Everything that could be cut short on a medium is a *write*, counted in ``writes``; the
    one that makes the count reach ``cut_at`` raises `PowerCut` and leaves what a file system
    would leave.  Nothing works then until `power_on`.

    littlefs (``fat=False``) shows the old file until the new one was closed.  FAT empties a file
    when it is opened for writing and shows nothing of it until `close`.  So do
    MicroPython's, cut at every block write (tests/host/test_port_sim.py).
    """

    __slots__ = ("_is_dead", "cut_at", "fat", "files", "values", "writes")

    def __init__(self, fat: bool = False) -> None:
        self.fat = fat
        self.files: dict[str, bytes] = {}
        self.values: dict[str, bytes] = {}
        self.writes = 0
        self.cut_at = 0  # 0: never
        self._is_dead = False

    def power_on(self) -> None:
        """Bring the power back; the next cut must be set anew."""
        self._is_dead = False
        self.cut_at = 0

    def step(self) -> None:
        """Count a write; raise when the power goes at it."""
        self.check()
        self.writes += 1
        if self.writes == self.cut_at:
            self._is_dead = True
            raise PowerCut

    def check(self) -> None:
        """Raise when the power is gone."""
        if self._is_dead:
            raise PowerCut

    # -- as the port's contract says

    def load(self, name: str) -> bytes:
        """Return what was saved; ``b""`` when nothing was."""
        check_name(name)
        self.check()
        return self.values.get(name, b"")

    def save(self, name: str, data: bytes | bytearray) -> None:
        """Store durably: cut before it, nothing has changed; cut after it, all has."""
        check_name(name)
        check_size(name, len(data))
        self.step()
        self.values[name] = bytes(data)
        self.step()

    def open(self, name: str, mode: str) -> "io.BytesIO | Writing":
        """Open a file to read it (``rb``) or to write it anew (``wb``)."""
        self.check()
        if mode == "wb":
            return Writing(self, name)
        if mode != "rb":
            raise PortError(f"files are opened 'rb' or 'wb', not '{mode}'")
        if name not in self.files:
            raise OSError(ENOENT, "there is no such file", name)
        return io.BytesIO(self.files[name])

    def remove(self, name: str) -> None:
        """Remove a file; no error when it is not there."""
        self.check()
        if name in self.files:
            self.step()
            del self.files[name]
            self.step()


class Writing:
    """A file that is being written."""

    __slots__ = ("_body", "_flash", "_is_open", "_name")

    def __init__(self, flash: Flash, name: str) -> None:
        self._flash = flash
        self._name = name
        self._body = bytearray()
        self._is_open = True
        if flash.fat:
            flash.step()
            flash.files[name] = b""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None or not issubclass(kind, PowerCut):
            self.close()

    def write(self, data: "bytes | bytearray | memoryview | array[int]") -> int:
        """Take bytes: each whole sector is a write of its own."""
        if not self._is_open:
            raise OSError(EBADF, "the file was closed", self._name)
        data = memoryview(data).cast("B")  # arrays count by bytes as well
        at = 0
        while at < len(data):
            room = _SECTOR - len(self._body) % _SECTOR
            self._flash.step()
            self._body += data[at : at + room]
            at += room
        return len(data)

    def flush(self) -> None:
        """Put what was written so far onto the medium."""
        self._flash.step()
        self._flash.files[self._name] = bytes(self._body)
        self._flash.step()

    def close(self) -> None:
        """Make the file durable."""
        if self._is_open:
            self._is_open = False
            self.flush()
