"""Frames on a byte stream that also carries text: ``C0 | escaped(frame) | C0``.

    0  u8  version << 4 | from responder << 3 | encrypted << 2 | authenticated << 1 | 0
    1  u8  type
    2  u16 session
    4  u32 counter
    8  payload, at most 1024 bytes
    +  8 bytes MAC, when authenticated
    +  u32 CRC-32 of everything before

C0 never occurs in valid UTF-8, so the text of a REPL cannot open or close a frame.
`FrameReader` sorts what arrives into frames, lines of text and damage; it knows no keys.
`FrameWriter` builds one frame at a time in place and hands it out in any pieces.
"""

from array import array

from ..compat import const
from ..crc import Crc32
from ..errors import RangeError
from ..kernels import wire
from . import messages as m
from . import sha
from .fields import put16, put32

HEADER = 8
MAC = 8
MAX_PAYLOAD = 1024
MAX_FRAME = 1056  # decoded, with room to spare: 8 + 1024 + 8 + 4 = 1044
MAX_ENCODED = 2 * MAX_FRAME + 2
MAX_TEXT = 256

FROM_RESPONDER = 8
ENCRYPTED = 4
AUTHENTICATED = 2

# what FrameReader.feed found
NOTHING = 0
FRAME = 1
TEXT = 2

_CRC = const(4)
_MODE = const(1)  # places in the state of wire.slip_scan
_WHY = const(3)
_MODE_FRAME = const(1)
_MODE_TEXT = const(2)
_MODE_DAMAGE = const(3)


class FrameReader:
    """Cut a stream into frames with a right CRC, and lines of text."""

    def __init__(self) -> None:
        self.buf = bytearray(MAX_FRAME)
        self.found = NOTHING
        self.end = 0  # text: its end; frame: the end of its payload and MAC
        self.damaged = 0  # candidates dropped
        self._scan = array("H", (0, 0, 0, 0, MAX_FRAME, MAX_TEXT))
        self._crc = Crc32()

    def feed(self, buf: "bytes | bytearray | memoryview", start: int, end: int) -> int:
        """Read on until something is found or the input is used up; return where it stopped.

        What was found stays in ``self.buf[:self.end]`` until the next call.
        """
        self.found = NOTHING
        while start < end and self.found == NOTHING:
            start = wire.slip_scan(buf, start, end, self.buf, self._scan)
            if self._scan[_WHY]:
                self._judge()
        return start

    def _judge(self) -> None:
        length = self._scan[0]
        mode = self._scan[_MODE]
        self._scan[0] = 0
        if mode == _MODE_TEXT and length:
            self.found = TEXT
            self.end = length
        elif mode == _MODE_FRAME and self._is_whole(length):
            self.found = FRAME
            self.end = length - _CRC
        elif mode != _MODE_TEXT:
            self.damaged += 1
        if self._scan[_WHY] == 1:
            self._scan[_MODE] = 0

    def _is_whole(self, length: int) -> bool:
        if length < HEADER + _CRC:
            return False
        self._crc.reset()
        self._crc.update(self.buf, 0, length - _CRC)
        return self._crc.matches(self.buf, length - _CRC)

    def payload_end(self) -> int:
        """Return where the payload of the frame found ends; below `HEADER` if it is too short."""
        return self.end - MAC if self.buf[0] & AUTHENTICATED else self.end

    def is_authentic(self, key: sha.HmacKey) -> bool:
        """Tell whether the frame found carries the MAC that ``key`` gives it."""
        at = self.end - MAC
        if at < HEADER or not self.buf[0] & AUTHENTICATED:
            return False
        return sha.same(self.buf, at, sha.tag(key, self.buf, 0, at), MAC)


class FrameWriter:
    """One outgoing frame: its payload is written to ``buf[HEADER:]``, then `seal` encodes it."""

    def __init__(self, flags: int, hide_etx: bool) -> None:
        self.buf = bytearray(MAX_FRAME)
        self.hide_etx = hide_etx
        self._flags = (m.VERSION << 4) | flags
        self._crc = Crc32()
        self._escape = array("H", (2, 0, 0))  # see wire.slip_escape; all of an empty frame is out

    def is_idle(self) -> bool:
        """Tell whether the frame before has been pulled to its end."""
        return self._escape[0] == self._escape[1] + 2

    def seal(self, kind: int, size: int) -> None:
        """Encode a frame of ``size`` payload bytes outside of a session."""
        self.head(0, kind, 0, 0)
        self.encode(HEADER + size)

    def head(self, flags: int, kind: int, session: int, counter: int) -> None:
        """Write the header."""
        self.buf[0] = self._flags | flags
        self.buf[1] = kind
        put16(self.buf, 2, session)
        put32(self.buf, 4, counter)

    def sign(self, key: sha.HmacKey, end: int) -> int:
        """Append the MAC to ``buf[:end]``; return the new end."""
        wire.copy(sha.tag(key, self.buf, 0, end), 0, MAC, self.buf, end)
        return end + MAC

    def encode(self, end: int) -> None:
        """Append the CRC to ``buf[:end]``; `pull` then gives the whole, escaped."""
        if end > HEADER + MAX_PAYLOAD + MAC:
            raise RangeError("a frame carries at most 1024 bytes; split the message")
        self._crc.reset()
        self._crc.update(self.buf, 0, end)
        self._crc.store(self.buf, end)
        self._escape[0] = 0
        self._escape[1] = end + _CRC
        self._escape[2] = 0

    def pull(self, out: bytearray, at: int, limit: int) -> int:
        """Move encoded bytes to ``out[at:limit]``; return where they end."""
        hide_etx = 1 if self.hide_etx else 0
        return wire.slip_escape(self.buf, self._escape, out, at, limit, hide_etx)

    def drop(self) -> None:
        """Forget what was not pulled yet (the line was lost)."""
        self._escape[0] = self._escape[1] + 2
        self._escape[2] = 0
