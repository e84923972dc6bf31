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

`Session` is what both ends have in common: posts and objects, of which
`sil.link.receiver` holds what arrives.  `sil.link.initiator`
and `sil.link.responder` begin it.  There is no clock, socket or source of randomness
in here, and once up it allocates nothing outside of `sil.link.sha`.
"""

from . import events as ev
from . import messages as m
from .fields import put16
from .frame import HEADER
from .incoming import COMPLETE
from .offer import Offer, Source
from .receiver import Receiver


class Session(Receiver):
    """One end of a link to one peer; use `Initiator` or `Responder`."""

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
            put16(buf, HEADER, self.inbox.expected)
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
