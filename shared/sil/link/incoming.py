"""The object that comes in: put in order in a window, handed out, committed when durable.

Chunks may arrive in any order within the window; the application reads them in
order and so can write a file from its front to its end.  What it has not
consumed yet is not offered as credit, so a slow flash slows the sender down.
"""

from ..kernels import wire
from . import messages as m
from .fields import get16, get32, put16, put32

IDLE = 0
OFFERED = 1  # the application has to decide
RECEIVING = 2
COMPLETE = 3  # all consumed, not durable yet
DONE = 4  # committed, or had before
REFUSED = 5


class IncomingObject:
    """At most one object on its way in."""

    def __init__(self, window: int) -> None:
        self.window = bytearray(window)
        self.state = IDLE
        self.offer = bytearray(m.OFFER_SIZE)
        self.length = 0
        self.reply = 0  # the type of the frame that is due, or 0
        self.duplicates = 0  # chunks that had arrived before
        self.strays = 0  # chunks outside of the object or of the credit
        self._code = 0
        self._retry = 0
        self._width = window // m.UNIT
        self._flags = bytearray(self._width)  # which units beyond the cumulative one are here
        self._consumed = 0  # bytes
        self._cumulative = 0  # units in order
        self._told = -1  # the cumulative unit of the last SACK
        self._highest = 0  # no unit from here on has come

    # -- what the offer says

    def kind(self) -> int:
        """Return the application's kind of object."""
        return self.offer[m.OFFER_KIND]

    def codec(self) -> int:
        """Return how the object is coded."""
        return self.offer[m.OFFER_CODEC]

    def raw_length(self) -> int:
        """Return the length that the object claims to have once decoded."""
        return get32(self.offer, m.OFFER_RAW)

    def digest(self) -> bytes:
        """Return the SHA-256 of the object."""
        return bytes(self.offer[m.OFFER_HASH : m.OFFER_HASH + 32])

    def base(self) -> bytes:
        """Return the head of the hash of what the object is a difference to."""
        return bytes(self.offer[m.OFFER_BASE : m.OFFER_BASE + 8])

    def consumed(self) -> int:
        """Return how many bytes of the object were consumed."""
        return self._consumed

    # -- from the peer

    def offered(self, buf: bytearray, at: int, max_raw: int) -> bool:
        """Take an OFFER; True if the application has to decide on it."""
        if self.state != IDLE and self._is_known(buf, at):
            self._answer_again()
            return False
        wire.copy(buf, at, at + m.OFFER_SIZE, self.offer, 0)
        self.length = get32(self.offer, m.OFFER_LENGTH)
        self.state = OFFERED
        self.reply = 0
        self._consumed = 0
        if not 0 < self.length <= m.MAX_OBJECT or not 0 <= self.raw_length() <= max_raw:
            self.refuse(m.E_SIZE, 0)
            return False
        return True

    def arrived(self, buf: bytearray, at: int, end: int) -> None:
        """Take a DATA payload into the window."""
        if buf[at] != self.offer[m.OFFER_ID]:
            self.strays += 1
            return
        if self.state != RECEIVING:
            self._answer_again()
            return
        unit = get16(buf, at + m.DATA_UNIT)
        size = end - at - m.DATA_BYTES
        stop = unit + (size + m.UNIT - 1) // m.UNIT
        offset = unit * m.UNIT
        whole = size % m.UNIT == 0 or offset + size == self.length
        first = self._consumed // m.UNIT
        if size <= 0 or offset + size > self.length or not whole or stop > first + self._width:
            self.strays += 1
            return
        self.reply = m.SACK
        if stop <= self._cumulative:
            self.duplicates += 1
            return
        if unit < self._cumulative:  # its beginning is here already, and may be consumed
            at += (self._cumulative - unit) * m.UNIT
            unit = self._cumulative
        self._store(buf, at + m.DATA_BYTES, end, unit)
        wire.flags_set(self._flags, self._width, unit, stop)
        self._highest = max(self._highest, stop)
        self._cumulative = wire.flags_advance(
            self._flags, self._width, self._cumulative, self._highest
        )

    def cancelled(self) -> None:
        """Forget the object: its sender gave it up."""
        self.state = IDLE
        self.reply = 0

    # -- the application's answers

    def accept(self, offset: int) -> None:
        """Begin at ``offset``, a multiple of 16 that is already stored."""
        self.state = RECEIVING
        self.reply = m.ACCEPT
        self._consumed = offset
        self._cumulative = self._highest = offset // m.UNIT
        for i in range(self._width):
            self._flags[i] = 0

    def finish(self, reply: int) -> None:
        """Answer COMMIT or HAVE."""
        self.state = DONE
        self.reply = reply
        self._code = reply

    def refuse(self, code: int, retry: int) -> None:
        """Answer REFUSE."""
        self.state = REFUSED
        self.reply = m.REFUSE
        self._code = code
        self._retry = retry

    def readable(self) -> int:
        """Return how many bytes lie ready in one piece at `read_at`."""
        if self.state != RECEIVING:
            return 0
        ready = min(self._cumulative * m.UNIT, self.length) - self._consumed
        return min(ready, len(self.window) - self.read_at())

    def read_at(self) -> int:
        """Return where in the window the next bytes lie."""
        return self._consumed % len(self.window)

    def consume(self, size: int) -> None:
        """Give the window's first ``size`` bytes free."""
        before = self._credit()
        self._consumed += size
        if self._consumed == self.length:
            self.state = COMPLETE
        if before * 2 < self._width:  # the sender may stand still for want of credit
            self.reply = self.reply or m.SACK

    # -- towards the peer

    def write_reply(self, buf: bytearray, at: int, newest: int) -> int:
        """Write the payload of the frame that `reply` names; return its size."""
        kind = self.reply
        self.reply = 0
        buf[at] = self.offer[m.OFFER_ID]
        if kind == m.SACK:
            return self._write_sack(buf, at, newest)
        if kind == m.ACCEPT:
            buf[at + 1] = 0
            put16(buf, at + m.ACCEPT_WINDOW, self._credit())
            put32(buf, at + m.ACCEPT_OFFSET, self._cumulative * m.UNIT)
            return m.ACCEPT_SIZE
        if kind == m.REFUSE:
            buf[at + 1] = self._code
            buf[at + 2] = self._retry
            return 3
        return 1

    def _write_sack(self, buf: bytearray, at: int, newest: int) -> int:
        put16(buf, at + m.SACK_CUMULATIVE, self._cumulative & 0xFFFF)
        buf[at + m.SACK_CUMULATIVE + 2] = self._cumulative >> 16
        put32(buf, at + m.SACK_NEWEST, newest)
        end = self._highest
        if self._cumulative == self._told:  # at a gap: be short, and so get across a bad line
            end = min(end, self._cumulative + m.SACK_REACH)
        elif end > self._cumulative + m.SACK_LONG:
            self.reply = m.SACK  # such a long one seldom does: let a short one follow
        self._told = self._cumulative
        cut = m.SACK_CUT if end < self._highest else 0
        put16(buf, at + m.SACK_CREDIT, self._credit() | cut)
        bits = at + m.SACK_BITMAP
        return wire.flags_pack(self._flags, self._width, self._cumulative, end, buf, bits) - at

    def _credit(self) -> int:
        return self._consumed // m.UNIT + self._width - self._cumulative

    def _store(self, buf: bytearray, at: int, end: int, unit: int) -> None:
        start = unit * m.UNIT % len(self.window)
        first = min(end - at, len(self.window) - start)
        wire.copy(buf, at, at + first, self.window, start)
        wire.copy(buf, at + first, end, self.window, 0)

    def _is_known(self, buf: bytearray, at: int) -> bool:
        for i in range(m.OFFER_SIZE):
            if buf[at + i] != self.offer[i]:
                return False
        return True

    def _answer_again(self) -> None:
        if self.state == RECEIVING:
            self.reply = m.ACCEPT
        elif self.state == COMPLETE:
            self.reply = m.SACK
        elif self.state == DONE:
            self.reply = self._code
        elif self.state == REFUSED:
            self.reply = m.REFUSE
