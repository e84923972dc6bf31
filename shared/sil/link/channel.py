"""Signed frames in both directions, and whether the peer is alive.

`Channel` owns what every frame needs: the reader and the writer, the session's
keys, the counters and the replay window, the queue of events and the heartbeat.
What the frames are about is `sil.link.session`; how keys are agreed on is
`sil.link.initiator` and `sil.link.responder`.
"""

from ..compat import const, ticks_diff
from . import events as ev
from . import frame as fr
from . import messages as m
from .aes import AesFactory
from .cipher import CtrCipher
from .fields import get16, get32
from .frame import HEADER, FrameReader, FrameWriter
from .handshake import TrafficKeys
from .replay import ReplayWindow

_PING_AFTER = const(20000)
_DEAD_AFTER = const(90000)
_PROBE = const(3000)  # how long a peer that seems to have forgotten us may stay silent
_QUEUE = const(4)


class Channel:
    """One end of a line to one peer: frames in, frames out, and events."""

    def __init__(
        self, flags: int, in_order: bool, hide_etx: bool, aes: "AesFactory | None"
    ) -> None:
        self.reader = FrameReader()
        self.writer = FrameWriter(flags, hide_etx)
        self.is_up = False
        self.buf = self.reader.buf  # details of an event
        self.start = self.end = self.kind = self.code = self.retry = 0
        self.heard = 0  # whole frames of a peer that came in, signed or not
        self.forged = 0  # frames that the key did not sign
        self.replayed = 0  # frames whose counter was used before
        self.reflected = 0  # our own frames, sent back to us
        self.malformed = 0  # signed frames that make no sense: a peer of another mind
        self._now = 0
        self._aes = aes
        self._in_order = in_order
        self._peer_flag = flags ^ fr.FROM_RESPONDER
        self._events = bytearray(_QUEUE)
        self._queued = 0
        self._replay = ReplayWindow(in_order)
        self._keys = None  # type: TrafficKeys | None
        self._tx_cipher = None  # type: CtrCipher | None
        self._rx_cipher = None  # type: CtrCipher | None
        self._session = 0
        self._counter = 0
        self._control = 0  # a bit (1 << type) for each of WELCOME, PING, PONG, BYE that is due
        self._heard_at = 0  # when the last signed frame came
        self._dead_after = _DEAD_AFTER
        self._pinged = False

    # -- bytes

    def feed(self, buf: "bytes | bytearray | memoryview", start: int, end: int) -> int:
        """Take bytes in up to the first event; return where it stopped. Drain the events then."""
        while start < end and self._queued == 0:
            start = self.reader.feed(buf, start, end)
            if self.reader.found == fr.FRAME:
                self._on_frame()
            elif self.reader.found == fr.TEXT:
                self._tell_span(ev.TEXT, 0, self.reader.end)
        return start

    def next_event(self) -> int:
        """Return the next event (`sil.link.events`), or 0."""
        if self._queued == 0:
            return ev.NONE
        event = self._events[0]
        self._queued -= 1
        for i in range(self._queued):
            self._events[i] = self._events[i + 1]
        return event

    def pull(self, out: bytearray, limit: int) -> int:
        """Write what is to be sent next to ``out[:limit]``; return how much.

        On datagrams a call gives one frame: let ``limit`` be `sil.link.frame.MAX_ENCODED`.
        """
        at = 0
        while at < limit:
            if self.writer.is_idle() and not self._compose():
                break
            at = self.writer.pull(out, at, limit)
            if not self._in_order:
                break
        return at

    # -- life

    def _begin(self, keys: TrafficKeys, session: int, capabilities: int) -> None:
        """Use these keys from now on."""
        self._keys = keys
        self._tx_cipher = self._rx_cipher = None
        if capabilities & m.CAP_ENCRYPT and self._aes:
            self._tx_cipher = CtrCipher(self._aes, keys.tx_cipher)
            self._rx_cipher = CtrCipher(self._aes, keys.rx_cipher)
        self._session = session
        self._counter = 0
        self._replay.reset()
        self._control = 0
        self._alive()

    def _end(self, code: int) -> None:
        """Forget the keys; tell the application if it knew of the session."""
        self._keys = None
        self.writer.drop()
        if self.is_up:
            self.is_up = False
            self.code = code
            self._tell(ev.DOWN)

    def _heartbeat(self) -> int:
        """Ping a silent peer, and end the session with a dead one; return the ms until then."""
        silent = ticks_diff(self._now, self._heard_at)
        if silent >= self._dead_after or self._counter >= m.COUNTER_END - 1:
            self._end(0)
            return 0
        if silent < _PING_AFTER:
            return _PING_AFTER - silent
        if not self._pinged:
            self._pinged = True
            self._control |= 1 << m.PING
        return self._dead_after - silent

    def _alive(self) -> None:
        self._heard_at = self._now
        self._dead_after = _DEAD_AFTER
        self._pinged = False

    def _suspect(self) -> None:
        """Something unsigned says that the peer has forgotten us: ask, and wait less long."""
        if self._dead_after == _DEAD_AFTER:
            silent = ticks_diff(self._now, self._heard_at)
            self._dead_after = min(silent + _PROBE, _DEAD_AFTER - 1)
            self._control |= 1 << m.PING

    def _tell(self, event: int) -> None:
        if self._queued < _QUEUE:
            self._events[self._queued] = event
            self._queued += 1

    def _tell_span(self, event: int, start: int, end: int) -> None:
        self.start = start
        self.end = end
        self._tell(event)

    # -- frames that come in

    def _on_frame(self) -> None:
        buf = self.reader.buf
        if buf[0] >> 4 != m.VERSION or buf[0] & 1:
            self.malformed += 1
        elif buf[0] & fr.FROM_RESPONDER != self._peer_flag:
            self.reflected += 1
        elif not buf[0] & fr.AUTHENTICATED:
            self.heard = (self.heard + 1) & 0xFFFF
            self._on_unsigned(buf[1])
        elif self._keys is not None and get16(buf, 2) == self._session:
            if self._admit(self._keys):
                self._on_signed(buf[1])
        else:
            self._on_stranger()

    def _admit(self, keys: TrafficKeys) -> bool:
        """Check counter and MAC of the frame at hand, and decrypt it."""
        buf = self.reader.buf
        counter = get32(buf, 4)
        if not self._replay.is_fresh(counter):
            self.replayed += 1
            return False
        encrypted = self._rx_cipher is not None
        if (buf[0] & fr.ENCRYPTED != 0) != encrypted or not self.reader.is_authentic(keys.rx):
            self.forged += 1
            self._tell(ev.ALARM)
            return False
        self._replay.accept(counter)
        self.heard = (self.heard + 1) & 0xFFFF
        if self._rx_cipher is not None:
            self._rx_cipher.apply(buf, HEADER, self.reader.payload_end())
        self._alive()
        return True

    # -- frames that go out

    def _compose_control(self) -> None:
        """Send the first of the short frames that are due."""
        kind = m.WELCOME
        while not self._control & (1 << kind):
            kind += 1
        self._control &= ~(1 << kind)
        if kind == m.BYE:
            self.writer.buf[HEADER] = self.code
            self._send(kind, 1)
            self._keys = None  # not `_end`, which would drop the frame
            self.is_up = False
            self._tell(ev.DOWN)
        else:
            self._send(kind, 0)

    def _send(self, kind: int, size: int) -> None:
        """Number, encrypt, sign and encode the frame whose payload is in the writer's buffer."""
        if self._keys is None:
            return
        self._counter += 1
        end = HEADER + size
        flags = fr.AUTHENTICATED | (fr.ENCRYPTED if self._tx_cipher else 0)
        self.writer.head(flags, kind, self._session, self._counter)
        if self._tx_cipher is not None:
            self._tx_cipher.apply(self.writer.buf, HEADER, end)
        self.writer.encode(self.writer.sign(self._keys.tx, end))

    # -- what the layers above do

    def _on_unsigned(self, kind: int) -> None:
        """Take a frame outside of any session."""
        raise NotImplementedError

    def _on_stranger(self) -> None:
        """Take a signed frame of a session that is not this one."""
        raise NotImplementedError

    def _on_signed(self, kind: int) -> None:
        """Take a frame of this session."""
        raise NotImplementedError

    def _compose(self) -> bool:
        """Build the next frame, the most urgent first; False when there is nothing to say."""
        raise NotImplementedError
