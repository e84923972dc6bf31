"""The VM's line to the process that plays the rest of the board: what it tells and asks.

Tells are lines of text on one pipe.  An ask is a tell too; its answer comes on a second one:

    0 number of the question   1 0 or an errno   2 u16 big-endian, how many bytes follow

An interrupt may come at any jump of this code, and the answer to what was asked before it
comes all the same: it may stand before the next one's, and be only half read.
"""

import io
import select
import time

_PATIENCE = 10000  # ms: the other process may be starved, but not for so long
_LONGEST = 8192
_POLLIN = 1

_HEAD = 4

_line = []  # of the tells, of the answers, its poll, the last question's number, what was read


def connect(tells: "io.FileIO", answers: "io.FileIO") -> None:
    """Begin to use the line."""
    poll = select.poll()
    poll.register(answers, _POLLIN)
    _line[:] = [tells, answers, poll, 0, b""]


def tell(text: str) -> None:
    """Say something that needs no answer."""
    _line[0].write(text + "\n")


def ask(text: str) -> bytes:
    """Return the answer; OSError with the errno that came instead."""
    number = _line[3] = (_line[3] + 1) & 0xFF
    tell("%d? %s" % (number, text))
    since = time.ticks_ms()
    while time.ticks_diff(time.ticks_ms(), since) < _PATIENCE:
        if _line[2].poll(100):
            _line[4] += _line[1].read(_LONGEST)  # no jump: what was read is kept
        answer = _next()
        # Another number: of a question whose asker was interrupted.
        while answer and answer[0] != number:
            answer = _next()
        if answer:
            if answer[1]:
                raise OSError(answer[1])
            return answer[_HEAD:]
    raise OSError(110)


def _next() -> bytes:
    """Take the next whole answer of those that were read, b"" when there is none."""
    read = _line[4]
    if len(read) < _HEAD or len(read) < _HEAD + (read[2] << 8 | read[3]):
        return b""
    end = _HEAD + (read[2] << 8 | read[3])
    _line[4] = read[end:]
    return read[:end]
