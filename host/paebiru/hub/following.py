"""Which boards follow the branch that a hub holds, and how each of them gets to its model.

A board is of the branch that its hub holds, unless it was given one of its own: that is kept over
starts of the hub, and boards of other branches are left alone (layer D).  What a board cannot say
of itself, the models of its older checkpoints, is remembered: where one of them is wanted, the
board goes back to it (layer F) and need not be sent it.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from paebiru.device import Device
from paebiru.federated.durable import Durable
from paebiru.federated.rounds import Federation
from paebiru.store import StoreError
from sil import protocol as p
from sil import protocol_hub as said

_PATIENCE = 10.0  # s for a board to go back to an older checkpoint


@dataclass
class _Board:
    """What is remembered of a board; hex digits are those of models' names."""

    generation: int = -1
    """Of its newest checkpoint."""
    model: str = ""
    before: str = ""
    """The model of the checkpoint before that one: the board has two."""
    pinned: str = ""
    own: int | None = None
    """The branch that it was given."""


_Wish = tuple[int, bytes, int]
"""A CONTROL, what follows it, and the generation of the board that is asked."""


@dataclass
class _Asked:
    """What a board was asked for, and has not done yet."""

    wish: _Wish
    since: float
    is_sent: bool = False


class Following:
    """The boards of one hub.

    Args:
        federation: what they learn; a durable one remembers them too.
        now: the clock, s.
    """

    def __init__(
        self, federation: Federation | None, now: Callable[[], float] = time.monotonic
    ) -> None:
        self.now = now
        self._federation = federation
        self._notes = federation.store.notes if isinstance(federation, Durable) else None
        self._boards: dict[bytes, _Board] = {}
        self._asked: dict[bytes, _Asked] = {}
        self._vain: set[tuple[bytes, _Wish]] = set()
        for board in self._notes.boards() if self._notes else []:
            self._boards[board.device] = _read(board.status)

    def given(self, device: bytes) -> int | None:
        """Return the branch that a board was given, if any."""
        return self._board(device).own

    def is_ours(self, device: bytes) -> bool:
        """Tell whether a board is of the branch that is held."""
        assert self._federation is not None
        return self.given(device) in (None, self._federation.branch)

    def all_have(self, model: bytes, devices: Mapping[bytes, Device]) -> bool:
        """Tell whether the boards there that are of the branch have this model."""
        there = [device.status for name, device in devices.items() if self.is_ours(name)]
        return all(status is not None and status.model == model for status in there)

    def give(self, device: bytes, branch: int | None) -> None:
        """Give a board a branch of its own, or None; durable when it returns.

        Raises:
            StoreError: it cannot be made durable; the board has the branch of before.
        """
        board = self._board(device)
        before, board.own = board.own, branch
        self._keep(device)
        try:
            if self._notes:
                self._notes.flush()
        except StoreError:
            board.own = before
            self._keep(device)  # else the next flush would make it durable after all
            raise

    def pinned(self, device: bytes, model: bytes) -> None:
        """Remember that a board was told to pin a model, if it is the one that it has."""
        board = self._board(device)
        if board.model == model.hex():
            board.pinned = board.model
            self._keep(device)

    def came(self, device: bytes) -> None:
        """Hear that a board is there anew: it may be asked again."""
        self._asked.pop(device, None)
        self._vain = {vain for vain in self._vain if vain[0] != device}

    def heard(self, device: bytes, status: said.Status) -> None:
        """Hear where a board stands."""
        board = self._board(device)
        if status.generation != board.generation:
            follows = status.generation == board.generation + 1
            board.before = board.model if follows else ""
        elif status.model.hex() == board.model:
            return
        board.generation, board.model = status.generation, status.model.hex()
        self._keep(device)

    def waits(self, device: bytes) -> bool:
        """Tell whether a board has not done yet what it was asked for."""
        return device in self._asked

    def leads(self, device: Device) -> bool:
        """Ask a board for what is to be done before it is served; True if nothing is.

        It answers by a STATUS of another generation.  One that has not gone back in time cannot,
        and is served as it is.
        """
        assert device.status is not None
        name, status = device.name, device.status
        for what, rest in self._wishes(name, status):
            wish = what, rest, status.generation
            if (name, wish) in self._vain:
                continue
            asked = self._asked.get(name)
            if asked is None or asked.wish != wish:
                asked = self._asked[name] = _Asked(wish, self.now())
            asked.is_sent = asked.is_sent or device.control(what, rest)
            if what == p.FORK or self.now() - asked.since < _PATIENCE:
                return False
            self._vain.add((name, wish))
        self._asked.pop(name, None)
        return self.is_ours(name)

    def _wishes(self, device: bytes, status: said.Status) -> list[tuple[int, bytes]]:
        federation = self._federation
        assert federation is not None
        if status.phase == p.EMPTY or status.is_safe:
            return []
        wishes = []
        board = self._board(device)
        is_behind = status.model in (federation.name, federation.before)
        has_it = federation.name.hex() in (board.before, board.pinned)
        if self.is_ours(device) and has_it and not is_behind:
            wishes.append((p.ROLLBACK, federation.name))
        branch = federation.branch if board.own is None else board.own
        if status.branch != branch:
            wishes.append((p.FORK, bytes((branch,))))
        return wishes

    def _board(self, device: bytes) -> _Board:
        return self._boards.setdefault(device, _Board())

    def _keep(self, device: bytes) -> None:
        if self._notes:
            self._notes.seen(device, status=asdict(self._boards[device]))


def _read(status: dict[str, Any]) -> _Board:
    """Return what was remembered of a board, as far as this version knows it."""
    known = _Board()
    return _Board(**{key: status[key] for key in vars(known) if key in status})
