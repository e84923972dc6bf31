"""The link over a CircuitPython console: its bytes as lines of base64 among lines of text.

The lines are described in ``firmware/paebiru_node/port/console.py``: ``!P1:``, base64 of at most
180 bytes, a newline.  What the program prints beside them reaches the session as text, like
that of any serial line, but never in the middle of a frame, which it would damage.
"""

import binascii
import re

from paebiru.transport.base import Transport

_PIECE = 180
_MARK = b"!P1:"
_LINE = re.compile(rb"!P1:((?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?)$")
_TITLE = re.compile(rb"\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)")  # which CircuitPython gives its terminal
_LONGEST = 4096  # bytes that wait for the end of a line
_END = 0xC0


def to_lines(data: bytes) -> bytes:
    """Return the lines that carry ``data``."""
    pieces = (data[at : at + _PIECE] for at in range(0, len(data), _PIECE))
    return b"".join(_MARK + binascii.b2a_base64(piece) for piece in pieces)


class LineSorter:
    """Sorts what a console says into the stream's bytes and text, and joins them without harm."""

    def __init__(self) -> None:
        self._rest = b""
        self._text = bytearray()  # that came within a frame, until its end
        self._last = b"\x00\xc0"  # the stream's last two bytes

    def feed(self, data: bytes) -> bytes:
        """Take what the console said; return stream and text as a session shall read them."""
        *lines, self._rest = (self._rest + data).replace(b"\r", b"\n").split(b"\n")
        if len(self._rest) > _LONGEST:
            lines.append(self._rest)
            self._rest = b""
        out = bytearray()
        for line in lines:
            found = _LINE.search(line)
            body = binascii.a2b_base64(found[1]) if found else b""
            text = line[: found.start()] if found and body else line
            if text := _TITLE.sub(b"", text):
                self._text += text + b"\n"
            out += body
            self._last = (self._last + body)[-2:]
            if self._text and self._is_between_frames():
                out += self._text
                self._text.clear()
                self._last = b"\x00\xc0"
        return bytes(out)

    def _is_between_frames(self) -> bool:
        # Both C0 of a frame are always sent: one ends a frame unless another stands before it.
        # A frame whose end was lost must not hold text back for ever.
        is_end = self._last[1] == _END and self._last[0] != _END
        return is_end or len(self._text) > _LONGEST


class ConsoleTransport:
    """Another transport's line, when a CircuitPython console is at its other end."""

    datagrams = False

    def __init__(self, line: Transport) -> None:
        self._line = line
        self._sorter = LineSorter()

    async def read(self) -> bytes:
        """Wait for bytes of the stream or text; ``b""`` when the line is gone."""
        while data := await self._line.read():
            if found := self._sorter.feed(data):
                return found
        return b""

    async def write(self, data: bytes) -> None:
        """Send bytes as lines."""
        await self._line.write(to_lines(data))

    def close(self) -> None:
        """Let go of the line."""
        self._line.close()
