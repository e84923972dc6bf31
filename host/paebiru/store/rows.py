"""The rows that models follow from, each sealed by a hash: SQLite does not see a flipped bit.

A row's class names the columns of its table, in their order; `seal` is the table's last one.
Every read checks it, so what was altered behind our back is an error, never a model.
"""

from dataclasses import asdict, astuple, dataclass, fields, replace
from enum import StrEnum
from hashlib import sha256
from typing import Any, ClassVar, TypeVar

from paebiru.store.database import Database
from paebiru.store.errors import damaged
from sil.link.messages import DEVICE_SIZE


class State(StrEnum):
    """How far a round has got."""

    OPEN = "open"
    SEALED = "sealed"
    AGGREGATED = "aggregated"
    PUBLISHED = "published"
    DROPPED = "dropped"
    """Given up by whoever went back to an older model; nothing came of it."""


@dataclass(frozen=True)
class Row:
    """What all rows have in common."""

    TABLE: ClassVar[str]
    KEYS: ClassVar[tuple[str, ...]]


@dataclass(frozen=True)
class RoundRow(Row):
    """One round of the journal."""

    TABLE = "rounds"
    KEYS = ("number",)

    number: int
    branch: int
    state: str
    """A `State`."""
    base: int
    """The checkpoint that it goes on from."""
    base_name: bytes
    settings: str
    """JSON: by what rules it is held and closed."""
    opened: float
    """Unix time."""
    closed: float | None = None
    secret: bytes | None = None
    """What its noise follows from; forgotten when it is published."""
    roster: bytes | None = None
    """The boards whose updates count, 8 bytes each, sorted; from SEALED on."""
    result: bytes | None = None
    """The blob of the state that came of it; from AGGREGATED on."""
    name: bytes | None = None
    """Of the model that came of it."""
    figures: str | None = None
    """JSON: what is told of it (accuracy, …)."""

    def is_unpublished(self) -> bool:
        """Tell whether something of it is still to be done."""
        return self.state not in (State.PUBLISHED, State.DROPPED)

    def devices(self) -> list[bytes]:
        """Return the boards of the roster."""
        roster = self.roster or b""
        return [roster[at : at + DEVICE_SIZE] for at in range(0, len(roster), DEVICE_SIZE)]


@dataclass(frozen=True)
class UpdateRow(Row):
    """One board's update; its body is let go when the round is published."""

    TABLE = "updates"
    KEYS = ("round", "device")

    round: int
    device: bytes
    size: int
    """Bytes of the object."""
    samples: int
    right: int
    digest: bytes
    """SHA-256 of the body."""
    time: float
    body: bytes | None


@dataclass(frozen=True)
class CheckpointRow(Row):
    """One model of the history."""

    TABLE = "checkpoints"
    KEYS = ("id",)

    name: bytes
    branch: int
    round: int
    """Of which it came; 0 for the first model, forks and merges."""
    kind: str
    """first, round, fork or merge."""
    blob: bytes | None
    """Its state; None once it was let go."""
    parent: int | None = None
    second: int | None = None
    """The other parent of a merge."""
    accuracy: float | None = None
    time: float = 0.0
    id: int = 0
    """Given by the store."""


@dataclass(frozen=True)
class RefRow(Row):
    """What a branch calls head, best or final."""

    TABLE = "refs"
    KEYS = ("branch", "name")

    branch: int
    name: str
    checkpoint: int


AnyRow = TypeVar("AnyRow", bound=Row)


def seal(row: Row) -> bytes:
    """Return the seal of a row.  A body counts by its digest: it may be let go."""
    values = {key: _plain(value) for key, value in asdict(row).items() if key != "body"}
    return sha256(repr((row.TABLE, values)).encode()).digest()[:8]


def _plain(value: Any) -> Any:
    """Return a value as it will look when SQLite gives it back, whatever kind it is now."""
    if isinstance(value, int | float):
        return float(value)
    return str(value) if isinstance(value, str) else value


def put(db: Database, row: Row) -> None:
    """Write a row, in the place of one with the same key."""
    names = [field.name for field in fields(row)]
    keys = ", ".join(row.KEYS)
    changed = ", ".join(f"{n} = excluded.{n}" for n in (*names, "seal") if n not in row.KEYS)
    marks = ", ".join("?" * (len(names) + 1))
    db.run(
        f"INSERT INTO {row.TABLE} ({', '.join(names)}, seal) VALUES ({marks})"
        f" ON CONFLICT ({keys}) DO UPDATE SET {changed}",
        (*astuple(row), seal(row)),
    )


def select(
    db: Database, kind: type[AnyRow], rest: str = "", args: tuple[Any, ...] = ()
) -> list[AnyRow]:
    """Return the rows of a table that `rest` (WHERE …, ORDER BY …) leaves.

    Raises:
        StoreError: one is not as it was written.
    """
    names = [field.name for field in fields(kind)]
    found = []
    for *values, sealed in db.rows(
        f"SELECT {', '.join(names)}, seal FROM {kind.TABLE} {rest}", args
    ):
        row = kind(*values)
        if seal(row) != sealed:
            where = ", ".join(f"{key} {_shown(getattr(row, key))}" for key in kind.KEYS)
            raise damaged(db.path, f"a row of {kind.TABLE}, {where}")
        found.append(row)
    return found


def _shown(value: Any) -> str:
    return value.hex() if isinstance(value, bytes) else str(value)


def changed(row: AnyRow, **values: Any) -> AnyRow:
    """Return the row with other values."""
    return replace(row, **values)
