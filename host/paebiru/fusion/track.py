"""The states of one board that wait to be fused, in the order in which they were taken.

At most `room` of them: what comes late, twice, or in too great a number is counted.
"""

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import NamedTuple, Protocol

from paebiru.fusion.clock import BoardClock
from sil.errors import FormatError
from sil.state import SIZE

_LATE_IN_A_ROW = 3  # batches


class States(Protocol):
    """What a BATCH says (`paebiru.device.Batch`)."""

    time: int
    """The board's clock, ms, at the first state."""
    period: int
    """From state to state, ms."""
    lost: int
    """States that the board lost before these."""
    states: Sequence[bytes]


class Seen(NamedTuple):
    """A board's state at a moment of the hub's clock, ms."""

    stamp: int
    raw: bytes


@dataclass
class Counts:
    """What became of a board's states; `taken` of them waited for their tick."""

    batches: int = 0
    taken: int = 0
    late: int = 0
    """Dropped: their tick was over."""
    twice: int = 0
    """Dropped: a state of the same moment was there."""
    crowded: int = 0
    """Taken and then given up for newer ones: more waited than there is room for."""
    lost: int = 0
    """Lost on the board, as it says."""
    lives: int = 1
    worst_ms: int = 0
    """The greatest age of a state when it came: the horizon that would have dropped none."""

    def as_json(self) -> dict[str, int]:
        """Return the numbers by name."""
        return asdict(self)


class Track:
    """One board at a place.

    Args:
        horizon: ms that a state may take until it is late.
        room: states that wait at most.
        ppm: see `BoardClock`.
    """

    def __init__(self, horizon: int, room: int, ppm: int) -> None:
        self.counts = Counts()
        self._horizon = horizon
        self._room = room
        self._ppm = ppm
        self._life = 0
        self._clocks = {0: BoardClock(ppm)}
        # (life, time on the board's clock, state), in that order: times of other boards' clocks
        # become the hub's only when they are asked for, when the offset is known best.
        self._waiting: list[tuple[int, int, bytes]] = []
        self._late_since = 0
        self._late_batches = 0

    def __len__(self) -> int:
        return len(self._waiting)

    def restart(self) -> None:
        """Hear that the board has started again: its clock is another one from here on."""
        if not self._clocks[self._life].is_set:
            return
        self._life += 1
        self._forget_clocks()
        self._clocks[self._life] = BoardClock(self._ppm)
        self.counts.lives += 1
        self._late_batches = 0

    def take(self, batch: States, now: int, sealed: int) -> None:
        """Take states that have come at `now`, those that are no later than `sealed` left out.

        Raises:
            FormatError: a state has another size, or the time cannot be.
        """
        if batch.time < 0 or any(len(raw) != SIZE for raw in batch.states):
            raise FormatError(f"a batch has states of {SIZE} bytes and a time below 2**29")
        self.counts.batches += 1
        if not batch.states:
            self.counts.lost += batch.lost
            return
        self._look_for_a_start(batch, now, sealed)
        clock = self._clocks[self._life]
        last = (len(batch.states) - 1) * batch.period
        first = clock.unwrap(batch.time)
        clock.hear(first + last, now)
        offset = clock.offset(now)
        is_new = False
        for i, raw in enumerate(batch.states):
            time = first + i * batch.period
            self.counts.worst_ms = max(self.counts.worst_ms, now - time - offset)
            if time + offset <= sealed:
                self.counts.late += 1
            else:
                is_new |= self._keep(time, bytes(raw))
        if is_new or first + last + offset <= sealed:
            self.counts.lost += batch.lost

    def _look_for_a_start(self, batch: States, now: int, sealed: int) -> None:
        """Begin a new life if every batch has been late for longer than the horizon.

        A backlog comes in a burst; what is late for so long comes from another clock, whose
        start the board's HEALTH has not told yet.
        """
        clock = self._clocks[self._life]
        if not clock.is_set:
            return
        last = clock.unwrap(batch.time) + (len(batch.states) - 1) * batch.period
        if last + clock.offset(now) > sealed:
            self._late_batches = 0
            return
        if not self._late_batches:
            self._late_since = now
        self._late_batches += 1
        if self._late_batches >= _LATE_IN_A_ROW and now - self._late_since >= self._horizon:
            self.restart()

    def _keep(self, time: int, raw: bytes) -> bool:
        """Let a state wait; False if one of its moment is there already."""
        at = bisect_left(self._waiting, (self._life, time))
        if at < len(self._waiting) and self._waiting[at][:2] == (self._life, time):
            # The greater one stays, so that it does not matter which came first.
            self._waiting[at] = (self._life, time, max(raw, self._waiting[at][2]))
            self.counts.twice += 1
            return False
        self._waiting.insert(at, (self._life, time, raw))
        self.counts.taken += 1
        if len(self._waiting) > self._room:
            del self._waiting[0]
            self.counts.crowded += 1
        return True

    def at(self, tick: int, now: int) -> Seen | None:
        """Return the newest state of `tick` or before, and forget those before it."""
        offsets = {life: c.offset(now) for life, c in self._clocks.items() if c.is_set}
        over = [
            (life, time, raw) for life, time, raw in self._waiting if time + offsets[life] <= tick
        ]
        if not over:
            return None
        # In their order: the last one is of the latest life, and the newest of that.
        life, time, raw = over[-1]
        kept = [seen for seen in self._waiting if seen[1] + offsets[seen[0]] > tick]
        self._waiting = sorted([over[-1], *kept])
        self._forget_clocks()
        return Seen(time + offsets[life], raw)

    def _forget_clocks(self) -> None:
        """Drop the clocks of lives that are over and have no state left."""
        used = {life for life, _, _ in self._waiting} | {self._life}
        self._clocks = {life: c for life, c in self._clocks.items() if life in used}

    def stamp(self, time: int, now: int) -> int:
        """Return the hub's time of a moment on the board's clock (29 bits); `now` if unknown."""
        clock = self._clocks[self._life]
        return min(clock.unwrap(time) + clock.offset(now), now) if clock.is_set else now
