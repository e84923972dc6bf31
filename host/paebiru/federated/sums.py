"""The masked sums of a federation's rounds: which boards sum together, what they are asked, and
what comes of it (SPEC-secure.md, and SPEC-node.md section 2 for the objects).

Pure of I/O and time.  A round has one sum for each group; `rounds.Federation` drives them:

    begin       each group has a ticket that was never used: what boards send is part of that sum
    seal        no more parts: what is asked follows from those that are there, and from nothing
                else, so that a hub that starts over asks the same question again
    answer      until each sum has as many answers as its threshold, or nobody is waited for
    outcome     the exact sum over all groups that could be unmasked, and whose boards it has
"""

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from paebiru.errors import UsageError
from paebiru.federated.ranges import half_up
from paebiru.federated.secure import Int64, SecureRound, ThresholdError
from sil import protocol as p
from sil.errors import FormatError
from sil.groups import NAME_SIZE
from sil.link.fields import put32
from sil.masks import MAX_CLIP

Tickets = dict[bytes, int]
Average = Callable[[Int64, int], Int64]
"""Makes an update, Q14, of a sum, Q14, and the number of boards in it."""


@dataclass(frozen=True)
class Members:
    """A group as its hub knows it: who is in it, and not one of its secrets."""

    name: bytes
    threshold: int
    devices: tuple[bytes, ...]
    """The device of each index, from 1; empty where it has left."""


