"""An object as its sender has it: what the peer is told before it decides, and the bytes."""

from ..errors import RangeError
from ..kernels import wire
from . import messages as m
from .fields import put32


class Offer:
    """What the peer is told about an object before it decides."""

    def __init__(
        self, kind: int, length: int, digest: bytes, codec: int = 0, raw: int = 0, base: bytes = b""
    ) -> None:
        if not 0 < length <= m.MAX_OBJECT:
            raise RangeError("an object is 1 byte to 1 MiB long")
        self.kind = kind
        self.length = length
        self.digest = digest
        self.codec = codec
        self.raw = raw or length
        self.base = base

    def write(self, buf: bytearray, identifier: int) -> None:
        """Write the payload of the OFFER."""
        buf[m.OFFER_ID] = identifier
        buf[m.OFFER_KIND] = self.kind
        buf[m.OFFER_CODEC] = self.codec
        buf[m.OFFER_CODEC + 1] = 0
        put32(buf, m.OFFER_LENGTH, self.length)
        put32(buf, m.OFFER_RAW, self.raw)
        wire.copy(self.digest, 0, 32, buf, m.OFFER_HASH)
        base = (self.base + bytes(8))[:8]
        wire.copy(base, 0, 8, buf, m.OFFER_BASE)


class Source:
    """Where an object's bytes come from; a subclass reads a file, or memory."""

    def read(self, offset: int, buf: bytearray, at: int, size: int) -> None:
        """Copy ``size`` bytes from ``offset`` on to ``buf[at:]``."""
        raise NotImplementedError


class BytesSource(Source):
    """An object that lies in memory."""

    def __init__(self, data: "bytes | bytearray | memoryview") -> None:
        self._data = data

    def read(self, offset: int, buf: bytearray, at: int, size: int) -> None:
        """Copy from the object."""
        wire.copy(self._data, offset, offset + size, buf, at)
