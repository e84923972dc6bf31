"""Which boards share the secrets that a masked sum needs, and how one of them keeps its part.

A stored membership is ``PBG1``, the group's name (8), u8 the board's index from 1, u8 boards,
u8 threshold, u8 0, a secret of 32 bytes for each board (at its own index one that no other
board has), and u16 of the CRC-32's low half.
"""

from .compat import Buf, const
from .crc import Crc32
from .errors import FormatError, RangeError
from .link import sha
from .link.fields import put32, put_bytes

LABEL = b"paebiru mask 1 "
MAX_MEMBERS = 16
SEED_SIZE = 16
SECRET_SIZE = 32
NAME_SIZE = 8

_MAGIC = b"PBG1"
_FIELDS = const(16)


class Group:
    """A board's membership: the secrets that it shares with each other one, and what it has said.

    `ticket` is the last masked sum that this board had a part in, `told` for which boards it
    helped to take the masks off (a bit each), 0 for none, 2**16 for never.  Both are kept over
    a restart, and durable before anything made with them leaves the board.
    """

    def __init__(self, name: Buf, index: int, threshold: int, secrets: Buf):
        members = len(secrets) // SECRET_SIZE
        if len(secrets) % SECRET_SIZE or not 3 <= members <= MAX_MEMBERS:
            raise RangeError("a group has 3 to %d boards, a secret for each" % MAX_MEMBERS)
        if not 1 <= index <= members or len(name) != NAME_SIZE:
            raise RangeError("board %d of a group of %d does not exist" % (index, members))
        if not members < 2 * threshold <= 2 * members:
            raise RangeError("a threshold is over half of the boards, and at most all of them")
        self.name = bytes(name)
        self.index = index
        self.members = members
        self.threshold = threshold
        self.secrets = bytes(secrets)
        self.ticket = 0
        self.told = 0

    def pack(self) -> bytes:
        """Return the membership as it is stored."""
        numbers = bytes((self.index, self.members, self.threshold, 0))
        return _with_crc(_MAGIC + self.name + numbers + self.secrets)

    def key(self, label: bytes, sender: int, other: int, ticket: int) -> bytes:
        """Return 32 bytes that only the two boards, or the one, know."""
        at = SECRET_SIZE * ((other if sender == self.index else sender) - 1)
        info = bytearray(len(LABEL) + len(label) + NAME_SIZE + 6)
        put_bytes(info, 0, LABEL + label + self.name)
        put32(info, len(info) - 6, ticket)
        info[len(info) - 2] = sender
        info[len(info) - 1] = other
        secret = sha.HmacKey(self.secrets[at : at + SECRET_SIZE])
        return sha.tag(secret, info, 0, len(info))

    def seed(self, other: int, ticket: int) -> bytes:
        """Return the seed of the stream shared with another board, or of this board's own."""
        if other == self.index:
            return self.key(b"self", other, other, ticket)[:SEED_SIZE]
        return self.key(b"pair", min(other, self.index), max(other, self.index), ticket)[:SEED_SIZE]


def _with_crc(body: bytes) -> bytes:
    crc = Crc32()
    crc.update(body, 0, len(body))
    return body + bytes((crc.halves[0] & 0xFF, crc.halves[0] >> 8))


def unpack(stored: Buf) -> Group:
    """Read a stored membership; it has had a part in no sum yet.

    Raises:
        FormatError: it is none, or damaged.
    """
    body = bytes(stored[: max(len(stored) - 2, 0)])
    if len(body) < _FIELDS or body[:4] != _MAGIC or _with_crc(body) != bytes(stored):
        raise FormatError("this is no membership of a group: deal its secrets again, over USB")
    if len(body) != _FIELDS + SECRET_SIZE * body[13]:
        raise FormatError("a membership of %d boards has a secret for each" % body[13])
    return Group(body[4:12], body[12], body[14], body[_FIELDS:])
