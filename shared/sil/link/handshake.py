"""HELLO, CHALLENGE, PROOF: two holders of a device key agree on fresh session keys.

    initiator (a board)                      responder (the hub)
      HELLO      nonce, versions, capabilities, MAC   ->
                                    <-  CHALLENGE  nonce, choice, MAC
      PROOF      the first frame under the new keys   ->

The HELLO carries a MAC of its own, so that a responder does nothing for a
stranger.  The keys depend on both nonces and on every byte of HELLO and
CHALLENGE: whoever alters a version or a capability on the way ends the
handshake, and a session recorded yesterday opens nothing today.
"""

from ..compat import const
from ..kernels import wire
from . import messages as m
from . import sha
from .fields import get16, put16, put32, put_bytes
from .frame import HEADER
from .keys import LABEL, DeviceKey

MAC = 16

_KEYS = const(96)  # two MAC keys of 32, two cipher keys of 16


class Identity:
    """What an initiator says of itself."""

    def __init__(self, device: bytes, boot: int, firmware: bytes = b"\0\0\0\0") -> None:
        self.device = (device + bytes(m.DEVICE_SIZE))[: m.DEVICE_SIZE]
        self.boot = boot  # counts up at each start of the device; kept in flash
        self.firmware = firmware
        self.attempt = 0  # counts up with each HELLO of one boot


class TrafficKeys:
    """The keys of one session, as one side sees them."""

    def __init__(self, okm: bytes, is_initiator: bool) -> None:
        ours, theirs = (0, 32) if is_initiator else (32, 0)
        self.tx = sha.HmacKey(okm[ours : ours + 32])
        self.rx = sha.HmacKey(okm[theirs : theirs + 32])
        self.tx_cipher = okm[64 + ours // 2 : 80 + ours // 2]
        self.rx_cipher = okm[64 + theirs // 2 : 80 + theirs // 2]


class Handshake:
    """One handshake, from either side: the bytes both must agree on, and what follows from them.

    ``head`` is the CHALLENGE's frame header, which carries the session's number.
    """

    def __init__(self, key: DeviceKey) -> None:
        self.key = key
        self.hello = bytearray(m.HELLO_SIZE)
        self.head = bytearray(HEADER)
        self.challenge = bytearray(m.CHALLENGE_SIZE)

    def session(self) -> int:
        """Return the session's number."""
        return get16(self.head, 2)

    def capabilities(self) -> int:
        """Return the capabilities that the responder chose."""
        return get16(self.challenge, m.CHALLENGE_CAPS)

    # -- the initiator's steps

    def write_hello(self, who: Identity, nonce: bytes, capabilities: int) -> None:
        """Compose a HELLO; its posts record is already in place."""
        hello = self.hello
        hello[m.HELLO_MIN] = m.VERSION
        hello[m.HELLO_MAX] = m.VERSION
        put_bytes(hello, m.HELLO_DEVICE, who.device)
        put16(hello, m.HELLO_EPOCH, self.key.epoch)
        put_bytes(hello, m.HELLO_NONCE, nonce)
        put32(hello, m.HELLO_BOOT, who.boot)
        put16(hello, m.HELLO_CAPS, capabilities)
        put_bytes(hello, m.HELLO_FIRMWARE, who.firmware)
        self.sign_hello(who)

    def sign_hello(self, who: Identity) -> None:
        """Number and sign the HELLO (again, when a cookie was put in)."""
        who.attempt = (who.attempt + 1) & 0xFFFF
        put16(self.hello, m.HELLO_ATTEMPT, who.attempt)
        mac = sha.tag(self.key.hello, self.hello, 0, m.HELLO_MAC)
        wire.copy(mac, 0, MAC, self.hello, m.HELLO_MAC)

    def accept_challenge(self, frame: bytearray, end: int) -> bool:
        """Take a CHALLENGE frame if it answers our HELLO and comes from a holder of the key."""
        if end != HEADER + m.CHALLENGE_SIZE:
            return False
        wire.copy(frame, 0, HEADER, self.head, 0)
        wire.copy(frame, HEADER, end, self.challenge, 0)
        if not sha.same(self.challenge, m.CHALLENGE_MAC, self.challenge_mac(), MAC):
            return False
        offered = get16(self.hello, m.HELLO_CAPS)
        return (
            self.session() != 0
            and self.challenge[m.CHALLENGE_VERSION] == m.VERSION
            and self.capabilities() & ~offered == 0
        )

    # -- what both derive

    def traffic_keys(self, is_initiator: bool) -> TrafficKeys:
        """Derive the session's keys from everything that was said."""
        said = sha.digest(self.hello + self.head + self.challenge, 0, _SAID)
        okm = sha.hkdf(self._salt(), self.key.secret, LABEL + b"keys" + said, _KEYS)
        return TrafficKeys(okm, is_initiator)

    def challenge_mac(self) -> bytes:
        """Return the MAC of the challenge, which its sender's key alone gives."""
        info = LABEL + b"challenge" + sha.digest(self.hello, 0, m.HELLO_SIZE)
        key = sha.HmacKey(sha.hkdf(self._salt(), self.key.secret, info, 32))
        return sha.tag(key, self.head + self.challenge, 0, HEADER + m.CHALLENGE_MAC)

    def _salt(self) -> bytes:
        ours = m.HELLO_NONCE
        theirs = m.CHALLENGE_NONCE
        return bytes(
            self.hello[ours : ours + m.NONCE_SIZE] + self.challenge[theirs : theirs + m.NONCE_SIZE]
        )


_SAID = HEADER + m.HELLO_SIZE + m.CHALLENGE_SIZE
