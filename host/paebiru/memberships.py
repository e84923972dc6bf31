"""Which boards sum together under masks: dealt over USB, known to the hub by place alone.

In the hub's key file, beside the keys.  `deal` has the secrets of a group in memory, stores each
membership on its board, and keeps none: who has them reads every update (SPEC-secure.md).
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from paebiru.enrollment import Runner, identify, keep
from paebiru.errors import UsageError
from paebiru.federated.secure import deal as dealt
from paebiru.federated.sums import Members
from paebiru.key_file import KeyFile
from paebiru.keys import padded
from sil import groups

MOST = 512  # bytes of one saved value on a board

_SCHEMA = """
CREATE TABLE IF NOT EXISTS groups (
  name BLOB PRIMARY KEY,             -- 8 bytes
  threshold INTEGER NOT NULL,
  members INTEGER NOT NULL,
  ticket INTEGER NOT NULL DEFAULT 0, -- of its last masked sum; never goes back
  since REAL NOT NULL                -- when it was dealt, unix time
);
CREATE TABLE IF NOT EXISTS members (
  device BLOB PRIMARY KEY,           -- a board is in one group
  name BLOB NOT NULL REFERENCES groups(name),
  place INTEGER NOT NULL             -- from 1
);
"""


@dataclass(frozen=True)
class Listed:
    """What `paebiru keys groups` tells of a group."""

    group: Members
    ticket: int
    since: float


class Memberships:
    """The groups of a hub's key file; every function raises `StoreError` where the file fails."""

    def __init__(self, path: Path) -> None:
        self._file = KeyFile(path, _SCHEMA)

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def add(self, name: bytes, threshold: int, devices: Sequence[bytes]) -> None:
        """Have boards be a group, in this order; they leave the groups that they were in."""
        with self._file.change():
            self._file.run(
                "INSERT INTO groups VALUES (?, ?, ?, 0, ?)",
                (name, threshold, len(devices), time.time()),
            )
            for place, device in enumerate(devices, 1):
                row = padded(device), name, place
                self._file.run("INSERT OR REPLACE INTO members VALUES (?, ?, ?)", row)

    def remove(self, device: bytes) -> bool:
        """Have a board be in no group; tell whether it was in one."""
        with self._file.change():
            return bool(self._file.run("DELETE FROM members WHERE device = ?", (padded(device),)))

    def all(self) -> list[Listed]:
        """Return the groups that have boards, the oldest first."""
        rows = self._file.rows("SELECT * FROM groups ORDER BY since, name")
        found = []
        for name, threshold, count, ticket, since in rows:
            places = [b""] * count
            for device, place in self._file.rows(
                "SELECT device, place FROM members WHERE name = ?", (name,)
            ):
                places[place - 1] = device
            if any(places):
                found.append(Listed(Members(name, threshold, tuple(places)), ticket, since))
        return found

    def groups(self) -> list[Members]:
        """Return the groups that have enough boards left to unmask a sum."""
        listed = [entry.group for entry in self.all()]
        return [group for group in listed if sum(map(bool, group.devices)) >= group.threshold]

    def new_ticket(self, name: bytes) -> int:
        """Return a number that no sum of a group has had; durable when it returns."""
        with self._file.change():
            self._file.run("UPDATE groups SET ticket = ticket + 1 WHERE name = ?", (name,))
            found = self._file.rows("SELECT ticket FROM groups WHERE name = ?", (name,))
        return int(found[0][0])


def deal(
    boards: Sequence[Callable[[], Runner]],
    store: Memberships,
    threshold: int | None = None,
    devices: Sequence[bytes] = (),
) -> Members:
    """Deal a group among boards, each of which is opened in its turn; return it.

    The hub's file takes it when every board has its membership.

    Raises:
        UsageError: the size or the threshold makes no group; a board has no id, comes twice, or
            does not keep its membership: what was dealt is worth nothing then, deal again.
    """
    stored = dealt(len(boards), threshold)
    found: list[bytes] = []
    for number, (opened, membership) in enumerate(zip(boards, stored, strict=True)):
        board = opened()
        device = devices[number] if devices else identify(board)
        if not device:
            raise UsageError("this board has no id of its own; name all in turn: --device HEX")
        if device in found:
            raise UsageError(f"board {device.hex()} comes twice: a group has each board once")
        give(board, membership)
        found.append(device)
    group = groups.unpack(stored[0])
    store.add(group.name, group.threshold, found)
    return Members(group.name, group.threshold, tuple(found))


def leave(board: Runner, store: Memberships, device: bytes) -> bool:
    """Take a board out of its group; tell whether the hub's file had it in one.

    The board comes first: where that fails, the file is as it was, and it may be tried again.

    Raises:
        UsageError: the board did not forget its membership.
    """
    give(board, b"")
    return store.remove(device)


def give(board: Runner, membership: bytes) -> None:
    """Store a membership on a board; an empty one takes it out of its group.

    Raises:
        UsageError: the board did not keep it.
    """
    for key, value in values(membership).items():
        keep(board, key, value)


def values(membership: bytes) -> dict[str, bytes]:
    """Return under which keys a board saves its membership, in the order in which it is to."""
    return {"group_2": membership[MOST:], "group": membership[:MOST]}
