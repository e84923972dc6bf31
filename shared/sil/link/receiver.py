"""What each kind of signed frame does when it comes in."""

from . import events as ev
from . import messages as m
from .aes import AesFactory
from .channel import Channel
from .fields import get16
from .frame import HEADER
from .incoming import IncomingObject
from .outgoing import OutgoingObject
from .posts import HEAD, Inbox, Outbox


class Receiver(Channel):
    """A channel whose frames fill an inbox, acknowledge an outbox and move objects on."""

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
        if self.inbox.accept(get16(self.reader.buf, HEADER)):
            self.kind = self.reader.buf[HEADER + 2]
            self._tell_span(ev.POST, HEADER + HEAD, HEADER + size)
        return True

    def _on_post_ack(self, size: int) -> bool:
        buf = self.reader.buf
        return self.outbox.acknowledged(get16(buf, HEADER), buf[HEADER + 2] != 0, self._now)

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
