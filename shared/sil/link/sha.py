"""SHA-256, HMAC and HKDF over ``hashlib.sha256``, the one hash that every board has.

MicroPython's hash objects have no ``copy``, so an HMAC costs two hashes that
start with a prepared 64-byte pad.  The hash objects and digests which the
interpreter makes inside `digest` and `tag` are the only allocations of the
link's steady state; everything else runs with the heap locked.
"""

from ..compat import const, sha256

_BLOCK = const(64)

SIZE = 32


class HmacKey:
    """A key with its two padded blocks prepared."""

    def __init__(self, key: "bytes | bytearray") -> None:
        if len(key) > _BLOCK:
            key = sha256(key).digest()
        self.inner = bytearray(_BLOCK)
        self.outer = bytearray(_BLOCK)
        for i in range(_BLOCK):
            k = key[i] if i < len(key) else 0
            self.inner[i] = k ^ 0x36
            self.outer[i] = k ^ 0x5C


def digest(buf: "bytes | bytearray | memoryview", start: int, end: int) -> bytes:
    """Return the SHA-256 of ``buf[start:end]``."""
    return sha256(memoryview(buf)[start:end]).digest()


def tag(key: HmacKey, buf: "bytes | bytearray | memoryview", start: int, end: int) -> bytes:
    """Return the HMAC-SHA256 of ``buf[start:end]``."""
    inner = sha256(key.inner)
    inner.update(memoryview(buf)[start:end])
    outer = sha256(key.outer)
    outer.update(inner.digest())
    return outer.digest()


def same(
    buf: "bytes | bytearray | memoryview", at: int, expected: "bytes | bytearray", size: int
) -> bool:
    """Compare ``size`` bytes without telling by the time taken where they differ."""
    difference = 0
    for i in range(size):
        difference |= buf[at + i] ^ expected[i]
    return difference == 0


def hkdf(salt: bytes, secret: "bytes | bytearray", info: bytes, size: int) -> bytes:
    """Derive ``size`` bytes (at most 255 * 32) from a secret: RFC 5869 with SHA-256."""
    extracted = HmacKey(tag(HmacKey(salt), secret, 0, len(secret)))
    out = b""
    block = b""
    count = 1
    while len(out) < size:
        block = block + info + bytes((count,))
        block = tag(extracted, block, 0, len(block))
        out += block
        count += 1
    return out[:size]
