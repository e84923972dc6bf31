"""The responder's steps of the handshake; a board, which calls, does not load them."""

from ..kernels import wire
from . import messages as m
from . import sha
from .fields import get16, put16, put_bytes
from .frame import HEADER
from .handshake import MAC, Handshake


class Answer(Handshake):
    """A handshake as the end that is called takes part in it."""

    def accept_hello(self, frame: bytearray, end: int) -> bool:
        """Take a HELLO frame if its signer holds the key."""
        if end != HEADER + m.HELLO_SIZE:
            return False
        wire.copy(frame, HEADER, end, self.hello, 0)
        mac = sha.tag(self.key.hello, self.hello, 0, m.HELLO_MAC)
        return sha.same(self.hello, m.HELLO_MAC, mac, MAC)

    def write_challenge(self, session: int, nonce: bytes, capabilities: int) -> None:
        """Compose a CHALLENGE; its posts record is already in place."""
        challenge = self.challenge
        self.head[0] = (m.VERSION << 4) | 8
        self.head[1] = m.CHALLENGE
        put16(self.head, 2, session)
        challenge[m.CHALLENGE_VERSION] = m.VERSION
        put16(challenge, m.CHALLENGE_CAPS, capabilities & get16(self.hello, m.HELLO_CAPS))
        put_bytes(challenge, m.CHALLENGE_NONCE, nonce)
        wire.copy(self.challenge_mac(), 0, MAC, challenge, m.CHALLENGE_MAC)


def hello_error(frame: bytearray, end: int) -> int:
    """Return why a HELLO cannot be talked to at all (an E_ code), or 0."""
    if end != HEADER + m.HELLO_SIZE:
        return m.E_SIZE
    lowest = frame[HEADER + m.HELLO_MIN]
    highest = frame[HEADER + m.HELLO_MAX]
    return 0 if lowest <= m.VERSION <= highest else m.E_VERSION
