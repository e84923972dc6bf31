"""What the hub notes of its boards: when they were seen, and bytes by link.

No model follows from it, so nobody waits for it: it is gathered in memory and written with the
next commit that is due anyhow, or by `flush`.  A crash loses what was not written yet.
"""

import json
import time
from dataclasses import dataclass
from typing import Any

from paebiru.store.database import Database
from paebiru.store.errors import damaged

Sums = dict[tuple[bytes, str, str], int]
"""Bytes by device, link and direction."""


@dataclass
class Board:
    """What the registry has of a board; times are unix times."""

    device: bytes
    first: float
    last: float
    status: dict[str, Any]
    health: dict[str, Any]


class Notes:
    """Registry and ledger."""

    def __init__(self, db: Database) -> None:
        self._db = db
        self._boards = {board.device: board for board in self._load()}
        self._seen: set[bytes] = set()
        self._bytes: dict[tuple[bytes, str, str, int], int] = {}
        self.writes = 0
        """How often what was gathered has become durable."""

    def seen(
        self,
        device: bytes,
        status: dict[str, Any] | None = None,
        health: dict[str, Any] | None = None,
    ) -> None:
        """Note that a board is there, and what is new of it."""
        now = time.time()
        board = self._boards.setdefault(device, Board(device, now, now, {}, {}))
        board.last = now
        board.status = board.status if status is None else status
        board.health = board.health if health is None else health
        self._seen.add(device)

    def boards(self) -> list[Board]:
        """Return every board that was ever seen, by its id."""
        return [self._boards[device] for device in sorted(self._boards)]

    def count(self, device: bytes, link: str, direction: str, number: int, size: int) -> None:
        """Add bytes to the ledger: of a board, on a link, up or down, in a round."""
        key = device, link, direction, number
        self._bytes[key] = self._bytes.get(key, 0) + size

    def ledger(self, since: int = 0) -> list[tuple[bytes, str, str, int, int]]:
        """Return (device, link, direction, round, bytes), from round `since` on."""
        self.flush()
        return self._db.rows(
            "SELECT device, link, direction, round, bytes FROM ledger WHERE round >= ?"
            " ORDER BY round, device, link, direction",
            (since,),
        )

    def kept(self, number: int | None = None) -> Sums:
        """Return the bytes that are in the file, of a round or of all; may be called by any thread.

        Together with those of `waiting` they are all, if `writes` has not changed meanwhile.
        """
        which = "" if number is None else f"WHERE round = {number:d}"
        found = self._db.rows(
            f"SELECT device, link, direction, sum(bytes) FROM ledger {which}"
            " GROUP BY device, link, direction"
        )
        return {(device, link, direction): size for device, link, direction, size in found}

    def waiting(self, number: int | None = None) -> Sums:
        """Return the bytes that are still to be written, of a round or of all."""
        found: Sums = {}
        for (device, link, direction, of), size in self._bytes.items():
            if number in (None, of):
                key = device, link, direction
                found[key] = found.get(key, 0) + size
        return found

    def flush(self) -> None:
        """Write what was gathered.

        Raises:
            StoreError: it could not be written; it is kept for the next time.
        """
        if self._seen or self._bytes:
            with self._db.change():
                self.write()
            self.written()

    def write(self) -> None:
        """Write what was gathered as part of a change; `written` is to follow its commit."""
        for board in [self._boards[device] for device in sorted(self._seen)]:
            self._db.run(
                "INSERT OR REPLACE INTO devices VALUES (?, ?, ?, '', ?, ?)",
                (
                    board.device, board.first, board.last,
                    json.dumps(board.status), json.dumps(board.health),
                ),
            )  # fmt: skip
        for key, size in sorted(self._bytes.items()):
            self._db.run(
                "INSERT INTO ledger VALUES (?, ?, ?, ?, ?) ON CONFLICT"
                " (device, link, direction, round) DO UPDATE SET bytes = bytes + excluded.bytes",
                (*key, size),
            )

    def written(self) -> None:
        """Forget what `write` wrote: it is durable."""
        self._seen.clear()
        self._bytes.clear()
        self.writes += 1

    def _load(self) -> list[Board]:
        return [
            Board(device, first, last, self._json(status), self._json(health))
            for device, first, last, status, health in self._db.rows(
                "SELECT device, first, last, status, health FROM devices"
            )
        ]

    def _json(self, text: str) -> dict[str, Any]:
        try:
            return dict(json.loads(text))
        except (ValueError, TypeError):
            raise damaged(self._db.path, "a note that is no JSON") from None
