"""Checkpoints with their parents: what a branch's head, best and final are, what is let go when."""

import re
import time
from collections.abc import Callable
from contextlib import AbstractContextManager

from paebiru.errors import UsageError
from paebiru.store import rows
from paebiru.store.blobs import Blobs
from paebiru.store.database import Database
from paebiru.store.errors import damaged
from paebiru.store.rows import CheckpointRow, RefRow, RoundRow

NAMES = ("head", "best", "final")
"""What checkpoints of a branch are called."""
_MODEL = re.compile("[0-9a-f]{16}")


class History:
    """The checkpoints of a store; each names the blob of its state.

    Args:
        db, blobs: where they are.
        change: makes a transaction of the store.
    """

    def __init__(
        self, db: Database, blobs: Blobs, change: Callable[[], AbstractContextManager[None]]
    ) -> None:
        self._db = db
        self._blobs = blobs
        self._change = change

    def add(self, row: CheckpointRow) -> CheckpointRow:
        """Write a checkpoint, numbered next; return it."""
        with self._change():
            newest = self._db.rows("SELECT ifnull(max(id), 0) FROM checkpoints")[0][0]
            row = rows.changed(row, id=newest + 1, time=time.time())
            rows.put(self._db, row)
        return row

    def put(self, row: CheckpointRow) -> CheckpointRow:
        """Write a checkpoint as it is now; return it."""
        with self._change():
            rows.put(self._db, row)
        return row

    def checkpoint(self, number: int) -> CheckpointRow:
        """Return a checkpoint.

        Raises:
            UsageError: there is none of that number.
        """
        found = rows.select(self._db, CheckpointRow, "WHERE id = ?", (number,))
        if not found:
            raise UsageError(f"there is no checkpoint {number}; see the history")
        return found[0]

    def all(self, branch: int | None = None) -> list[CheckpointRow]:
        """Return all checkpoints, of a branch or all, the newest last."""
        which = "" if branch is None else f"WHERE branch = {branch:d}"
        return rows.select(self._db, CheckpointRow, f"{which} ORDER BY id")

    def page(self, branch: int | None, limit: int, offset: int) -> tuple[int, list[CheckpointRow]]:
        """Return how many checkpoints there are, of a branch or all, and a part, newest first."""
        which = "" if branch is None else f"WHERE branch = {branch:d}"
        total = int(self._db.rows(f"SELECT count(*) FROM checkpoints {which}")[0][0])
        rest = f"{which} ORDER BY id DESC LIMIT ? OFFSET ?"
        return total, rows.select(self._db, CheckpointRow, rest, (limit, offset))

    def state(self, row: CheckpointRow) -> bytes:
        """Return the state that a checkpoint holds.

        Raises:
            UsageError: it was let go.
            StoreError: it is damaged, or lost.
        """
        if row.blob is None:
            raise UsageError(
                f"the model of checkpoint {row.id} was let go long ago; take one of the newest,"
                " the best, a fork or a merge"
            )
        return self._blobs.get(row.blob)

    def ref(self, branch: int, name: str) -> CheckpointRow | None:
        """Return the checkpoint that a branch calls by a name (head, best, final)."""
        rest = "WHERE branch = ? AND name = ?"
        found = rows.select(self._db, RefRow, rest, (branch, name))
        if not found:
            return None
        number = found[0].checkpoint
        checkpoints = rows.select(self._db, CheckpointRow, "WHERE id = ?", (number,))
        if not checkpoints:
            raise damaged(self._db.path, f"checkpoint {number} is missing")
        return checkpoints[0]

    def find(self, text: str, branch: int = 0) -> CheckpointRow:
        """Return the checkpoint that a person means: a number, a model's name, or a `NAMES`.

        Raises:
            UsageError: there is none.
        """
        if text in NAMES:
            found = self.ref(branch, text)
            if found is None:
                why = "its rounds are not over yet" if text == "final" else "no round of it is over"
                raise UsageError(f"branch {branch} has no {text} model: {why}")
            return found
        if _MODEL.fullmatch(text):
            named = rows.select(self._db, CheckpointRow, "WHERE name = ?", (bytes.fromhex(text),))
            kept = [row for row in named if row.blob] or named
            if not kept:
                raise UsageError(f"no checkpoint has the model {text}; see the history")
            return kept[-1]
        if text.isdecimal() and len(text) < 16:
            return self.checkpoint(int(text))
        raise UsageError(
            f"{text!r} is no checkpoint: give its number or its model's name, as the history has"
            f" them, or {', '.join(NAMES[:-1])} or {NAMES[-1]}"
        )

    def refs(self) -> list[RefRow]:
        """Return all names that checkpoints have."""
        return rows.select(self._db, RefRow, "ORDER BY branch, name")

    def set_ref(self, branch: int, name: str, checkpoint: int) -> None:
        """Call a checkpoint by a name, in the place of another."""
        with self._change():
            rows.put(self._db, RefRow(branch, name, checkpoint))

    def line(self, checkpoint: int) -> list[int]:
        """Return the rounds that a checkpoint follows from, through all its parents."""
        known = {row.id: row for row in self.all()}
        found, ways, seen = [], [checkpoint], {checkpoint}
        while ways:
            row = known.get(number := ways.pop())
            if row is None:
                raise damaged(self._db.path, f"checkpoint {number} is missing")
            if row.kind == "round":
                found.append(row.round)
            parents = {p for p in (row.parent, row.second) if p is not None} - seen
            seen |= parents
            ways += parents
        return sorted(found)

    # -- what is let go

    def let_go(self, branch: int, keep: int) -> None:
        """Let go the models of a branch's rounds but the newest `keep` and what has a name.

        Forks, merges, and what they began from, stay; so does the history of all.
        """
        rest = "WHERE blob IS NOT NULL ORDER BY id"
        held = rows.select(self._db, CheckpointRow, rest)
        named = {ref.checkpoint for ref in self.refs()}
        for row in held:
            if row.kind != "round":
                named |= {row.parent or 0, row.second or 0}
        mine = [row for row in held if row.branch == branch and row.kind == "round"]
        old = [row for row in mine[: max(len(mine) - keep, 0)] if row.id not in named]
        if not old:
            return
        with self._change():
            for row in old:
                rows.put(self._db, rows.changed(row, blob=None))
        for row in old:
            held_too = self._db.rows("SELECT 1 FROM checkpoints WHERE blob = ?", (row.blob,))
            if row.blob and not held_too:
                self._blobs.drop(row.blob)

    def blobs(self) -> set[bytes]:
        """Return the hashes of all blobs that are needed.

        Raises:
            StoreError: a row is damaged, so that nobody may say what is not needed.
        """
        every = self.all()
        if every and not any(ref.name == "head" for ref in self.refs()):
            raise damaged(self._db.path, "no checkpoint is a head")
        results = [row.result for row in rows.select(self._db, RoundRow) if row.is_unpublished()]
        return {blob for blob in [row.blob for row in every] + results if blob}
