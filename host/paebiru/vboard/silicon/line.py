"""The VM's line to the process that plays the rest of the board: what it tells and asks.

Tells are lines of text on one pipe.  An ask is a tell too; its answer comes on a second one, in
one piece: the number of the question, 0 or an errno, and the bytes that were asked for.
"""

import io
import select
import time

_PATIENCE = 10000  # ms: the other process may be starved, but not for so long
_LONGEST = 8192
_POLLIN = 1

_line = []  # of the tells, of the answers, its poll, the last question's number


def connect(tells: "io.FileIO", answers: "io.FileIO") -> None:
    """Begin to use the line."""
    poll = select.poll()
    poll.register(answers, _POLLIN)
    _line[:] = [tells, answers, poll, 0]


def tell(text: str) -> None:
    """Say something that needs no answer."""
    _line[0].write(text + "\n")


def ask(text: str) -> bytes:
    """Return the answer; OSError with the errno that came instead."""
    number = _line[3] = (_line[3] + 1) & 0xFF
    tell("%d? %s" % (number, text))
    since = time.ticks_ms()
    while time.ticks_diff(time.ticks_ms(), since) < _PATIENCE:
        if not _line[2].poll(100):
            continue
        answer = _line[1].read(_LONGEST)
        # Another number: of a question whose asker was interrupted.
        if answer and answer[0] == number:
            if answer[1]:
                raise OSError(answer[1])
            return answer[2:]
    raise OSError(110)
