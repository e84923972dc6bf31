"""The secret that a device and its hub share, how it is stored, and how it is followed by the next.

A stored key is 40 bytes: ``PBK1``, u16 epoch, the 32 bytes of the secret, and u16
of the CRC-32's low half.  On an ESP32 it lies in NVS (namespace ``paebiru``, blob
``key``), elsewhere in the file ``paebiru.key``.
"""

from ..compat import const
from ..crc import Crc32
from ..errors import FormatError, RangeError
from . import sha

LABEL = b"paebiru link 1 "
SECRET_SIZE = 32
STORED_SIZE = 40
SALT_SIZE = 16

_MAGIC = b"PBK1"
_BODY = const(38)


class DeviceKey:
    """A device's secret, and which generation (epoch) of it this is."""

    def __init__(self, secret: "bytes | bytearray", epoch: int) -> None:
        if len(secret) != SECRET_SIZE or not 0 < epoch < 65536:
            raise RangeError("a device key is 32 bytes of an epoch from 1 to 65535")
        self.secret = bytes(secret)
        self.epoch = epoch
        self.hello = sha.HmacKey(sha.hkdf(b"", self.secret, LABEL + b"hello", 32))

    def next(self, salt: bytes) -> "DeviceKey":
        """Return the key of the next epoch; both ends derive it, and only the salt travels."""
        epoch = self.epoch + 1
        info = LABEL + b"rotate" + bytes((epoch & 0xFF, epoch >> 8))
        return DeviceKey(sha.hkdf(salt, self.secret, info, SECRET_SIZE), epoch)

    def pack(self) -> bytes:
        """Return the key as it is stored."""
        head = _MAGIC + bytes((self.epoch & 0xFF, self.epoch >> 8)) + self.secret
        crc = Crc32()
        crc.update(head, 0, _BODY)
        return head + bytes((crc.halves[0] & 0xFF, crc.halves[0] >> 8))


def followed(key: DeviceKey, body: "bytes | bytearray") -> "DeviceKey | None":
    """Return the key that a ROTATE post asks for; None if it is not the next one of ``key``."""
    if len(body) != 2 + SALT_SIZE or body[0] | (body[1] << 8) != key.epoch + 1:
        return None
    return key.next(bytes(body[2:]))


def unpack(stored: "bytes | bytearray") -> DeviceKey:
    """Read a stored key."""
    if len(stored) != STORED_SIZE or stored[:4] != _MAGIC:
        raise FormatError("this is no stored key; enroll the board again: paebiru enroll PORT")
    crc = Crc32()
    crc.update(stored, 0, _BODY)
    if stored[_BODY] | (stored[_BODY + 1] << 8) != crc.halves[0]:
        raise FormatError("the stored key is damaged; enroll the board again: paebiru enroll PORT")
    return DeviceKey(stored[6:_BODY], stored[4] | (stored[5] << 8))
