"""All places of a hub: boards' posts in, fused states and what boards shall know out.

fusion = Fusion(config.load(path), told=lambda fused: print(json.dumps(fused.as_json())))
fusion.on_states(device.name, batch, now)         # the hub's clock, ms, that never goes back
for out in fusion.tick(now):                       # as often as one likes
    if not devices[out.device].context(out.mask, out.state):
        fusion.unsent(out)
"""

from collections.abc import Callable
from typing import Any, NamedTuple, Protocol

from paebiru.errors import UsageError
from paebiru.fusion.config import Config
from paebiru.fusion.electronic import INPUTS, Electronic, Heard
from paebiru.fusion.forms import Place as Form
from paebiru.fusion.fused import Fused
from paebiru.fusion.participant import Participant
from paebiru.fusion.place import Labelled, Place
from paebiru.fusion.psychomotor import ByClass, Psychomotor, Test
from paebiru.fusion.track import States
from sil import bytesil, layers
from sil.protocol import Task

_ALL = 10000  # a share: places are on hubs, where bytes are cheap


class Answered(Protocol):
    """What an ANSWER says (`paebiru.device.Answer`)."""

    time: int
    found: int
    byte: int
    rho: int
    critical: int


class Outgoing(NamedTuple):
    """A CONTEXT for a board: the layers of `mask` of a state of 16 bytes."""

    device: bytes
    mask: int
    state: bytes


