"""The end that is called: the hub, or a peer that lets others join.

`next_event` answers HELLO when somebody calls; the application looks up the key
of `caller()` and answers with `challenge`, or with `turn_away`.  A session that
is up stays up until the caller has proved itself: a recorded HELLO ends nothing.
"""

from ..compat import const, ticks_diff
from ..kernels import wire
from . import events as ev
from . import messages as m
from . import posts
from .aes import AesFactory
from .answer import Answer, hello_error
from .fields import get16, get32
from .frame import FROM_RESPONDER, HEADER
from .handshake import TrafficKeys
from .keys import DeviceKey
from .posts import Inbox, Outbox
from .session import Session

_IDLE = const(60000)
_PENDING = const(3000)  # ms for which a handshake under way is not replaced by an older HELLO
_COMPLAIN = const(1000)  # ms between two unsigned ERRORs


class Responder(Session):
    """The called end of a link."""

    def __init__(
        self,
        outbox: Outbox,
        inbox: "Inbox | None" = None,
        window: int = 8192,
        in_order: bool = True,
        hide_etx: bool = False,
        max_raw: int = m.MAX_OBJECT,
        aes: "AesFactory | None" = None,
    ) -> None:
        super().__init__(FROM_RESPONDER, outbox, inbox, window, in_order, hide_etx, max_raw, aes)
        self.device = b""  # whose session is up
        self.epoch = 0  # of the key it proved
        self._pending = None  # type: Answer | None
        self._pending_keys = None  # type: TrafficKeys | None
        self._pending_at = 0
        self._challenge_due = False
        self._error = 0
        self._error_at = -_COMPLAIN

    @property
    def now(self) -> int:
        """The time of the last `tick`."""
        return self._now

    def caller(self) -> bytes:
        """Return the device that says HELLO; it has proved nothing yet."""
        at = HEADER + m.HELLO_DEVICE
        return bytes(self.reader.buf[at : at + m.DEVICE_SIZE])

    def caller_epoch(self) -> int:
        """Return the generation of the key that it says it has."""
        return get16(self.reader.buf, HEADER + m.HELLO_EPOCH)

    def challenge(self, key: DeviceKey, nonce: bytes) -> bool:
        """Answer the HELLO at hand if ``key`` signed it; False if it did not.

        ``nonce`` is 16 random bytes that were never used before.
        """
        shake = Answer(key)
        if not shake.accept_hello(self.reader.buf, self.reader.end):
            self.forged += 1
            return False
        if not self._is_stale(shake):
            posts.write_record(shake.challenge, m.CHALLENGE_POSTS, self.outbox, self.inbox)
            shake.write_challenge(self._new_number(nonce), nonce, m.CAP_ENCRYPT if self._aes else 0)
            self._pending = shake
            self._pending_keys = shake.traffic_keys(False)
            self._pending_at = self._now
            self._challenge_due = True
        return True

    def turn_away(self, code: int) -> None:
        """Answer the HELLO at hand with an ERROR, at most one a second."""
        if ticks_diff(self._now, self._error_at) >= _COMPLAIN:
            self._error_at = self._now
            self._error = code

    def is_pending(self) -> bool:
        """Tell whether somebody with the right key is about to prove itself."""
        return self._pending is not None

    def _new_number(self, nonce: bytes) -> int:
        """Return a session's number, unlike the last one's: late frames shall not look forged."""
        number = (nonce[0] | (nonce[1] << 8)) or 1
        return number if number != self._session else number % 65535 + 1

    def _is_stale(self, shake: Answer) -> bool:
        """Tell whether the HELLO is older than that of the handshake under way (a replay)."""
        pending = self._pending
        if pending is None or ticks_diff(self._now, self._pending_at) >= _PENDING:
            return False
        new, old = shake.hello, pending.hello
        boot = get32(new, m.HELLO_BOOT) - get32(old, m.HELLO_BOOT)
        return (boot or get16(new, m.HELLO_ATTEMPT) - get16(old, m.HELLO_ATTEMPT)) <= 0

    def _tick_handshake(self) -> int:
        return _IDLE

    def _compose_handshake(self) -> bool:
        pending = self._pending
        buf = self.writer.buf
        if self._error:
            buf[HEADER] = self._error
            buf[HEADER + 1] = 0
            self._error = 0
            self.writer.seal(m.ERROR, 2)
            return True
        if not self._challenge_due or pending is None:
            return False
        self._challenge_due = False
        wire.copy(pending.challenge, 0, m.CHALLENGE_SIZE, buf, HEADER)
        self.writer.head(0, m.CHALLENGE, pending.session(), 0)
        self.writer.encode(HEADER + m.CHALLENGE_SIZE)
        return True

    def _on_unsigned(self, kind: int) -> None:
        if kind != m.HELLO:
            return
        error = hello_error(self.reader.buf, self.reader.end)
        if error:
            self.turn_away(error)
        elif self._is_repeated():
            self._challenge_due = True
        else:
            self._tell(ev.HELLO)

    def _is_repeated(self) -> bool:
        if self._pending is None:
            return False
        for i in range(m.HELLO_SIZE):
            if self.reader.buf[HEADER + i] != self._pending.hello[i]:
                return False
        return True

    def _on_stranger(self) -> None:
        """Take a frame of another session: the PROOF of the handshake under way, or a ghost's."""
        buf = self.reader.buf
        shake, keys = self._pending, self._pending_keys
        if shake is None or keys is None or get16(buf, 2) != shake.session():
            self.turn_away(m.E_STATE)
            return
        if buf[1] != m.PROOF or not self._begin_proved(shake, keys):
            return
        self._pending = self._pending_keys = None
        has_moved = self._has_moved(shake)
        posts.read_record(shake.hello, m.HELLO_POSTS, self.outbox, self.inbox)
        self.device = bytes(shake.hello[m.HELLO_DEVICE : m.HELLO_DEVICE + m.DEVICE_SIZE])
        self.epoch = shake.key.epoch
        self._announce()
        self._control |= 1 << m.WELCOME
        if has_moved:
            self.close(m.E_STATE)  # the next CHALLENGE will tell where the posts stand

    def _has_moved(self, shake: Answer) -> bool:
        """Tell whether the caller will wait for a post that is gone.

        It forgot our stream and was told in the CHALLENGE where to begin; since then a
        late frame of the session before has acknowledged more.
        """
        known = get32(shake.hello, m.HELLO_POSTS + m.POSTS_PEER_STREAM)
        base = get16(shake.challenge, m.CHALLENGE_POSTS + m.POSTS_BASE)
        return known != self.outbox.stream and base != self.outbox.base

    def _begin_proved(self, shake: Answer, keys: TrafficKeys) -> bool:
        """Replace the session if the frame at hand proves the caller."""
        if not self.reader.is_authentic(keys.rx):
            self.forged += 1
            self._tell(ev.ALARM)
            return False
        self._end(0)
        self._begin(keys, shake.session(), shake.capabilities())
        return self._admit(keys)

    def _on_signed(self, kind: int) -> None:
        if kind == m.PROOF:  # our WELCOME was lost
            self._control |= 1 << m.WELCOME
        else:
            super()._on_signed(kind)
