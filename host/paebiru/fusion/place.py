"""A place: its boards' states become one state a tick, in the order of time.

Tick T (a multiple of the period) is fused once the hub's clock has reached T + horizon, from
each board's newest state that was taken at T or before and not longer ago than `hold_ms`.  What
is later than that is dropped and counted.  So the fused states depend on when states were taken
and not on the order in which they came.
"""

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

from paebiru.errors import UsageError
from paebiru.fusion import forms
from paebiru.fusion.electronic import Electronic, Heard, inputs
from paebiru.fusion.environmental import Environmental
from paebiru.fusion.fused import Fused
from paebiru.fusion.merge import Merged, Reading, merge
from paebiru.fusion.psychomotor import Psychomotor
from paebiru.fusion.track import Seen, States, Track
from sil.errors import FormatError

HISTORY = 256
"""Fused states kept, for labels."""
_CATCH_UP = 1000  # ticks fused at once; a hub that slept for longer leaves the older ones out
_ANSWERS = 64  # of a board, that wait for their tick
_SENSES = 5


class Labelled(NamedTuple):
    """A state that is known to be of a class."""

    time: int
    """Its tick."""
    found: int
    inputs: bytes
    """Of layer 5; empty: nothing was perceived, so there is nothing to learn."""
    guess: int
    """What layer 5's model finds before it learns this; -1 without a model."""


Learn = Callable[[Labelled], None]


@dataclass
class _Past:
    """A tick that is over: what was perceived, and its label, -1 for none."""

    perception: bytes
    found: int = -1


class Place:
    """One place.  Times are the hub's, in ms, and never go back.

    Args:
        name: as the configuration calls it.
        form: what the configuration says.
        electronic: who decides on layer 5.
        psychomotor: who decides on layer 6.
        learn: takes what was labelled, once its state is known.
    """

    def __init__(
        self,
        name: str,
        form: forms.Place,
        electronic: Electronic,
        psychomotor: Psychomotor,
        learn: Learn,
    ) -> None:
        self.name = name
        self.form = form
        self.tracks = {
            board: Track(form.horizon_ms, form.room, form.drift_ppm) for board in form.boards
        }
        self.latest: Fused | None = None
        self.fused = 0
        """Ticks fused."""
        self.skipped = 0
        """Ticks left out since the hub slept."""
        self.learned = 0
        """Labels that found a state to go with."""
        self.psychomotor = psychomotor
        self._electronic = electronic
        self._environment = Environmental(max(1, form.mean_ms // form.period_ms))
        self._learn = learn
        self._rules = form.merge_rules()
        self._sealed: int | None = None
        self._answers: dict[bytes, deque[Heard]] = {}
        self._history: dict[int, _Past] = {}  # by tick, in their order
        self._labels: dict[int, int] = {}  # by tick, of ticks that are not fused yet

    # -- what comes

    def on_states(self, board: bytes, batch: States, now: int) -> None:
        """Take a board's states; `advance` to `now` came before."""
        assert self._sealed is not None
        self.tracks[board].take(batch, now, self._sealed)

    def on_answer(self, board: bytes, time: int, heard: Heard, now: int) -> None:
        """Take what a board has answered by itself at `time` of its clock.

        Raises:
            FormatError: the time cannot be.
        """
        if time < 0:
            raise FormatError("an answer has a time below 2**29")
        kept = self._answers.setdefault(board, deque(maxlen=_ANSWERS))
        kept.append(heard._replace(stamp=self.tracks[board].stamp(time, now)))

    def label(self, found: int, at: int, now: int) -> tuple[int, bool]:
        """Learn that the class was `found` at a moment, in the place of another one.

        The same one again changes nothing.  Returns the tick, and whether its state is known;
        else it is learned from when it is.

        Raises:
            UsageError: that moment is to come, too long ago, or nothing was perceived then.
        """
        if at > now:
            raise UsageError(f"{self.name}: {at} is to come, it is {now}: label what has been")
        period = self.form.period_ms
        tick = at - at % period
        if self._sealed is None or tick > self._sealed:
            self._labels[tick] = found
            return tick, False
        past = self._history.get(tick)
        if past is None:
            reach = len(self._history) * period
            raise UsageError(
                f"{self.name}: no state of {at} is kept: label within {reach} ms after its tick"
            )
        if not any(past.perception):
            raise UsageError(f"{self.name}: nothing was perceived at {at}: label another moment")
        if past.found != found:
            self._study(tick, past, found)
        return tick, True

    def forget_label(self, labelled: Labelled) -> None:
        """Hear that a label could not be kept: it may be given again."""
        past = self._history.get(labelled.time)
        if past and past.found == labelled.found:
            past.found = -1

    def _study(self, tick: int, past: _Past, found: int) -> None:
        if not any(past.perception):
            self._learn(Labelled(tick, found, b"", -1))
            return
        self.learned += past.found < 0
        past.found = found
        row = inputs(past.perception)
        self._learn(Labelled(tick, found, row, self._electronic.guess(row)))

    def _leave_out(self, count: int) -> None:
        """Go on behind ticks that nobody fuses any more."""
        assert self._sealed is not None
        self._sealed += count * self.form.period_ms
        self.skipped += count
        for tick in [tick for tick in sorted(self._labels) if tick <= self._sealed]:
            self._learn(Labelled(tick, self._labels.pop(tick), b"", -1))

    # -- what is made of it

    def advance(self, now: int) -> Iterator[Fused]:
        """Yield the states of all ticks that are due at `now`."""
        period = self.form.period_ms
        due = (now - self.form.horizon_ms) // period * period
        if self._sealed is None:
            self._sealed = due
            return
        behind = (due - self._sealed) // period - _CATCH_UP
        if behind > 0:
            self._leave_out(behind)
        while self._sealed < due:
            self._sealed += period
            yield self._seal(self._sealed)

    def _seal(self, tick: int) -> Fused:
        due = tick + self.form.horizon_ms
        merged = self._perceive(tick, due)
        perception = bytes(m.byte for m in merged)
        decision = self._electronic.decide(perception, self._recent(tick))
        context = self._environment.add(perception)
        raw = perception + bytes((decision.byte, 0, context))
        action, rule = self.psychomotor.decide(raw, decision.found, tick)
        raw = perception + bytes((decision.byte, action, context)) + bytes(8)
        self._history[tick] = past = _Past(perception)
        if len(self._history) > HISTORY:
            del self._history[next(iter(self._history))]
        if tick in self._labels:
            self._study(tick, past, self._labels.pop(tick))
        self.fused += 1
        self.latest = Fused(self.name, tick, raw, merged, decision, rule)
        return self.latest

    def _perceive(self, tick: int, due: int) -> tuple[Merged, ...]:
        """Return the five layers, each of the boards that have it."""
        seen: list[Seen] = []
        for track in self.tracks.values():
            state = track.at(tick, due)
            if state and tick - state.stamp <= self.form.hold_ms:
                seen.append(state)
        return tuple(
            merge([Reading(s.stamp, s.raw[i]) for s in seen], self._rules[i])
            for i in range(_SENSES)
        )

    def _recent(self, tick: int) -> list[Heard]:
        """Return each board's newest answer up to `tick`, if it still holds."""
        recent = []
        for kept in self._answers.values():
            over = [heard for heard in kept if heard.stamp <= tick]
            if not over:
                continue
            newest = max(over, key=lambda heard: (heard.stamp, heard))
            if tick - newest.stamp <= self.form.hold_ms:
                recent.append(newest)
            rest = [heard for heard in kept if heard.stamp > tick]
            kept.clear()
            kept.extend([newest, *rest])
        return recent
