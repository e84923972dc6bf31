"""The end that calls: a board, or whoever joins.

`next_event` answers CONNECT when it is time to call; the application then gives
the key and a fresh nonce.  Without an answer it calls again after 1 to 60 s.
"""

from ..compat import const, ticks_diff
from ..kernels import wire
from . import events as ev
from . import messages as m
from . import posts
from .aes import AesFactory
from .frame import HEADER
from .handshake import Handshake, Identity
from .keys import DeviceKey
from .posts import Inbox, Outbox
from .session import Session

_WAITING = const(0)  # until it is time to call
_ASKED = const(1)  # the application shall call `connect`
_CALLING = const(2)  # HELLO was sent
_PROVING = const(3)  # PROOF was sent
_UP = const(4)

_REPEAT_FIRST = const(300)  # ms
_REPEAT_LAST = const(4000)
_REPEATS = const(7)  # 15 s of calling
_PAUSE_FIRST = const(1000)
_PAUSE_LAST = const(60000)


class Initiator(Session):
    """The calling end of a link."""

    def __init__(
        self,
        identity: Identity,
        outbox: Outbox,
        inbox: "Inbox | None" = None,
        window: int = 8192,
        in_order: bool = True,
        max_raw: int = m.MAX_OBJECT,
        aes: "AesFactory | None" = None,
    ) -> None:
        super().__init__(0, outbox, inbox, window, in_order, False, max_raw, aes)
        self.identity = identity
        self._handshake = None  # type: Handshake | None
        self._step = _WAITING
        self._due = False  # the step's frame is to be sent
        self._since = 0
        self._repeat = _REPEAT_FIRST
        self._repeats = 0
        self._pause = 0  # call at once the first time
        self._next_pause = _PAUSE_FIRST

    def connect(self, key: DeviceKey, nonce: bytes) -> None:
        """Call, with 16 random bytes that were never used before."""
        shake = Handshake(key)
        posts.write_record(shake.hello, m.HELLO_POSTS, self.outbox, self.inbox)
        shake.write_hello(self.identity, nonce, m.CAP_ENCRYPT if self._aes else 0)
        self._handshake = shake
        # Boards that lost the same hub at the same moment shall not return at the same moment.
        self._pause = self._next_pause + self._next_pause * nonce[0] // 512
        self._next_pause = min(2 * self._next_pause, _PAUSE_LAST)
        self._enter(_CALLING)

    def lost(self) -> None:
        """End the session, if any, because its line is gone; call again on the next one."""
        self._give_up(_PAUSE_FIRST // 4)

    def _enter(self, step: int) -> None:
        self._step = step
        self._due = True
        self._since = self._now
        self._repeat = _REPEAT_FIRST
        self._repeats = 0

    def _tick_handshake(self) -> int:
        if self._step == _UP:
            if self.is_up:
                return _PAUSE_LAST
            self._give_up(_PAUSE_FIRST // 4)
        left = self._patience() - ticks_diff(self._now, self._since)
        if self._step == _ASKED or left > 0:
            return max(left, 1)
        if self._step == _WAITING:
            self._step = _ASKED
            self._tell(ev.CONNECT)
        elif self._repeats == _REPEATS:
            self._give_up(self._pause)
        else:
            self._repeats += 1
            self._repeat = min(2 * self._repeat, _REPEAT_LAST)
            self._since = self._now
            self._due = True
        return _REPEAT_FIRST

    def _patience(self) -> int:
        return self._pause if self._step == _WAITING else self._repeat

    def _give_up(self, pause: int) -> None:
        self._end(0)
        self._step = _WAITING
        self._due = False
        self._pause = pause
        self._since = self._now

    def _compose_handshake(self) -> bool:
        shake = self._handshake
        if not self._due or shake is None:
            return False
        self._due = False
        buf = self.writer.buf
        if self._step == _CALLING:
            wire.copy(shake.hello, 0, m.HELLO_SIZE, buf, HEADER)
            self.writer.seal(m.HELLO, m.HELLO_SIZE)
            return True
        if self._step == _PROVING:
            self._send(m.PROOF, 0)
            return True
        return False

    def _on_unsigned(self, kind: int) -> None:
        shake = self._handshake
        buf = self.reader.buf
        end = self.reader.end
        if kind == m.ERROR and end == HEADER + 2:
            self.code = buf[HEADER]
            self._tell(ev.ERROR)
            if self.is_up and self.code == m.E_STATE:
                self._suspect()
        elif shake is None or self._step != _CALLING:
            return
        elif kind == m.COOKIE and end == HEADER + m.COOKIE_SIZE:
            self._take_cookie(shake)
        elif kind == m.CHALLENGE:
            if shake.accept_challenge(buf, end):
                self._begin(shake.traffic_keys(True), shake.session(), shake.capabilities())
                self._enter(_PROVING)
            else:
                self.forged += 1

    def _take_cookie(self, shake: Handshake) -> None:
        """Call again with the cookie, which shows that we receive at our address."""
        if not _has_cookie(shake.hello, self.reader.buf):
            wire.copy(self.reader.buf, HEADER, self.reader.end, shake.hello, m.HELLO_COOKIE)
            shake.sign_hello(self.identity)
            self._due = True

    def _on_signed(self, kind: int) -> None:
        shake = self._handshake
        if self._step == _PROVING and shake is not None:
            self._step = _UP
            self._due = False
            self._next_pause = _PAUSE_FIRST
            posts.read_record(shake.challenge, m.CHALLENGE_POSTS, self.outbox, self.inbox)
            self._handshake = None
            self._announce()
        super()._on_signed(kind)

    def _on_stranger(self) -> None:
        self.replayed += 1


def _has_cookie(hello: bytearray, frame: bytearray) -> bool:
    for i in range(m.COOKIE_SIZE):
        if hello[m.HELLO_COOKIE + i] != frame[HEADER + i]:
            return False
    return True
