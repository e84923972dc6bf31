"""What the hub has seen, as JSON lines and to whoever listens."""

import json
import time
from collections import deque
from collections.abc import Callable
from typing import Any, TextIO

_KEPT = 1000


class Telling:
    """Writes one JSON object an event, keeps the newest, and calls those who listen.

    Every line has ``id``, which grows, also from one start of the hub to the next; ``at`` (unix
    seconds) and ``event``.  `SPEC-hub.md` lists the events.

    Args:
        file: where lines go besides; None: nowhere.
        now: the clock.
    """

    def __init__(self, file: TextIO | None = None, now: Callable[[], float] = time.time) -> None:
        self._file = file
        self._now = now
        self.last = int(now() * 1_000_000)
        """The id of the newest event: a start in microseconds is later than all before."""
        self._listeners: list[Callable[[dict[str, Any]], None]] = []
        self.newest: deque[dict[str, Any]] = deque(maxlen=_KEPT)

    def listen(self, act: Callable[[dict[str, Any]], None]) -> Callable[[], None]:
        """Have `act` called with every event; return what ends that."""
        self._listeners.append(act)
        return lambda: self._listeners.remove(act)

    def __call__(self, event: str, **about: Any) -> None:
        """Tell of an event."""
        self.last += 1
        said = {"id": self.last, "at": round(self._now(), 3), "event": event, **about}
        self.newest.append(said)
        if self._file is not None:
            self._file.write(json.dumps(said) + "\n")
            self._file.flush()
        for act in list(self._listeners):
            act(said)
