"""One end of a link, without I/O: bytes and time go in, bytes and events come out.

    while True:
        at = 0
        while at < n:                                # n bytes arrived in `buf`
            at = session.feed(buf, at, n)
            while (event := session.next_event()):   # see sil.link.events
                ...
        wait = session.tick(now)                     # ms, 29 bits
        n = session.pull(out, room)                  # whenever the line has room
        if n == 0:
            sleep(wait)                              # or until bytes arrive

`Session` is what both ends have in common: posts and objects.  `sil.link.initiator`
and `sil.link.responder` begin it.  There is no clock, socket or source of randomness
in here, and once up it allocates nothing outside of `sil.link.sha`.
"""

from . import events as ev
from . import messages as m
from .channel import Channel
from .cipher import AesFactory
from .frame import HEADER
from .incoming import COMPLETE, IncomingObject
from .offer import Offer, Source
from .outgoing import OutgoingObject
from .posts import HEAD, Inbox, Outbox


class Session(Channel):
    """One end of a link to one peer; use `Initiator` or `Responder`."""

    def __init__(
        self,
        flags: int,
        outbox: Outbox,
        inbox: "Inbox | None" = None,
        window: int = 8192,
        in_order: bool = True,
        hide_etx: bool = False,
        max_raw: int = m.MAX_OBJECT,
        aes: "AesFactory | None" = None,
    ) -> None:
        super().__init__(flags, in_order, hide_etx, aes)
        self.outbox = outbox
        self.inbox = inbox or Inbox()
        self.outgoing = OutgoingObject(window, in_order)
        self.incoming = IncomingObject(window)
        self._max_raw = max_raw
        self._ack_due = False
        # for each type its handler and the least size of its payload
        self._handlers = {
            m.WELCOME: self._on_nothing,
            m.PING: self._on_ping,
            m.PONG: self._on_nothing,
            m.BYE: self._on_bye,
            m.POST: self._on_post,
            m.POST_ACK: self._on_post_ack,
            m.OFFER: self._on_offer,
            m.ACCEPT: self._on_accept,
            m.HAVE: self._on_stored,
            m.REFUSE: self._on_refuse,
            m.DATA: self._on_data,
            m.SACK: self._on_sack,
            m.COMMIT: self._on_stored,
            m.CANCEL: self._on_cancel,
        }
        self._least = {
            m.BYE: 1,
            m.POST: HEAD,
            m.POST_ACK: 3,
            m.OFFER: m.OFFER_SIZE,
            m.ACCEPT: m.ACCEPT_SIZE,
            m.HAVE: 1,
            m.REFUSE: 3,
            m.DATA: m.DATA_BYTES,
            m.SACK: m.SACK_BITMAP,
            m.COMMIT: 1,
            m.CANCEL: 1,
        }

    def next_event(self) -> int:
        """Return the next event (`sil.link.events`), or 0."""
        event = super().next_event()
        if event == ev.DATA:
            self.start = self.incoming.read_at()
            self.end = self.start + self.incoming.readable()
        return event

    def tick(self, now: int) -> int:
        """Let time pass; return within how many ms to call again at the latest."""
        self._now = now
        wait = self._tick_handshake()
        if self.is_up:
            wait = min(wait, self._heartbeat())
        if self.is_up:
            if not self.writer.is_idle():
                self.outgoing.leaving(now)
            wait = _sooner(wait, self.outgoing.wait(now))
            wait = _sooner(wait, self.outbox.wait(now, self.outgoing.pace.rto))
        return wait

    # -- what the application asks for

    def send(self, kind: int, buf: "bytes | bytearray", start: int, end: int) -> bool:
        """Post a small message; False when the outbox is full."""
        return self.outbox.put(kind, buf, start, end)

    def send_state(self, buf: "bytes | bytearray", at: int) -> bool:
        """Post a state of 16 bytes; False when the outbox is full."""
        return self.outbox.put_state(buf, at)

    def offer(self, offer: Offer, source: Source) -> None:
        """Send an object, now or as soon as the session is up."""
        self.outgoing.start(offer, source)

    def cancel(self) -> None:
        """Give the outgoing object up."""
        self.outgoing.cancel()

    def accept(self, offset: int) -> None:
        """Let the offered object come, from ``offset`` (a multiple of 16, already stored) on."""
        self.incoming.accept(offset)

    def have(self) -> None:
        """Say that the offered object is stored here already."""
        self.incoming.finish(m.HAVE)

    def refuse(self, code: int, retry: int = 0) -> None:
        """Say why the object is not wanted (E_ codes), and after how many seconds it may be."""
        self.incoming.refuse(code, retry)

    def consume(self, size: int) -> None:
        """Give ``size`` bytes of the window back."""
        self.incoming.consume(size)
        if self.incoming.state == COMPLETE:
            self._tell(ev.COMPLETE)
        elif self.incoming.readable():
            self._tell(ev.DATA)

    def commit(self) -> None:
        """Say that the object is stored durably."""
        self.incoming.finish(m.COMMIT)

    def close(self, code: int = 0) -> None:
        """Say goodbye; the session goes down when that has left."""
        self.code = code
        self._control |= 1 << m.BYE

    # -- beginning and end

    def _announce(self) -> None:
        """Tell that the peer has proved itself."""
        self.is_up = True
        self._ack_due = False
        self.incoming.cancelled()
        if self.outgoing.state:
            self.outgoing.restart()
        self._tell(ev.UP)

    # -- frames that come in

    def _on_signed(self, kind: int) -> None:
        handler = self._handlers.get(kind)
        size = self.reader.payload_end() - HEADER
        if handler is None or size < self._least.get(kind, 0) or not handler(size):
            self.malformed += 1

    def _on_nothing(self, size: int) -> bool:
        return True

    def _on_ping(self, size: int) -> bool:
        self._control |= 1 << m.PONG
        return True

    def _on_bye(self, size: int) -> bool:
        self._end(self.reader.buf[HEADER])
        return True

    def _on_post(self, size: int) -> bool:
        self._ack_due = True
        if self.inbox.accept(m.get16(self.reader.buf, HEADER)):
            self.kind = self.reader.buf[HEADER + 2]
            self._tell_span(ev.POST, HEADER + HEAD, HEADER + size)
        return True

    def _on_post_ack(self, size: int) -> bool:
        buf = self.reader.buf
        return self.outbox.acknowledged(m.get16(buf, HEADER), buf[HEADER + 2] != 0, self._now)

    def _on_offer(self, size: int) -> bool:
        if self.incoming.offered(self.reader.buf, HEADER, self._max_raw):
            self._tell(ev.OFFER)
        return True

    def _on_accept(self, size: int) -> bool:
        return not self._is_ours() or self.outgoing.accepted(self.reader.buf, HEADER, self._now)

    def _on_sack(self, size: int) -> bool:
        end = HEADER + size
        buf = self.reader.buf
        return not self._is_ours() or self.outgoing.acknowledged(buf, HEADER, end, self._now)

    def _on_stored(self, size: int) -> bool:
        if self._is_ours():
            self.outgoing.stop()
            self._tell(ev.COMMITTED)
        return True

    def _on_refuse(self, size: int) -> bool:
        if self._is_ours():
            self.code = self.reader.buf[HEADER + 1]
            self.retry = self.reader.buf[HEADER + 2]
            self.outgoing.stop()
            self._tell(ev.REFUSED)
        return True

    def _on_data(self, size: int) -> bool:
        self.incoming.arrived(self.reader.buf, HEADER, HEADER + size)
        if self.incoming.readable():
            self._tell(ev.DATA)
        return True

    def _on_cancel(self, size: int) -> bool:
        if self.incoming.state and self.incoming.offer[0] == self.reader.buf[HEADER]:
            self.incoming.cancelled()
            self._tell(ev.CANCELLED)
        return True

    def _is_ours(self) -> bool:
        """Tell whether the frame at hand speaks of the object that is on its way out."""
        return self.outgoing.state != 0 and self.reader.buf[HEADER] == self.outgoing.identifier()

    # -- frames that go out

    def _compose(self) -> bool:
        """Build the next frame, the most urgent first; False when there is nothing to say."""
        if self._compose_handshake():
            return True
        if not self.is_up:
            return False
        buf = self.writer.buf
        if self._control:
            self._compose_control()
        elif self.incoming.reply:
            kind = self.incoming.reply
            self._send(kind, self.incoming.write_reply(buf, HEADER, self._replay.newest))
        elif self._ack_due:
            self._ack_due = False
            m.put16(buf, HEADER, self.inbox.expected)
            buf[HEADER + 2] = 1 if self.inbox.has_gap else 0
            self._send(m.POST_ACK, 3)
        elif self.outbox.has_unsent():
            self._send(m.POST, self.outbox.write_next(buf, HEADER, self._now))
        else:
            return self._compose_object()
        return True

    def _compose_object(self) -> bool:
        kind = self.outgoing.due()
        buf = self.writer.buf
        if kind == m.OFFER:
            self._send(kind, self.outgoing.write_offer(buf, HEADER, self._now))
        elif kind == m.CANCEL:
            self._send(kind, self.outgoing.write_cancel(buf, HEADER))
        elif kind == m.DATA:
            counter = self._counter + 1
            self._send(kind, self.outgoing.write_data(buf, HEADER, counter, self._now))
        return kind != 0

    # -- how the two ends begin

    def _compose_handshake(self) -> bool:
        """Build the next frame of the handshake; False when there is none."""
        raise NotImplementedError

    def _tick_handshake(self) -> int:
        """Let time pass for the handshake."""
        raise NotImplementedError


def _sooner(wait: int, other: int) -> int:
    return min(wait, other) if other >= 0 else wait
