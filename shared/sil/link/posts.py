"""Posts: small messages, delivered once and in order, across sessions as well.

A sender's posts form a stream with a number for each.  `Outbox` keeps a post
until the peer has acknowledged it; a new session goes on where the peer says it
stands.  `Inbox` remembers the peer's stream and the number it expects next, so a
post that was delivered just before the line broke is not delivered again.
States (16 bytes) are the commonest post: those that wait share a frame.
"""

from ..compat import const, ticks_diff
from ..errors import RangeError
from ..kernels import wire
from . import messages as m
from .fields import get16, get32, put16, put32

_ENTRY = const(3)  # u16 size, u8 kind
_SIZE = const(2048)
_MAX_SILENCES = const(4)  # 16 times the patience
HEAD = 3  # of a POST's payload: u16 number, u8 kind


class Outbox:
    """Posts that the peer has not acknowledged, in a ring of 2 KiB."""

    def __init__(self, stream: int, size: int = _SIZE) -> None:
        self.stream = stream  # a random number below 2**29, not 0, drawn when the outbox is made
        self.base = 0  # the oldest post's number
        self.next = 0  # the number that the next post will get
        self.sent = 0  # the number that goes out next
        self._highest = 0  # the number that has never gone out yet
        self._ring = bytearray(size)
        self._head = 0  # where the oldest entry begins
        self._used = 0
        self._since = 0  # when an acknowledgement was last heard or waited for
        self._silences = 0  # how often in a row it was overdue
        self._gap = -1  # the number for which everything was sent again
        self._cursor = 0  # where the entry `sent` begins, counted from the head
        self._last = 0  # where the newest entry begins, counted from the head

    def waiting(self) -> int:
        """Return how many posts the peer has not acknowledged."""
        return (self.next - self.base) & 0xFFFF

    def has_unsent(self) -> bool:
        """Tell whether a post waits for its turn on the line."""
        return self.sent != self.next

    def put(self, kind: int, buf: "bytes | bytearray", start: int, end: int) -> bool:
        """Queue ``buf[start:end]``; False when the outbox is full: ask again later."""
        size = end - start
        if size > m.MAX_POST:
            raise RangeError("a post is at most 1008 bytes; send an object instead")
        if self._used + _ENTRY + size > len(self._ring):
            return False
        self._last = self._used
        self._set(self._used, size & 0xFF)
        self._set(self._used + 1, size >> 8)
        self._set(self._used + 2, kind)
        self._used += _ENTRY
        self._append(buf, start, end)
        self.next = (self.next + 1) & 0xFFFF
        return True

    def put_state(self, buf: "bytes | bytearray", at: int) -> bool:
        """Queue the state at ``buf[at:at + 16]``, in the last post if that has not left yet."""
        if self._highest != self.next and self._get(self._last + 2) == m.STATES:
            size = self._size(self._last) + m.STATE
            if size <= m.MAX_POST and self._used + m.STATE <= len(self._ring):
                self._set(self._last, size & 0xFF)
                self._set(self._last + 1, size >> 8)
                self._append(buf, at, at + m.STATE)
                return True
        return self.put(m.STATES, buf, at, at + m.STATE)

    def write_next(self, out: bytearray, at: int, now: int = 0) -> int:
        """Write the next unsent post (number, kind, body) to ``out[at:]``; return its size."""
        if self.sent == self.base:
            self._since = now
        size = self._size(self._cursor)
        put16(out, at, self.sent)
        out[at + 2] = self._get(self._cursor + 2)
        start = (self._head + self._cursor + _ENTRY) % len(self._ring)
        first = min(size, len(self._ring) - start)
        wire.copy(self._ring, start, start + first, out, at + HEAD)
        wire.copy(self._ring, 0, size - first, out, at + HEAD + first)
        self._cursor += _ENTRY + size
        if self.sent == self._highest:
            self._highest = (self._highest + 1) & 0xFFFF
        self.sent = (self.sent + 1) & 0xFFFF
        return HEAD + size

    def acknowledge(self, expected: int) -> bool:
        """Forget the posts before ``expected``; False if one of them was never sent."""
        count = (expected - self.base) & 0xFFFF
        if count >= 0x8000:
            return True  # overtaken by a later acknowledgement
        if count > (self._highest - self.base) & 0xFFFF:
            return False
        while count:
            if self.sent == self.base:  # it was about to be sent again
                self.sent = (self.sent + 1) & 0xFFFF
                self._cursor += _ENTRY + self._size(0)
            step = _ENTRY + self._size(0)
            self._head = (self._head + step) % len(self._ring)
            self._used -= step
            self._cursor -= step
            self._last -= step
            self.base = (self.base + 1) & 0xFFFF
            count -= 1
        return True

    def acknowledged(self, expected: int, has_gap: bool, now: int) -> bool:
        """Take a POST_ACK; False if its number makes no sense."""
        before = self.base
        if not self.acknowledge(expected):
            return False
        if self.base != before:
            self._since = now
            self._silences = 0
        if has_gap and expected != self._gap:
            self._gap = expected
            self.rewind()
        return True

    def wait(self, now: int, patience: int) -> int:
        """Return the ms until an acknowledgement is overdue, or -1; at 0 all is sent again."""
        if self.sent == self.base:
            return -1
        left = (patience << self._silences) - ticks_diff(now, self._since)
        if left <= 0:
            self._since = now
            self._silences = min(self._silences + 1, _MAX_SILENCES)
            self._gap = -1
            self.rewind()
        return max(left, 0)

    def rewind(self) -> None:
        """Send everything again that is not acknowledged."""
        self.sent = self.base
        self._cursor = 0

    def resume(self, stream: int, expected: int) -> None:
        """Start a session with a peer that expects this number of that stream."""
        if stream == self.stream:
            self.acknowledge(expected)
        self._gap = -1
        self._silences = 0
        self.rewind()

    def _append(self, buf: "bytes | bytearray", start: int, end: int) -> None:
        at = (self._head + self._used) % len(self._ring)
        first = min(end - start, len(self._ring) - at)
        wire.copy(buf, start, start + first, self._ring, at)
        wire.copy(buf, start + first, end, self._ring, 0)
        self._used += end - start

    def _size(self, at: int) -> int:
        return self._get(at) | (self._get(at + 1) << 8)

    def _get(self, at: int) -> int:
        return self._ring[(self._head + at) % len(self._ring)]

    def _set(self, at: int, value: int) -> None:
        self._ring[(self._head + at) % len(self._ring)] = value & 0xFF


