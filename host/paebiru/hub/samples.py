"""What places were labelled with, in their store: durable before it is learned from.

A table beside the rounds of layer 5's federation, in the same file: one lock, one sync, and
every row sealed like those that models follow from (`paebiru.store.rows`).
"""

from dataclasses import dataclass
from typing import NamedTuple

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
    """

    def __init__(self, store: Store, capacity: dict[str, int]) -> None:
        self._db = store.db
        self._capacity = capacity
        with self._db.change():
            self._db.run(_SCHEMA)
        self.keeping: Group[Kept] = Group(self._write)

    def last(self) -> int:
        """Return the id of the newest one of any place; 0 before the first."""
        return int(self._db.rows("SELECT ifnull(max(id), 0) FROM samples")[0][0])

    def of(self, place: str, inputs: int) -> list[SampleRow]:
        """Return the samples of a place, the oldest first.

        Raises:
            StoreError: one is damaged, or of another size than `inputs`.
        """
        found = rows.select(self._db, SampleRow, "WHERE place = ? ORDER BY id", (place,))
        if any(len(row.inputs) != inputs for row in found):
            raise damaged(self._db.path, f"a sample of {place} that has not {inputs} inputs")
        return found

    def _write(self, items: list[Kept]) -> list[StoreError | None]:
        try:
            with self._db.change():
                for item in items:
                    for old in item.instead:
                        self._db.run("DELETE FROM samples WHERE id = ?", (old,))
                    rows.put(self._db, item.row)
                for place in {item.row.place for item in items}:
                    self._let_go(place)
        except StoreError as error:
            return [error] * len(items)
        return [None] * len(items)

    def _let_go(self, place: str) -> None:
        self._db.run(
            "DELETE FROM samples WHERE place = ? AND id <="
            " (SELECT id FROM samples WHERE place = ? ORDER BY id DESC LIMIT 1 OFFSET ?)",
            (place, place, self._capacity[place]),
        )