class Sums:
    """The groups of a federation, and their sums of the open round.

    Args:
        groups: no device is in two of them.
        new_ticket: returns a number that a group's sums never had, durable before it returns.
        clip: the boards' own, L2 norm in Q12; 0 for none.

    Raises:
        UsageError: there is no group, or the clip is out of range.
    """

    def __init__(
        self,
        groups: Iterable[Members],
        new_ticket: Callable[[bytes], int],
        clip: int = 0,
    ) -> None:
        self.groups = {group.name: group for group in groups}
        if not self.groups:
            raise UsageError("masked sums need a group of boards: deal one (paebiru keys group)")
        if not 0 <= clip <= MAX_CLIP:
            raise UsageError(f"a clip of {clip} is out of range: give up to 4096 (0.5 halves it)")
        self.clip = clip
        self.average: Average = half_up
        self._new_ticket = new_ticket
        self._places = {
            device: (group.name, index)
            for group in self.groups.values()
            for index, device in enumerate(group.devices, 1)
            if device
        }
        self._sums: dict[bytes, SecureRound] = {}
        self._questions: dict[bytes, bytes] = {}
        self._helped: set[bytes] = set()
        self.asks_absent = False
        """Boards that are not in the sum are asked as well: too few of those in it answer."""
        self._few: list[str] = []
        self.failed: list[str] = []
        """Why sums of the round came to nothing, a line each."""

    def able(self, devices: Iterable[bytes]) -> list[bytes]:
        """Return those of these boards whose group has enough of them for a sum."""
        there = [device for device in devices if device in self]
        names = [self._places[device][0] for device in there]
        return [
            device
            for device, name in zip(there, names, strict=True)
            if names.count(name) >= self.groups[name].threshold
        ]

    def __contains__(self, device: object) -> bool:
        return device in self._places

    # -- a round begins

    def draw(self) -> Tickets:
        """Return new tickets, one for each group."""
        return {name: self._new_ticket(name) for name in self.groups}

    def begin(self, tickets: Mapping[bytes, int], weights: int) -> None:
        """Begin the sums of a round.

        Raises:
            UsageError: they are of other groups than these.
        """
        if set(tickets) != set(self.groups):
            raise UsageError(
                "the open round sums other groups than the key file has: put that file back, or"
                " give the round up (paebiru store rollback with --drop)"
            )
        self.end()
        self._few, self.failed, self.asks_absent = [], [], False
        for name, group in self.groups.items():
            n = len(group.devices)
            self._sums[name] = SecureRound(name, n, group.threshold, weights, tickets[name])

    def end(self) -> None:
        """Forget the sums of the round."""
        self._sums = {}
        self._questions = {}
        self._helped = set()

    def part(self, device: bytes) -> bytes:
        """Return what ORDER says of a board's sum: the group, the ticket, the clip."""
        name = self._places[device][0]
        out = bytearray(p.SUM_SIZE)
        out[:NAME_SIZE] = name
        put32(out, NAME_SIZE, self._sums[name].ticket)
        put32(out, NAME_SIZE + 4, self.clip)
        return bytes(out)

    def check(self, device: bytes, body: bytes) -> None:
        """Make sure that a MASKED is this board's part in its group's sum.

        Raises:
            FormatError: it is not.
        """
        name, index = self._places.get(device, (b"", 0))
        if name not in self._sums:
            raise FormatError("a masked update of a board that is in no group here")
        if self._sums[name].check(body) != index:
            raise FormatError("a masked update in another board's name")

    def size(self, device: bytes) -> int:
        """Return the bytes of this board's part; 0 outside of a round, or for others."""
        one = self._sums.get(self._places.get(device, (b"", 0))[0])
        return one.size if one is not None else 0

    # -- what is asked

    @property
    def is_sealed(self) -> bool:
        """Tell whether questions are out."""
        return bool(self._sums) and all(s.is_sealed for s in self._sums.values())

    def seal(self, parts: Mapping[bytes, bytes]) -> None:
        """Take these parts, by device, and no others: what boards are asked follows, once."""
        if self.is_sealed:
            return
        for device in sorted(parts):
            self._sums[self._places[device][0]].take(parts[device])
        for name, one in self._sums.items():
            try:
                asked = one.requests()
            except ThresholdError as error:
                one.is_sealed = True
                if one.masked:
                    self._few.append(f"group {name.hex()}: {error}")
                continue
            devices = self.groups[name].devices
            found = {devices[index - 1]: body for index, body in asked.items()}
            self._questions |= {device: body for device, body in found.items() if device}

    def question(self, device: bytes) -> bytes:
        """Return what a board is to be asked, while its answer is of use; empty if nothing is.

        A board that is not in the sum but helps with it has no part to send for it any more,
        so those are asked only when the others are too few (`asks_absent`).
        """
        if device not in self._questions or device in self._helped:
            return b""
        name, index = self._places[device]
        one = self._sums[name]
        if not (index in one.masked or self.asks_absent) or one.is_solved():
            return b""
        return self._questions[device]

    def is_asked(self, device: bytes) -> bool:
        """Tell whether an answer of this board would be one to a question of ours."""
        return device in self._questions

    def has_helped(self, device: bytes) -> bool:
        """Tell whether this board's answer is there."""
        return device in self._helped

    def answer(self, device: bytes, body: bytes) -> None:
        """Count a board's answer.

        Raises:
            FormatError: it is damaged, or no answer to what the board was asked.
        """
        name, index = self._places.get(device, (b"", 0))
        if device not in self._questions or len(body) < 13 or body[12] != index:
            raise FormatError("an answer that nobody asked this board for")
        self._sums[name].answer(body)
        self._helped.add(device)

    def is_done(self) -> bool:
        """Tell whether every sum that can come about has its answers."""
        return all(self._sums[name].is_solved() for name in self._asked())

    def _asked(self) -> list[bytes]:
        return sorted({self._places[device][0] for device in self._questions})

    # -- what comes of it

    def update(self, is_private: bool) -> tuple[Int64 | None, set[bytes]]:
        """Return the update, Q14, that the sums make, and the devices that are in it.

        None where no sum came about; not in a private round, whose noise must not tell by its
        absence.
        """
        total, counted = self.outcome()
        if total is None and is_private:
            weights = next(iter(self._sums.values())).weights
            total = np.zeros(weights, dtype=np.int64)
        return None if total is None else self.average(total, len(counted)), counted

    def outcome(self) -> tuple[Int64 | None, set[bytes]]:
        """Return the sum [weights] over all groups, Q14, and the devices that are in it.

        None and nobody where no sum came about; `failed` has the reasons.
        """
        total: Int64 | None = None
        counted: set[bytes] = set()
        self.failed = list(self._few)
        for name in self._asked():
            one, devices = self._sums[name], self.groups[name].devices
            try:
                found = one.total()
            except ThresholdError as error:
                self.failed.append(f"group {name.hex()}: {error}")
                continue
            for index in sorted(one.false):
                self.failed.append(
                    f"group {name.hex()}: board {devices[index - 1].hex()} told false shares"
                )
            total = found if total is None else np.add(total, found)
            counted |= {devices[index - 1] for index in one.present}
        return total, counted


def named(tickets: Tickets) -> dict[str, Any]:
    """Return what a round's settings in the journal say of its tickets; nothing without any."""
    return {"sums": {name.hex(): ticket for name, ticket in tickets.items()}} if tickets else {}


def tickets_of(settings: str) -> Tickets:
    """Return the tickets that a round's settings in the journal have; empty without masks."""
    found: dict[str, int] = json.loads(settings).get("sums", {})
    return {bytes.fromhex(name): ticket for name, ticket in found.items()}


def begin_again(sums: Sums | None, number: int, settings: str, weights: int) -> None:
    """Begin the sums of a round that is open in the journal, by its settings.

    Raises:
        UsageError: it was begun with masks and there are none now, or the other way round.
    """
    tickets = tickets_of(settings)
    if bool(tickets) != (sums is not None):
        was, now = ("with", "give") if tickets else ("without", "leave out")
        raise UsageError(f"round {number} was begun {was} masks: {now} --secure until it is closed")
    if sums is not None:
        sums.begin(tickets, weights)
