"""The store of one hub: a folder, its lock, and the journal of its rounds.

Every function that changes something returns when the change is durable, or raises
`StoreError` and has changed nothing.  `add_update` alone returns at once and tells later.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from paebiru.errors import UsageError
from paebiru.store import rows, wal
from paebiru.store.blobs import Blobs, make_folder
from paebiru.store.database import Database
from paebiru.store.errors import StoreError, damaged, told
from paebiru.store.group import Group, Told
from paebiru.store.history import History
from paebiru.store.notes import Notes
from paebiru.store.rows import RoundRow, State, UpdateRow
from sil.link.messages import E_STATE

FILE = "hub.sqlite"


class Store:
    """What a hub keeps.

    Args:
        folder: where; made if it is not there.

    Raises:
        StoreError: another hub has it, it is damaged, of another version, or cannot be written.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        with told(folder):
            make_folder(folder)
        self._lock = _lock(folder / "lock")
        try:
            with told(folder):
                wal.check(folder / f"{FILE}-wal")
            self.db = Database(folder / FILE)
            self.blobs = Blobs(folder / "blobs")
            self.notes = Notes(self.db)
            self.history = History(self.db, self.blobs, self.change)
            self.updates: Group[UpdateRow] = Group(self._write)
            self.blobs.sweep(self.history.blobs())
        except BaseException:
            self._lock.close()
            raise

    def close(self) -> None:
        """Write what waits, and let others have the folder."""
        try:
            self.updates.drain()
            self.notes.flush()
        finally:
            self.db.close()
            self._lock.close()

    @contextmanager
    def change(self) -> Iterator[None]:
        """One transaction for several calls; it takes the notes along."""
        if self.db.is_changing():
            yield
            return
        with self.db.change():
            yield
            self.notes.write()
        self.notes.written()

    # -- rounds

    def last_number(self) -> int:
        """Return the number of the newest round of any branch; 0 before the first."""
        return int(self.db.rows("SELECT ifnull(max(number), 0) FROM rounds")[0][0])

    def round(self, number: int) -> RoundRow:
        """Return a round.

        Raises:
            UsageError: there is none of that number.
        """
        found = rows.select(self.db, RoundRow, "WHERE number = ?", (number,))
        if not found:
            raise UsageError(f"there is no round {number}: they end at {self.last_number()}")
        return found[0]

    def rounds(self, branch: int | None = None, limit: int = -1) -> list[RoundRow]:
        """Return the newest rounds, of a branch or all, the newest last."""
        which = "" if branch is None else f"WHERE branch = {branch:d}"
        rest = f"{which} ORDER BY number DESC LIMIT {limit:d}"
        return rows.select(self.db, RoundRow, rest)[::-1]

    def published(self, limit: int, offset: int) -> tuple[int, list[RoundRow]]:
        """Return how many rounds of all branches are published, and a part, the newest first."""
        which = "WHERE state = 'published'"
        total = int(self.db.rows(f"SELECT count(*) FROM rounds {which}")[0][0])
        rest = f"{which} ORDER BY number DESC LIMIT ? OFFSET ?"
        return total, rows.select(self.db, RoundRow, rest, (limit, offset))

    def unfinished(self, branch: int) -> RoundRow | None:
        """Return the round of a branch that is neither published nor dropped."""
        rest = "WHERE state <> 'published' AND state <> 'dropped' AND branch = ?"
        found = rows.select(self.db, RoundRow, rest, (branch,))
        if len(found) > 1:
            raise damaged(self.db.path, f"two open rounds of branch {branch}")
        return found[0] if found else None

    def put_round(self, row: RoundRow) -> None:
        """Write a round as it is now."""
        with self.change():
            rows.put(self.db, row)

    # -- updates

    def add_update(self, row: UpdateRow, done: Told) -> None:
        """Make an update durable with others; ``done(None)`` when it is, or ``done(error)``.

        The first one of a board in a round stays; another one is told durable and left.
        """
        self.updates.add(row, done)

    def updates_of(self, number: int) -> list[UpdateRow]:
        """Return the updates of a round, by device."""
        return rows.select(self.db, UpdateRow, "WHERE round = ? ORDER BY device", (number,))

    def counted(self, checkpoint: int) -> tuple[dict[bytes, int], dict[bytes, bytes]]:
        """Return each board's last round that a checkpoint follows from, and what it was about.

        The first part is the round's number, the second the name of the round's base.
        """
        line = set(self.history.line(checkpoint))
        rounds: dict[bytes, int] = {}
        bases: dict[bytes, bytes] = {}
        for row in self.rounds():
            if row.number not in line:
                continue
            # The round before may have left the model as it was: see `rounds.Federation`.
            bases = {device: base for device, base in bases.items() if base != row.base_name}
            for device in row.devices():
                rounds[device] = row.number
                bases[device] = row.base_name
        return rounds, bases

    def _write(self, items: list[UpdateRow]) -> list[StoreError | None]:
        try:
            with self.db.change():
                return [self._write_one(item) for item in items]
        except StoreError as error:
            return [error] * len(items)

    def _write_one(self, item: UpdateRow) -> StoreError | None:
        key = (item.round, item.device)
        if self.db.rows("SELECT 1 FROM updates WHERE round = ? AND device = ?", key):
            return None
        state = self.db.rows("SELECT state FROM rounds WHERE number = ?", key[:1])
        if not state or state[0][0] != State.OPEN:
            return StoreError(f"round {item.round} is not open", E_STATE)
        rows.put(self.db, item)
        return None

    def drop_bodies(self, number: int) -> None:
        """Let go what the boards of a round have sent; who took part stays."""
        with self.change():
            self.db.run("UPDATE updates SET body = NULL WHERE round = ?", (number,))


def _lock(path: Path) -> sqlite3.Connection:
    """Take a lock that ends with this process, on every system that SQLite runs on."""
    with told(path):
        held = sqlite3.connect(path, timeout=0, isolation_level=None, check_same_thread=False)
        try:
            held.execute("PRAGMA journal_mode=MEMORY")  # nothing is ever written to it
            held.execute("BEGIN EXCLUSIVE")
        except sqlite3.OperationalError as error:
            held.close()
            if "locked" not in str(error):
                raise
            raise StoreError(
                f"{path.parent} is in use by a hub: stop that one first, or give another folder"
            ) from None
    return held
