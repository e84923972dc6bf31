"""Named values in CircuitPython's `microcontroller.nvm`, twice, so that a power cut loses none.

The memory is cut into halves.  Each holds all values:

    0  "PN"   2 u16 size of the entries   4 u32 generation   8 entries   + u32 CRC-32 of all before
    an entry: u8 length of the name, name, u16 length, data

A save writes all values into the older half, so that a cut leaves the newer one as it was; a half
whose checksum fails counts as empty.  This holds where the memory writes no more
than it was told: ESP32 boards keep it in flash of its own and replace it whole.  Boards
that erase a sector with both halves in it (RP2040, SAMD) can lose both to a cut.
"""

from sil.compat import const
from sil.crc import Crc32

from ..errors import PortError
from .common import check_name, check_size

_HEAD = const(8)
_CRC = const(4)


class NvmStore:
    """Named values in a buffer that keeps what is written to it."""

    def __init__(self, nvm: "bytearray") -> None:
        self._nvm = nvm
        self._half = len(nvm) // 2
        if self._half < _HEAD + _CRC:
            raise PortError("this board's nvm has %d bytes, too few to save in" % len(nvm))

    def load(self, name: str) -> bytes:
        """Return what was saved; ``b""`` when nothing was."""
        check_name(name)
        for other, data in _entries(self._newest()[1]):
            if other == name:
                return data
        return b""

    def save(self, name: str, data: "bytes | bytearray") -> None:
        """Store durably; an empty value is forgotten."""
        check_name(name)
        check_size(name, len(data))
        half, image = self._newest()
        body = b""
        for other, kept in _entries(image):
            if other != name:
                body += _entry(other, kept)
        if data:
            body += _entry(name, data)
        if _HEAD + len(body) + _CRC > self._half:
            raise PortError(
                "'%s' finds no room: %d bytes of nvm hold %d of values"
                % (name, len(self._nvm), self._half - _HEAD - _CRC)
            )
        generation = int.from_bytes(image[4:8], "little") + 1 if image else 1
        start = (1 - half) * self._half
        written = _sealed(body, generation)
        self._nvm[start : start + len(written)] = written

    def _newest(self) -> "tuple[int, bytes]":
        """Return the half to keep, and what it holds; ``b""`` when neither holds anything."""
        first, second = self._image(0), self._image(1)
        if not second or (first and _is_newer(first, second)):
            return 0, first
        return 1, second

    def _image(self, half: int) -> bytes:
        start = half * self._half
        head = bytes(self._nvm[start : start + _HEAD])
        size = int.from_bytes(head[2:4], "little")
        if head[:2] != b"PN" or _HEAD + size + _CRC > self._half:
            return b""
        image = bytes(self._nvm[start : start + _HEAD + size + _CRC])
        crc = Crc32()
        crc.update(image, 0, _HEAD + size)
        return image if crc.matches(image, _HEAD + size) else b""


def _is_newer(first: bytes, second: bytes) -> bool:
    return int.from_bytes(first[4:8], "little") > int.from_bytes(second[4:8], "little")


def _entry(name: str, data: "bytes | bytearray") -> bytes:
    head = bytes((len(name),)) + name.encode()
    return head + len(data).to_bytes(2, "little") + bytes(data)


def _sealed(body: bytes, generation: int) -> bytearray:
    out = bytearray(_HEAD + len(body) + _CRC)
    out[0:2] = b"PN"
    out[2:4] = len(body).to_bytes(2, "little")
    out[4:8] = generation.to_bytes(4, "little")
    out[_HEAD : _HEAD + len(body)] = body
    crc = Crc32()
    crc.update(out, 0, _HEAD + len(body))
    crc.store(out, _HEAD + len(body))
    return out


def _entries(image: bytes) -> "list[tuple[str, bytes]]":
    """Return the names and values of a half whose checksum was right."""
    found = []
    at = _HEAD
    while at < len(image) - _CRC:
        start = at + 1 + image[at]
        size = int.from_bytes(image[start : start + 2], "little")
        found.append((image[at + 1 : start].decode(), image[start + 2 : start + 2 + size]))
        at = start + 2 + size
    return found