class Inbox:
    """Which of the peer's posts has been delivered."""

    def __init__(self) -> None:
        self.stream = 0
        self.expected = 0
        self.has_gap = False  # a later post than the expected one has come

    def resume(self, stream: int, base: int) -> None:
        """Start a session with a peer whose oldest post of that stream has this number."""
        # A known stream is ahead of us where an earlier life of ours had acknowledged more.
        if stream != self.stream or 0 < (base - self.expected) & 0xFFFF < 0x8000:
            self.stream = stream
            self.expected = base
        self.has_gap = False

    def accept(self, number: int) -> bool:
        """Tell whether this post is to be delivered now."""
        ahead = (number - self.expected) & 0xFFFF
        self.has_gap = 0 < ahead < 0x8000
        if ahead == 0:
            self.expected = (self.expected + 1) & 0xFFFF
        return ahead == 0


def write_record(buf: bytearray, at: int, outbox: Outbox, inbox: Inbox) -> None:
    """Write where both streams stand, as HELLO and CHALLENGE carry it."""
    put32(buf, at + m.POSTS_STREAM, outbox.stream)
    put16(buf, at + m.POSTS_BASE, outbox.base)
    put32(buf, at + m.POSTS_PEER_STREAM, inbox.stream)
    put16(buf, at + m.POSTS_EXPECTED, inbox.expected)


def read_record(buf: bytearray, at: int, outbox: Outbox, inbox: Inbox) -> None:
    """Take up both streams where the peer's record says they stand."""
    inbox.resume(get32(buf, at + m.POSTS_STREAM), get16(buf, at + m.POSTS_BASE))
    outbox.resume(get32(buf, at + m.POSTS_PEER_STREAM), get16(buf, at + m.POSTS_EXPECTED))
