"""The SQLite file of a hub's keys and groups: durable changes, and what fails told in words."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from paebiru.store.errors import told


class KeyFile:
    """A connection to the file, which is readable by its owner alone.

    Args:
        path: made if it is not there.
        schema: of the tables that are needed; those that are there stay.

    Raises:
        StoreError: it is damaged, in use, or cannot be written.
    """

    def __init__(self, path: Path, schema: str) -> None:
        self.path = path
        with told(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch(mode=0o600)
            self._db = sqlite3.connect(path, isolation_level=None)
            try:
                self._db.execute("PRAGMA journal_mode=WAL")
                self._db.execute("PRAGMA synchronous=FULL")  # a number that came back is used twice
                self._db.executescript(schema)
            except BaseException:
                self._db.close()
                raise

    def close(self) -> None:
        """Close the file."""
        with told(self.path):
            self._db.close()

    @property
    def changes(self) -> int:
        """How many rows were changed by this connection."""
        return self._db.total_changes

    @contextmanager
    def change(self) -> Iterator[None]:
        """One transaction, durable when the block is left.

        Raises:
            StoreError: it could not be made durable; nothing of it was done.
        """
        with told(self.path):
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield
                self._db.execute("COMMIT")
            finally:
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")

    def run(self, sql: str, args: tuple[Any, ...] = ()) -> int:
        """Execute a statement of a `change`; return how many rows it changed."""
        return self._db.execute(sql, args).rowcount

    def rows(self, sql: str, args: tuple[Any, ...] = ()) -> list[Any]:
        """Return what a query finds."""
        with told(self.path):
            return self._db.execute(sql, args).fetchall()
