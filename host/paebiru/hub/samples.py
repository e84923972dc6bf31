"""What places were labelled with, in their store: durable before it is learned from.

Tables beside the rounds of layer 5's federation, in the same file: one lock, one sync, and
every row sealed like those that models follow from (`paebiru.store.rows`).

A round learns the samples that there were when it began.  So a label that gives way, to its
correction or for want of room, is kept beside until no round needs it: a hub that is killed in a
round goes on with the same samples.
"""

from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

from paebiru.store import Store, StoreError, rows
from paebiru.store.errors import damaged
from paebiru.store.group import Group
from paebiru.store.rows import Row

_SCHEMA = """
CREATE TABLE IF NOT EXISTS samples (
  id INTEGER PRIMARY KEY, place TEXT NOT NULL, time REAL NOT NULL, found TEXT NOT NULL,
  guess INTEGER NOT NULL, inputs BLOB NOT NULL, seal BLOB NOT NULL
)
"""
_PAST_SCHEMA = """
CREATE TABLE IF NOT EXISTS past_samples (
  id INTEGER PRIMARY KEY, place TEXT NOT NULL, time REAL NOT NULL, found TEXT NOT NULL,
  guess INTEGER NOT NULL, inputs BLOB NOT NULL, ended INTEGER NOT NULL, seal BLOB NOT NULL
)
"""
NO_GUESS = -1


@dataclass(frozen=True)
class SampleRow(Row):
    """One labelled state."""

    TABLE = "samples"
    KEYS = ("id",)

    id: int
    """Grows from label to label, of all places; a correction has a new one."""
    place: str
    time: float
    """Unix time, when it was labelled."""
    found: str
    """The class, by name: numbers change with the list of classes."""
    guess: int
    """1 or 0: layer 5's model had it right or wrong before it learned it; `NO_GUESS`: no model."""
    inputs: bytes


@dataclass(frozen=True)
class PastRow(SampleRow):
    """One that has given way."""

    TABLE = "past_samples"

    ended: int
    """The id of the label that it gave way to."""


class Kept(NamedTuple):
    """A label that is to be kept."""

    row: SampleRow
    instead: tuple[int, ...] = ()
    """The ids that its state was labelled under before: these go."""


class Samples:
    """The labelled states of a hub's places; `keeping.add` makes one durable and tells.

    Args:
        store: where they are.
        capacity: by place, how many are kept; the oldest gives way.

    Attributes:
        floor: no round will ask any more for what gave way to this label or one before it.
    """

    def __init__(self, store: Store, capacity: dict[str, int]) -> None:
        self._db = store.db
        self._capacity = capacity
        with self._db.change():
            self._db.run(_SCHEMA)
            self._db.run(_PAST_SCHEMA)
        self.floor = 0
        self.keeping: Group[Kept] = Group(self._write)

    def last(self) -> int:
        """Return the id of the newest one of any place; 0 before the first."""
        return int(self._db.rows("SELECT ifnull(max(id), 0) FROM samples")[0][0])

    def at(self, place: str, inputs: int, last: int) -> tuple[list[SampleRow], list[Kept]]:
        """Return a place's samples when label `last` was the newest, and what came behind it.

        Both the oldest first.  What gave way before `floor` is not there any more.

        Raises:
            StoreError: one is damaged, or of another size than `inputs`.
        """
        which = "WHERE place = ? ORDER BY id"
        past = rows.select(self._db, PastRow, which, (place,))
        every = [*rows.select(self._db, SampleRow, which, (place,)), *past]
        if any(len(row.inputs) != inputs for row in every):
            raise damaged(self._db.path, f"a sample of {place} that has not {inputs} inputs")
        every.sort(key=lambda row: row.id)
        over = {row.id for row in past if row.ended <= last}
        there = [row for row in every if row.id <= last and row.id not in over]
        behind = [
            Kept(row, tuple(old.id for old in past if old.ended == row.id))
            for row in every
            if row.id > last
        ]
        return there, behind

    def _write(self, items: list[Kept]) -> list[StoreError | None]:
        try:
            with self._db.change():
                for item in items:
                    for old in item.instead:
                        self._give_way("WHERE id = ?", (old,), item.row.id)
                    rows.put(self._db, item.row)
                    place = item.row.place
                    which = "WHERE place = ? ORDER BY id DESC LIMIT -1 OFFSET ?"
                    self._give_way(which, (place, self._capacity[place]), item.row.id)
                self._db.run("DELETE FROM past_samples WHERE ended <= ?", (self.floor,))
        except StoreError as error:
            return [error] * len(items)
        return [None] * len(items)

    def _give_way(self, which: str, args: tuple[Any, ...], to: int) -> None:
        for row in rows.select(self._db, SampleRow, which, args):
            rows.put(self._db, PastRow(**asdict(row), ended=to))
            self._db.run("DELETE FROM samples WHERE id = ?", (row.id,))
