"""Checkpoints in two slots and a golden one, so that one whole copy outlives any power cut.

A checkpoint goes into the slot that does not hold the newest, is closed, read back and
compared with its hash; only then does anything depend on it (SPEC-node.md section 3).
"""

from array import array

from sil.compat import const, sha256
from sil.errors import FormatError
from sil.link.fields import get32, put32

from .errors import PortError
from .kinds import Any, Buffer, Port

NAMES = ("slot_a.pbc", "slot_b.pbc")
GOLD = "gold.pbc"

_MAGIC = b"PBC1"
_HEAD = const(28)
_HASH = const(32)
_PIECE = const(256)


class Found:
    """A slot whose content is whole: its file, generation, and the models it has and came from."""

    def __init__(self, name: str, head: "bytes | bytearray") -> None:
        self.name = name
        self.generation = get32(head, 4)
        self.length = get32(head, 8)
        self.parent = bytes(head[12:20])
        self.model = bytes(head[20:28])


class Slots:
    """The checkpoints of one node.

    Args:
        port: where files are (see `paebiru_node.port`).
    """

    def __init__(self, port: "Port") -> None:
        self._port = port
        self._piece = bytearray(_PIECE)
        self.newest: "Found | None" = None
        self._next = NAMES[0]

    def scan(self) -> "Found | None":
        """Look at both slots; return the newest that is whole, if any."""
        found = [self.look(name) for name in NAMES]
        self.newest = None
        for slot in found:
            if slot and (self.newest is None or slot.generation > self.newest.generation):
                self.newest = slot
        is_a = self.newest is not None and self.newest.name == NAMES[0]
        self._next = NAMES[1 if is_a else 0]
        return self.newest

    def look(self, name: str) -> "Found | None":
        """Return what the file `name` holds if all of it is there and right."""
        try:
            file = self._port.open(name, "rb")
        except OSError:
            return None
        try:
            return self._verified(file, name)
        except OSError:
            return None
        finally:
            file.close()

    def _verified(self, file: "Any", name: str) -> "Found | None":
        head = bytearray(_HEAD)
        if file.readinto(head) != _HEAD or head[:4] != _MAGIC or get32(head, 4) < 0:
            return None
        found = Found(name, head)
        left = found.length
        if left < 0:
            return None
        seen = sha256(head)
        while left > 0:
            view = memoryview(self._piece)[: min(left, _PIECE)]
            n = file.readinto(view)
            if not n:
                return None
            seen.update(view[:n])
            left -= n
        tail = bytearray(_HASH + 1)
        if file.readinto(tail) != _HASH or bytes(tail[:_HASH]) != seen.digest():
            return None
        return found

    def write(self, parts: "list[Buffer]", model: bytes, name: str = "") -> Found:
        """Store the buffers `parts` as the next generation; durable when it returns.

        Args:
            parts: bytes or arrays, one after another.
            model: name of the model that the checkpoint has, 8 bytes.
            name: the golden slot, which keeps the generation of the newest; or none.

        Raises:
            OSError: it could not be stored; the checkpoints before are untouched.
        """
        head = self._head(parts, model, 0 if name else 1)
        target = name or self._next
        file = self._port.open(target, "wb")
        seen = sha256(head)
        try:
            file.write(head)
            for part in parts:
                file.write(part)
                seen.update(part)
            file.write(seen.digest())
        finally:
            file.close()
        found = self.look(target)
        if found is None or found.model != model or found.generation != get32(head, 4):
            raise PortError("%s was not stored as written: the flash is full or worn" % target)
        if not name:
            self.newest = found
            self._next = NAMES[1 if target == NAMES[0] else 0]
        return found

    def _head(self, parts: "list[Buffer]", model: bytes, step: int) -> bytearray:
        head = bytearray(_HEAD)
        head[:4] = _MAGIC
        newest = self.newest
        put32(head, 4, (newest.generation if newest else 0) + step)
        put32(head, 8, sum([size_of(part) for part in parts]))
        head[12:20] = newest.model if newest else bytes(8)
        head[20:28] = model
        return head

    def find(self, model: bytes) -> "Found | None":
        """Return the newest checkpoint that has this model, the golden one included."""
        best = None
        for name in NAMES + (GOLD,):
            slot = self.look(name)
            if slot and slot.model == model and (not best or slot.generation > best.generation):
                best = slot
        return best

    def body(self, found: Found) -> "Body":
        """Open a checkpoint for reading, behind its head."""
        return Body(self._port.open(found.name, "rb"), found.length)


class Body:
    """The body of a checkpoint, read from its front to its end."""

    def __init__(self, file: "Any", length: int) -> None:
        self._file = file
        self.left = length
        file.readinto(bytearray(_HEAD))

    def readinto(self, buf: "Buffer") -> int:
        """Fill all of a buffer, an array of int16 included; return its bytes.

        Raises:
            FormatError: less is there.
        """
        size = size_of(buf)
        if size > self.left or (size and self._file.readinto(buf) != size):
            raise FormatError("the checkpoint ends before its model does")
        self.left -= size
        return size

    def close(self) -> None:
        """Let go of the file."""
        self._file.close()


def size_of(buf: "Buffer") -> int:
    """Return the bytes of a buffer; the arrays among them are of int16."""
    return 2 * len(buf) if isinstance(buf, array) else len(buf)
