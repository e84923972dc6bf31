"""What the VM prints, made into what a board prints: reads the REPL's mode from it on the way."""

RAW = b"raw REPL; CTRL-B to exit\r\n"
FRIENDLY = b'Type "help()" for more information.\r\n'
_TAIL = max(len(RAW), len(FRIENDLY)) - 1


class Output:
    """The output of one life of the VM.

    mark:    the word behind which the REPL has the line; it is taken out
    is_raw:  the REPL is to come up raw: its friendly greeting is taken out
    """

    def __init__(self, mark: bytes, is_raw: bool) -> None:
        self._mark = mark
        self._held = b""  # may be the start of what is looked for
        self._tail = b""
        self._last = b""
        self.is_raw = is_raw
        self.has_repl = False
        self.is_quiet = False  # the greeting of a REPL that comes up raw is thrown away
        self._asks_raw = False

    def pass_on(self, data: bytes) -> bytes:
        """Return what goes out for `data`.

        A board ends lines of text with CR LF, and passes on as they are the bytes that a program
        writes to ``sys.stdout.buffer``.  Both look alike here, so only what is printed at the
        friendly prompt gets a CR; of boot.py and main.py everything stays as it is.
        """
        if self.has_repl:
            return self._of_repl(data)
        data = self._held + data
        before, mark, after = data.partition(self._mark)
        if not mark:
            held = _overlap(data, self._mark)
            self._held = data[len(data) - held :]
            return data[: len(data) - held]
        self._held = b""
        self.has_repl = True
        self.is_quiet = self._asks_raw = self.is_raw
        return before + self._of_repl(after)

    def asks_raw(self) -> bool:
        """Return True once, when the REPL has to be told to come up raw."""
        asks, self._asks_raw = self._asks_raw, False
        return asks

    def _of_repl(self, data: bytes) -> bytes:
        if self.is_quiet:
            data = self._held + data
            at = data.find(RAW)
            if at < 0:
                self._held = data[-_TAIL:]
                return b""
            self._held = b""
            self.is_quiet = False
            data = data[at:]
        seen = self._tail + data
        self._tail = seen[-_TAIL:]
        raw, friendly = seen.rfind(RAW), seen.rfind(FRIENDLY)
        if raw != friendly:
            self.is_raw = raw > friendly
        return data if self.is_raw else self._as_text(data)

    def _as_text(self, data: bytes) -> bytes:
        """Return the bytes, with CR LF for every LF."""
        if not data:
            return b""
        follows = self._last == b"\r" and data[:1] == b"\n"
        self._last = data[-1:]
        text = data.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
        return text[1:] if follows else text


def _overlap(data: bytes, mark: bytes) -> int:
    """Return how many bytes at the end of `data` could be the start of `mark`."""
    for size in range(min(len(data), len(mark) - 1), 0, -1):
        if mark.startswith(data[-size:]):
            return size
    return 0