class Fusion:
    """The places of a hub.

    Args:
        config: which boards are where.
        told: called with every fused state, each place's in the order of time.
    """

    def __init__(self, config: Config, told: Callable[[Fused], None] = lambda fused: None) -> None:
        self.config = config
        self.told = told
        self.unplaced = 0
        """Posts of boards that are at no place."""
        self.participants: dict[str, Participant] = {}
        """By place: what it learns from, and its part in layer 5's federation."""
        self.learn: Callable[[str, Labelled], None] = self._learn
        """Takes what a place was labelled with; a hub keeps it first (`paebiru.hub.teach`)."""
        self._electronic = Electronic()
        self._places: dict[str, Place] = {}
        self._where: dict[bytes, Place] = {}
        self._boots: dict[bytes, int] = {}
        self._sent: dict[bytes, tuple[int, Outgoing]] = {}  # by board: when, what
        self._now = 0
        for name, form in config.places.items():
            self.participants[name] = Participant(name, INPUTS, form.capacity)
            place = Place(
                name, form, self._electronic, self._rules(form),
                lambda labelled, name=name: self.learn(name, labelled),  # type: ignore[misc]
            )  # fmt: skip
            self._places[name] = place
            self._where.update(dict.fromkeys(form.boards, place))

    def _rules(self, form: Form) -> Psychomotor:
        ready = []
        for rule in form.rules:
            found = [self.config.class_of(when) for when in rule.when]
            tests = [
                Test(when, -1 if number is None else number)
                for when, number in zip(rule.when, found, strict=True)
            ]
            ready.append((rule, tests))
        rest = form.rest.byte
        by_class = ByClass(form.acts, self.config.acts_of(form), rest) if form.acts else None
        return Psychomotor(ready, rest, by_class)

    def _learn(self, place: str, labelled: Labelled) -> None:
        if labelled.inputs:  # a correction becomes the newest sample
            self.participants[place].add(labelled.inputs, labelled.found, labelled.time)

    # -- what boards say

    def on_states(self, device: bytes, batch: States, now: int) -> None:
        """Take a BATCH.

        Raises:
            FormatError: its states or its time cannot be.
        """
        place = self._at(device, now)
        if place:
            place.on_states(device, batch, self._now)

    def on_answer(self, device: bytes, answer: Answered, now: int) -> None:
        """Take an ANSWER; `FormatError` if its time cannot be."""
        place = self._at(device, now)
        if place:
            heard = Heard(
                bytesil.rho(answer.byte), 0, device, answer.found, answer.byte,
                answer.rho, answer.critical,
            )  # fmt: skip
            place.on_answer(device, answer.time, heard, self._now)

    def on_boots(self, device: bytes, boots: int) -> None:
        """Hear from HEALTH how often a board has started: another number is another clock."""
        place = self._where.get(device)
        if place and self._boots.setdefault(device, boots) != boots:
            self._boots[device] = boots
            place.tracks[device].restart()
            self._sent.pop(device, None)

    def on_up(self, device: bytes) -> None:
        """Hear that a board is there (again): it is told everything with the next tick."""
        self._sent.pop(device, None)

    def label(self, place: str, found: int | str, at: int, now: int) -> tuple[int, bool]:
        """Learn what class, by number or name, it was at a place at a moment.

        Returns the tick of that moment, and whether its state is known yet.

        Raises:
            UsageError: there is no such place or class, or no state of that moment.
        """
        if not self.config.electronic:
            raise UsageError("labels are of layer 5's classes: add [electronic] to the places")
        try:
            number = self.config.electronic.number(found)
        except ValueError as error:
            raise UsageError(str(error)) from None
        for fused in self._advance(self._place(place), now):
            self.told(fused)
        return self._place(place).label(number, at, self._now)

    def forget_label(self, place: str, labelled: Labelled) -> None:
        """Hear that a label that `learn` was given could not be kept."""
        self._place(place).forget_label(labelled)

    # -- what follows

    def tick(self, now: int) -> list[Outgoing]:
        """Fuse what is due; return what boards shall be told."""
        due = [fused for place in self._places.values() for fused in self._advance(place, now)]
        for fused in sorted(due, key=lambda fused: (fused.time, fused.place)):
            self.told(fused)
        return [
            out for place in self._places.values() if place.latest for out in self._context(place)
        ]

    def unsent(self, out: Outgoing) -> None:
        """Hear that a board could not be told: it is tried again with the next tick."""
        self._sent.pop(out.device, None)

    def _context(self, place: Place) -> list[Outgoing]:
        """Return what the boards of a place do not know yet, or not for long."""
        fused = place.latest
        assert fused is not None
        outgoing = []
        for board in place.form.boards:
            mask = self._mask(place, fused, board)
            known = bytes(b if mask >> i & 1 else 0 for i, b in enumerate(fused.raw))
            out = Outgoing(board, mask, known)
            at, before = self._sent.get(board, (0, None))
            if mask and (out != before or self._now - at >= place.form.refresh_ms):
                self._sent[board] = (self._now, out)
                outgoing.append(out)
        return outgoing

    def _mask(self, place: Place, fused: Fused, board: bytes) -> int:
        """Return which layers a board is told: not what it has itself, nor what nobody decides."""
        decision = fused.decision
        mask = 1 << layers.ENVIRONMENTAL if fused.raw[layers.ENVIRONMENTAL] else 0
        if self._electronic.has_model or (decision.where == "board" and decision.board != board):
            mask |= 1 << layers.ELECTRONIC
        if place.psychomotor.acts:
            mask |= 1 << layers.PSYCHOMOTOR
        return mask

    # -- layer 5's model

    def task(self) -> Task:
        """Return what the places learn together, for a `federated.rounds.Federation`.

        Raises:
            UsageError: the configuration has no [electronic].
        """
        if not self.config.electronic:
            raise UsageError("layer 5 has no classes to learn: add [electronic] to the places")
        electronic = self.config.electronic
        return Task((INPUTS, *electronic.hidden, len(electronic.classes)), True, _ALL)

    def load_model(self, codes: bytes) -> None:
        """Take layer 5's model: one ByteSil code a weight, as `Federation.master.codes()`.

        Raises:
            UsageError: as `task`.
            ModelError: it has another shape, or could overflow.
        """
        self._electronic.load(self.task().sizes, codes)

    # -- what is known

    def state(self, place: str) -> Fused | None:
        """Return the latest state of a place; None before its first tick.

        Raises:
            UsageError: there is no such place.
        """
        return self._place(place).latest

    def snapshot(self) -> dict[str, Any]:
        """Return everything that the hub's API tells of the places, in JSON's types."""
        return {
            "time": self._now,
            "model": self._electronic.has_model,
            "unplaced": self.unplaced,
            "places": {name: self._told_of(place) for name, place in self._places.items()},
        }

    def _told_of(self, place: Place) -> dict[str, Any]:
        latest = place.latest
        return {
            "state": latest.as_json() if latest else None,
            "fused": place.fused,
            "skipped": place.skipped,
            "labels": place.learned,
            "samples": self.participants[place.name].count,
            "boards": {
                board.hex(): {**track.counts.as_json(), "waiting": len(track)}
                for board, track in place.tracks.items()
            },
        }

    def _place(self, name: str) -> Place:
        if name not in self._places:
            raise UsageError(f"no place is called {name!r}: take one of {', '.join(self._places)}")
        return self._places[name]

    def _at(self, device: bytes, now: int) -> Place | None:
        """Return a board's place, whose ticks that are due are fused before it hears anything."""
        place = self._where.get(device)
        if place is None:
            self.unplaced += 1
            return None
        for fused in self._advance(place, now):
            self.told(fused)
        return place

    def _advance(self, place: Place, now: int) -> list[Fused]:
        self._now = max(self._now, now)
        return list(place.advance(self._now))
