"""The object that goes out: offered, sent in chunks, sent again where lost, until committed.

Selective repeat over units of 16 bytes.  Each unit in flight remembers the
counter of the frame that carried it.  A SACK names what has arrived and the
newest counter seen; on a line that keeps order, an older frame that is not
among what has arrived is lost, and its units go out again at once.
"""

from array import array

from ..compat import const, ticks_diff
from ..errors import RangeError
from ..kernels import wire
from . import messages as m
from .fields import get16, get32, put16
from .offer import Offer, Source
from .pace import Pace

IDLE = 0
OFFERED = 1
SENDING = 2

_COMMIT_PATIENCE = const(2000)  # ms; a flash write may take that long


class OutgoingObject:
    """At most one object on its way out, with the memory of one window."""

    def __init__(self, window: int, in_order: bool) -> None:
        self.pace = Pace()
        self.state = IDLE
        self.sent_bytes = 0  # object bytes put on the line, repeats included
        self.lost_frames = 0
        self.timeouts = 0
        self._width = window // m.UNIT
        self._marks = array("H", bytes(2 * self._width))
        self._slack = 1 if in_order else 4  # datagrams may overtake each other a little
        self._offer = bytearray(m.OFFER_SIZE)
        self._source = Source()
        self._length = 0
        self._units = 0
        self._base = 0  # first unit not acknowledged
        self._next = 0  # first unit never sent
        self._scan = 0  # no open unit is below this one
        self._limit = 0  # the peer's credit ends before this unit
        self._since = 0  # when an answer was last heard or waited for
        self._newest_sent = 0  # the counter of the last DATA
        self._timed = 0  # the counter whose round trip is measured, 0: none
        self._timed_at = 0
        self._offer_due = False
        self._cancel_due = False

    def start(self, offer: Offer, source: Source) -> None:
        """Take an object on."""
        if self.state != IDLE:
            raise RangeError("one object goes out at a time; wait for COMMITTED or REFUSED")
        self._cancel_due = False
        offer.write(self._offer, (self._offer[m.OFFER_ID] + 1) & 0xFF)
        self._source = source
        self._length = offer.length
        self._units = (offer.length + m.UNIT - 1) // m.UNIT
        self.restart()

    def restart(self) -> None:
        """Offer the object again: a new session has begun."""
        self.state = OFFERED
        self._offer_due = True
        self._base = self._next = self._scan = self._limit = 0
        self._timed = 0

    def stop(self) -> None:
        """Let go of the object."""
        self.state = IDLE
        self._offer_due = False
        self._source = Source()

    def cancel(self) -> None:
        """Let go of the object, and tell the peer."""
        self._cancel_due = self.state != IDLE
        self.stop()

    def identifier(self) -> int:
        """Return the number that the frames of this object carry."""
        return self._offer[m.OFFER_ID]

    # -- towards the peer

    def due(self) -> int:
        """Return the type of the frame that wants to go out, or 0."""
        if self._offer_due:
            return m.OFFER
        if self._cancel_due:
            return m.CANCEL
        if self.state != SENDING:
            return 0
        end = self._end()
        self._scan = wire.marks_find(self._marks, self._width, self._scan, end, 1)
        return m.DATA if self._scan < end else 0

    def write_offer(self, buf: bytearray, at: int, now: int) -> int:
        """Write the OFFER; return its size."""
        self._offer_due = False
        self._since = now
        return wire.copy(self._offer, 0, m.OFFER_SIZE, buf, at) - at

    def write_cancel(self, buf: bytearray, at: int) -> int:
        """Write the CANCEL; return its size."""
        self._cancel_due = False
        buf[at] = self.identifier()
        return 1

    def write_data(self, buf: bytearray, at: int, counter: int, now: int) -> int:
        """Write the first open units, at most a chunk of them; return the payload's size."""
        unit = self._scan
        end = min(self._end(), unit + self.pace.chunk // m.UNIT)
        end = wire.marks_find(self._marks, self._width, unit, end, 0)
        wire.marks_set(self._marks, self._width, unit, end, 0x8000 | (counter & 0x7FFF))
        self._since = now  # as long as frames leave, a SACK of a later one tells of losses
        self._newest_sent = counter
        self._next = max(self._next, end)
        self._scan = end
        if self._timed == 0:
            self._timed = counter
            self._timed_at = now
        buf[at] = self.identifier()
        put16(buf, at + m.DATA_UNIT, unit)
        size = min(end * m.UNIT, self._length) - unit * m.UNIT
        self._source.read(unit * m.UNIT, buf, at + m.DATA_BYTES, size)
        self.sent_bytes += size
        return m.DATA_BYTES + size

    def leaving(self, now: int) -> None:
        """Start to wait only now: a frame is still on its way out, for long on a slow line."""
        self._since = now

    def wait(self, now: int) -> int:
        """Repeat what has waited too long; return the ms until that may happen again, or -1."""
        if self.state == IDLE or self._offer_due:
            return -1
        patience = self.pace.rto
        if self.state == SENDING:
            if self._base == self._units:
                patience = _COMMIT_PATIENCE
            elif self._in_flight() == 0 and self.due():
                return -1  # the line is what we wait for
        left = patience - ticks_diff(now, self._since)
        if left > 0:
            return left
        self._time_out(now)
        return self.pace.rto

    # -- from the peer

    def accepted(self, buf: bytearray, at: int, now: int) -> bool:
        """Take an ACCEPT: begin at its offset; when under way, it only renews the credit."""
        offset = get32(buf, at + m.ACCEPT_OFFSET)
        if offset < 0 or offset % m.UNIT or offset > self._length:
            return False
        limit = offset // m.UNIT + get16(buf, at + m.ACCEPT_WINDOW)
        if self.state == SENDING:
            self._limit = max(self._limit, limit)
        if self.state == OFFERED:
            self.state = SENDING
            self._base = self._next = self._scan = offset // m.UNIT
            self._limit = limit
            wire.marks_set(self._marks, self._width, 0, self._width, 0)
            self._offer_due = False
            self._heard(now)
        return True

    def acknowledged(self, buf: bytearray, at: int, end: int, now: int) -> bool:
        """Take a SACK; False if it speaks of what was never sent."""
        cumulative = get16(buf, at + m.SACK_CUMULATIVE) | (buf[at + m.SACK_CUMULATIVE + 2] << 16)
        newest = get32(buf, at + m.SACK_NEWEST)
        if self.state != SENDING or cumulative > self._next or newest < 0:
            return self.state == OFFERED  # an old one may arrive after a restart
        if cumulative < self._base:
            return True
        self._measure(newest, now)
        marks, width = self._marks, self._width
        wire.marks_set(marks, width, self._base, cumulative, 0)
        self.pace.arrived((cumulative - self._base) * m.UNIT)
        self._base = cumulative
        self._scan = max(self._scan, cumulative)
        credit = get16(buf, at + m.SACK_CREDIT)
        self._limit = max(self._limit, cumulative + (credit & ~m.SACK_CUT))
        wire.marks_acknowledge(marks, width, cumulative, self._next, buf, at + m.SACK_BITMAP, end)
        told = self._next
        if credit & m.SACK_CUT:
            told = min(told, cumulative + 8 * (end - at - m.SACK_BITMAP))
        self._expire(told, newest, self._slack)
        self.pace.fit()
        self._heard(now)
        return True

    def _expire(self, end: int, newest: int, slack: int) -> None:
        """Open the units before ``end`` again that left ``slack`` frames before ``newest``."""
        lost = wire.marks_expire(self._marks, self._width, self._base, end, newest, slack)
        if lost:
            self._scan = self._base
            self.lost_frames += lost
            self.pace.lost(lost)

    def _measure(self, newest: int, now: int) -> None:
        """Take the round trip of the frame timed, or of one after it: too long is safe."""
        if self._timed and newest >= self._timed:
            self.pace.sample(ticks_diff(now, self._timed_at))
            self._timed = 0

    def _heard(self, now: int) -> None:
        self._since = now
        self.pace.recover()

    def _end(self) -> int:
        """Return the unit before which credit, memory and the object's length end."""
        return min(self._limit, self._base + self._width, self._units)

    def _in_flight(self) -> int:
        return self._next - self._base

    def _time_out(self, now: int) -> None:
        self._since = now
        self._timed = 0
        self.timeouts += 1
        if self.state == SENDING and self._in_flight():
            # Far ahead of a gap much has arrived of which no SACK could tell.
            end = min(self._next, self._base + m.SACK_REACH)
            self._expire(end, self._newest_sent, 0)
        else:
            self._offer_due = True
        self.pace.back_off()
