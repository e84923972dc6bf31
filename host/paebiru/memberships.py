"""Which boards sum together under masks: dealt over USB, known to the hub by place alone.

In the hub's key file, beside the keys.  `deal` has the secrets of a group in memory, stores each
membership on its board, and keeps none: who has them reads every update (SPEC-secure.md).
"""

import sqlite3
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from paebiru.enrollment import Runner, identify, keep
from paebiru.errors import UsageError
from paebiru.federated.secure import deal as dealt
from paebiru.federated.sums import Members
from sil import groups
from sil.link.messages import DEVICE_SIZE

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
    """The groups of a hub's key file."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch(mode=0o600)
        self._db = sqlite3.connect(path, isolation_level=None)
        self._db.execute("PRAGMA journal_mode=WAL")
        self._db.execute("PRAGMA synchronous=FULL")  # a ticket that came back would be used twice
        self._db.executescript(_SCHEMA)

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    def add(self, name: bytes, threshold: int, devices: Sequence[bytes]) -> None:
        """Have boards be a group, in this order; they leave the groups that they were in."""
        self._db.execute("BEGIN IMMEDIATE")
        self._db.execute(
            "INSERT INTO groups VALUES (?, ?, ?, 0, ?)",
            (name, threshold, len(devices), time.time()),
        )
        for place, device in enumerate(devices, 1):
            row = device.ljust(DEVICE_SIZE, b"\0"), name, place
            self._db.execute("INSERT OR REPLACE INTO members VALUES (?, ?, ?)", row)
        self._db.execute("COMMIT")

    def remove(self, device: bytes) -> None:
        """Have a board be in no group.

        Raises:
            UsageError: it is in none.
        """
        padded = device.ljust(DEVICE_SIZE, b"\0")
        if not self._db.execute("DELETE FROM members WHERE device = ?", (padded,)).rowcount:
            raise UsageError(f"{device.hex()} is in no group; see: paebiru keys groups")

    def all(self) -> list[Listed]:
        """Return the groups that have boards, the oldest first."""
        rows = self._db.execute("SELECT * FROM groups ORDER BY since, name").fetchall()
        found = []
        for name, threshold, count, ticket, since in rows:
            places = [b""] * count
            for device, place in self._db.execute(
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
        self._db.execute("BEGIN IMMEDIATE")
        self._db.execute("UPDATE groups SET ticket = ticket + 1 WHERE name = ?", (name,))
        row = self._db.execute("SELECT ticket FROM groups WHERE name = ?", (name,)).fetchone()
        self._db.execute("COMMIT")
        return int(row[0])


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


def give(board: Runner, membership: bytes) -> None:
    """Store a membership on a board; an empty one takes it out of its group.

    Raises:
        UsageError: the board did not keep it.
    """
    keep(board, "group_2", membership[MOST:])
    keep(board, "group", membership[:MOST])
