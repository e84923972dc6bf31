"""The steps of a round in the store: each one transaction, each checked when it is read back."""

import json
import time
from collections.abc import Collection
from hashlib import sha256
from typing import Any

from paebiru.errors import UsageError
from paebiru.federated import snapshot
from paebiru.federated.rounds import Update
from paebiru.federated.sums import Sums
from paebiru.store import CheckpointRow, RoundRow, State, Store, UpdateRow
from paebiru.store.errors import damaged
from paebiru.store.rows import changed


def seal(store: Store, row: RoundRow) -> RoundRow:
    """Take no more updates: those that are durable by now are the round's."""
    with store.change():
        roster = b"".join(update.device for update in store.updates_of(row.number))
        row = changed(row, state=State.SEALED, roster=roster, closed=time.time())
        store.put_round(row)
    return row


def updates(store: Store, row: RoundRow) -> list[UpdateRow]:
    """Return the updates of a round that is not published, by device.

    Raises:
        StoreError: one is damaged, or one of the roster is missing.
    """
    found = store.updates_of(row.number)
    if row.roster is not None and b"".join(update.device for update in found) != row.roster:
        raise damaged(store.db.path, f"updates of round {row.number} are missing")
    for update in found:
        if update.body is None or sha256(update.body).digest() != update.digest:
            where = f"the update of {update.device.hex()} in round {row.number}"
            raise damaged(store.db.path, where)
    return found


def figures(updates: Collection[Update], sums: Sums | None) -> dict[str, Any]:
    """Return what the boards themselves say of a round, and which of its sums came to nothing."""
    found: dict[str, Any] = {
        "updates": len(updates), "samples": sum(update.samples for update in updates),
        "right": sum(update.right for update in updates),
        "bytes_up": sum(update.size for update in updates),
    }  # fmt: skip
    return found | {"failed": sums.failed} if sums is not None and sums.failed else found


def checked(figures: dict[str, Any]) -> dict[str, Any]:
    """Return what `Durable.measure` gave.

    Raises:
        UsageError: it is out of its range.
    """
    accuracy = figures.get("accuracy")
    if accuracy is not None and not 0 <= accuracy <= 1:
        raise UsageError(f"an accuracy of {accuracy} is none: `measure` gives 0 to 1, or leaves it")
    return figures


def publish(store: Store, row: RoundRow) -> CheckpointRow:
    """Make what came of a round the head of its branch; return it."""
    accuracy = json.loads(row.figures or "{}").get("accuracy")
    with store.change():
        head = CheckpointRow(
            row.name or b"", row.branch, row.number, "round", row.result, row.base,
            accuracy=accuracy,
        )  # fmt: skip
        head = new_head(store, head)
        best = store.history.ref(row.branch, "best")
        if best is None or _is_better(head.accuracy, best.accuracy):
            store.history.set_ref(row.branch, "best", head.id)
        store.drop_bodies(row.number)
        store.put_round(changed(row, state=State.PUBLISHED, secret=None))
    return head


def _is_better(new: float | None, old: float | None) -> bool:
    """Tell whether a model takes the place of the best: where nobody measures, the newest does."""
    return old is None or (new is not None and new > old)


def new_head(store: Store, row: CheckpointRow) -> CheckpointRow:
    """Write a checkpoint and let its branch go on from it; return it."""
    with store.change():
        row = store.history.add(row)
        store.history.set_ref(row.branch, "head", row.id)
    return row


def result(store: Store, row: RoundRow) -> bytes:
    """Return the state that came of a round.

    Raises:
        StoreError: it is damaged or lost.
    """
    state = store.blobs.get(row.result or b"")
    check_state(store, state, row.name or b"")
    return state


def check_state(store: Store, state: bytes, model: bytes) -> None:
    """Make sure that a state is of the model that the journal names.

    Raises:
        StoreError: it is not.
    """
    if snapshot.unpack(state).name != model:
        raise damaged(store.db.path, f"what is called model {model.hex()} is another one")
