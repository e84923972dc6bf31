"""The SQLite file of a hub: opened with care, changed in transactions that are durable.

WAL and ``synchronous=FULL``: every commit is synced before it returns (NORMAL loses the last
ones at a power cut).  One connection under one lock, so that a thread may commit while others
only wait.
"""

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from paebiru.store.blobs import sync_folder
from paebiru.store.errors import StoreError, damaged, told

VERSION = 1
_APPLICATION = 0x50616562  # "Paeb": tells our files from other SQLite files

_SCHEMA = """
CREATE TABLE rounds (
  number INTEGER PRIMARY KEY, branch INTEGER NOT NULL, state TEXT NOT NULL,
  base INTEGER NOT NULL, base_name BLOB NOT NULL, settings TEXT NOT NULL,
  opened REAL NOT NULL, closed REAL, secret BLOB, roster BLOB, result BLOB, name BLOB,
  figures TEXT, seal BLOB NOT NULL
);
CREATE INDEX unfinished ON rounds (state) WHERE state <> 'published';
CREATE TABLE updates (
  round INTEGER NOT NULL, device BLOB NOT NULL, size INTEGER NOT NULL, samples INTEGER NOT NULL,
  "right" INTEGER NOT NULL, digest BLOB NOT NULL, time REAL NOT NULL, body BLOB,
  seal BLOB NOT NULL, UNIQUE (round, device)
);
CREATE TABLE checkpoints (
  id INTEGER PRIMARY KEY, name BLOB NOT NULL, branch INTEGER NOT NULL, round INTEGER NOT NULL,
  kind TEXT NOT NULL, parent INTEGER, second INTEGER, accuracy REAL, time REAL NOT NULL,
  blob BLOB, seal BLOB NOT NULL
);
CREATE INDEX held ON checkpoints (blob);
CREATE TABLE refs (
  branch INTEGER NOT NULL, name TEXT NOT NULL, checkpoint INTEGER NOT NULL, seal BLOB NOT NULL,
  UNIQUE (branch, name)
);
CREATE TABLE devices (
  device BLOB PRIMARY KEY, first REAL NOT NULL, last REAL NOT NULL,
  firmware TEXT NOT NULL, -- not noted yet: empty
  status TEXT NOT NULL, health TEXT NOT NULL
);
CREATE TABLE ledger (
  device BLOB NOT NULL, link TEXT NOT NULL, direction TEXT NOT NULL, round INTEGER NOT NULL,
  bytes INTEGER NOT NULL, UNIQUE (device, link, direction, round)
);
"""


class Database:
    """The file and its lock.

    Raises:
        StoreError: it is another program's, another version's, damaged, or cannot be written.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = threading.RLock()
        self._depth = 0
        with told(path):
            if not path.exists():
                path.touch(mode=0o600)
                sync_folder(path.parent)
            self._db = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
            try:
                self._prepare()
            except BaseException:
                self._db.close()
                raise

    def _prepare(self) -> None:
        is_new = not self._pragma("schema_version") and not self._pragma("application_id")
        if not is_new:  # before anything of it is changed
            self._check()
        self._db.execute("PRAGMA journal_mode=WAL")
        self._db.execute("PRAGMA synchronous=FULL")
        self._db.execute("PRAGMA secure_delete=ON")  # updates are nobody's once they are summed
        if is_new:
            self._create()

    def _check(self) -> None:
        if self._pragma("application_id") != _APPLICATION:
            raise StoreError(f"{self.path} is no store of Paebiru: give another folder")
        version = self._pragma("user_version")
        if version != VERSION:
            raise StoreError(
                f"{self.path} has version {version}, this Paebiru reads version {VERSION}:"
                " use the Paebiru that wrote it, or another folder"
            )
        said = [row[0] for row in self._db.execute("PRAGMA integrity_check(3)")]
        if said != ["ok"]:
            raise damaged(self.path, "; ".join(said))

    def _create(self) -> None:
        with self.change():
            for statement in _SCHEMA.split(";\n"):
                self._db.execute(statement)
            self._db.execute(f"PRAGMA application_id={_APPLICATION}")
            self._db.execute(f"PRAGMA user_version={VERSION}")

    def _pragma(self, name: str) -> int:
        return int(self._db.execute(f"PRAGMA {name}").fetchone()[0])

    @contextmanager
    def change(self) -> Iterator[None]:
        """One transaction, durable when the block is left; one within another is part of it.

        Raises:
            StoreError: it could not be made durable; nothing of it was done.
        """
        with self._lock, told(self.path):
            if self._depth:
                yield
                return
            self._db.execute("BEGIN IMMEDIATE")
            self._depth += 1
            try:
                yield
                self._db.execute("COMMIT")
            finally:
                self._depth -= 1
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")

    def is_changing(self) -> bool:
        """Tell whether a `change` is under way here; another thread's is waited for."""
        with self._lock:
            return self._depth > 0

    def run(self, sql: str, args: tuple[Any, ...] = ()) -> int:
        """Execute a statement of a `change`; return how many rows it changed."""
        assert self._depth, "every change is part of a transaction"
        return self._db.execute(sql, args).rowcount

    def rows(self, sql: str, args: tuple[Any, ...] = ()) -> list[Any]:
        """Return what a query finds."""
        with self._lock, told(self.path):
            return self._db.execute(sql, args).fetchall()

    def close(self) -> None:
        """Close the file."""
        with self._lock, told(self.path):
            self._db.close()
