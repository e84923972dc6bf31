"""The link's bytes as lines of text, for boards whose only line is a CircuitPython console.

A console carries text: it rewrites line ends, and 03 interrupts the program.  So the bytes
go, in both directions, as lines of their own:

    !P1:<base64 of 1..180 bytes of the stream, with padding><newline>

A line is at most 245 characters long.  Where a frame begins and ends is the link's business:
a line may hold a part of one, or the end of one and the start of the next.  ``!P1:`` may stand
anywhere in a line (a terminal's title may come before it), and what follows it up to the line's
end must be base64 and nothing else.  Everything else is text: what the program prints, the
prompt, a traceback.  A line that was damaged so that it is no base64 is text as well and its
bytes are missing; one that still is base64 holds wrong bytes.  Either way a frame's CRC fails,
and the session repeats it.
"""

import binascii

from sil.compat import const

MARK = b"!P1:"
PIECE = 180

_LINE = const(256)
_NEWLINE = const(10)
_RETURN = const(13)


def encode(buf: "bytes | bytearray | memoryview", start: int, end: int) -> bytes:
    """Return the line for ``buf[start:end]``, at most `PIECE` bytes."""
    return MARK + binascii.b2a_base64(bytes(memoryview(buf)[start:end]))


def decode(line: "bytes | bytearray") -> bytes:
    """Return the bytes in a line without its end; ``b""`` when it is text."""
    at = line.find(MARK)
    if at < 0:
        return b""
    body = bytes(line[at + len(MARK) :])
    if not body or len(body) % 4 or not _is_base64(body):
        return b""
    try:
        return binascii.a2b_base64(body)
    except ValueError:  # padding in the wrong place
        return b""


def _is_base64(body: bytes) -> bool:
    # The interpreters' own decoders skip what is none.
    for i in range(len(body)):
        c = body[i]
        is_letter = 65 <= c <= 90 or 97 <= c <= 122
        is_other = 48 <= c <= 57 or c == 43 or c == 47
        is_padding = c == 61 and i >= len(body) - 2 and body[-1] == 61
        if not (is_letter or is_other or is_padding):
            return False
    return True


class LineReader:
    """Finds the stream's bytes in what a console receives, character by character."""

    def __init__(self) -> None:
        self.dropped = 0  # lines that were none of ours
        self._line = bytearray(_LINE)
        self._size = 0
        self._bytes = b""
        self._at = 0

    def feed(self, code: int) -> bool:
        """Take a character's code; True when bytes have come: `readinto` them before the next."""
        if code != _NEWLINE and code != _RETURN:
            if self._size < _LINE:
                self._line[self._size] = code if code < 128 else 0
            self._size += 1
            return False
        size = self._size
        self._size = 0
        if not size:
            return False
        found = decode(self._line[:size]) if size <= _LINE else b""
        if not found:
            self.dropped += 1
            return False
        self._bytes = found
        self._at = 0
        return True

    def is_empty(self) -> bool:
        """Tell whether all that has come was read."""
        return self._at == len(self._bytes)

    def readinto(self, buf: "bytearray | memoryview", at: int) -> int:
        """Move bytes to ``buf[at:]``; return where they end."""
        while at < len(buf) and self._at < len(self._bytes):
            buf[at] = self._bytes[self._at]
            at += 1
            self._at += 1
        return at
