"""What can be done with a durable federation between rounds: layers D, E and F of the hub.

D, superposition: `fork` goes on beside itself as another branch.  E, entanglement: `merge` makes
one model of two.  F, collapse: `rollback` goes back to a checkpoint.  Numbers of rounds are never
used again, so nothing that a board has from another branch is mistaken for the present.
"""

import time

import numpy as np

from paebiru.errors import UsageError
from paebiru.federated import journal, snapshot
from paebiru.federated.durable import Durable, Prepare, resume
from paebiru.federated.rounds import Federation, name
from paebiru.store import CheckpointRow, RoundRow, State, Store
from paebiru.store.rows import changed
from sil import bytesil
from sil.intmath import log2

BRANCHES = 16
_ONE = 1 << 14  # 1/64 in Q20: the mean lack of the boards that makes rho 0 (SPEC-node.md section 4)
_LN2 = 11357  # ln 2 in Q14
_MOST_WEIGHT = 1 << 20


def rollback(federation: Durable, checkpoint: int) -> None:
    """Go on from a checkpoint, of any branch; what came after it stays in the history.

    Raises:
        UsageError: a round is open, or there is no such checkpoint, or its model was let go.
        StoreError: its model is damaged, or the step cannot be made durable.
    """
    federation.between_rounds()
    history = federation.store.history
    row = history.checkpoint(checkpoint)
    state = history.state(row)
    journal.check_state(federation.store, state, row.name)
    history.set_ref(federation.branch, "head", row.id)
    federation.stand(row, state)


def drop(federation: Durable) -> RoundRow | None:
    """Give up the round that is open, if one is, and the updates in it; return it.

    Boards have forgotten what they were told is counted: it is lost to this branch, as is what
    a `rollback` leaves behind.

    Raises:
        StoreError: the step cannot be made durable.
    """
    store = federation.store
    row = store.unfinished(federation.branch)
    if row is None:
        return None
    with store.change():
        store.drop_bodies(row.number)
        row = changed(row, state=State.DROPPED, secret=None, closed=time.time())
        store.put_round(row)
    federation.stand(federation.head, store.history.state(federation.head))
    return row


def fork(
    federation: Durable,
    branch: int,
    checkpoint: int | None = None,
    prepare: Prepare = lambda federation: None,
) -> Durable:
    """Begin another branch at a checkpoint, or at the head; return it.

    Its boards are those that were told so (CONTROL FORK).

    Raises:
        UsageError: the branch is not 1..15, or there already; or the model was let go.
        StoreError: its model is damaged, or the step cannot be made durable.
    """
    store = federation.store
    if not 1 <= branch < BRANCHES:
        raise UsageError(f"branch {branch} is out of 1..{BRANCHES - 1} (0 is the first one)")
    if store.history.ref(branch, "head"):
        raise UsageError(f"branch {branch} is there already: take another number")
    parent = store.history.checkpoint(federation.head.id if checkpoint is None else checkpoint)
    journal.check_state(store, store.history.state(parent), parent.name)
    row = CheckpointRow(
        parent.name, branch, 0, "fork", parent.blob, parent.id, accuracy=parent.accuracy
    )
    journal.new_head(store, row)
    return resume(store, branch, prepare)


def free(store: Store) -> int:
    """Return the number of the next branch.

    Raises:
        UsageError: all are taken.
    """
    taken = {ref.branch for ref in store.history.refs()}
    for branch in range(BRANCHES):
        if branch not in taken:
            return branch
    raise UsageError(
        f"{store.folder} has {BRANCHES} branches, the most there are: go on with those"
    )


def merge(federation: Durable, other: Durable, mine: int = 1, others: int = 1) -> None:
    """Join another branch: the mean of both masters, weighted, is this one's next model.

    Boards get it whole.  The other branch stays as it is.

    Raises:
        UsageError: a round is open in one of them, the weights make no mean, or the two did
            not begin with the same model.
        StoreError: the step cannot be made durable.
    """
    federation.between_rounds()
    other.between_rounds()
    state = merged(federation, other, mine, others)
    store = federation.store
    blob = store.blobs.put(state)
    heads = federation.head.id, other.head.id
    model = snapshot.unpack(state).name
    row = CheckpointRow(model, federation.branch, 0, "merge", blob, *heads)
    row = journal.new_head(store, row)
    federation.stand(row, state)


def merged(one: Federation, other: Federation, mine: int, others: int) -> bytes:
    """Return the state whose master is the mean of two, weighted, half rounded up.

    Raises:
        UsageError: the weights are no weights, or the models did not begin alike.
    """
    total = mine + others
    if mine < 0 or others < 0 or not 0 < total <= _MOST_WEIGHT:
        raise UsageError(f"weights {mine} and {others} make no mean: give 0 or more, not both 0")
    if vars(one.task) != vars(other.task) or one.first != other.first:
        raise UsageError("only branches that began with the same model and task can be merged")
    both = mine * one.master.master + others * other.master.master
    master = (2 * both + total) // (2 * total)
    base = np.clip(master + 128 >> 8, -32767, 32767).astype("<i2").tobytes()
    state = snapshot.unpack(one.state())
    model = name(base)
    # No board has it yet and no changes lead to it: it travels whole.
    return snapshot.Snapshot(
        state.task, state.seed, state.rate, state.epochs, state.proximal, state.drawn,
        state.number, model, model, state.first, base, master.astype("<i4").tobytes(), b"",
    ).pack()  # fmt: skip


def finish(federation: Durable) -> CheckpointRow:
    """Call the head the final model, which is kept; return it.

    Raises:
        UsageError: a round is open.
    """
    federation.between_rounds()
    federation.store.history.set_ref(federation.branch, "final", federation.head.id)
    return federation.head


def generation(federation: Durable) -> int:
    """Return the number of rounds that a model follows from, and one."""
    return len(federation.store.history.line(federation.head.id)) + 1


def layers(federation: Durable, age: int) -> tuple[int, int, int]:
    """Return LD, LE and LF of a hub's model; SPEC-node.md section 4 has those of a board.

    LD: the branch.  LE: rho = ln(mean |master - base| * 64), what the boards still lack; NULL
    when that is nothing.  LF: theta = age mod 16, rho = ln(age), at most 7; the age is the
    model's `generation`.
    """
    lack = federation.master.master - (np.array(federation.master.base, dtype=np.int64) << 8)
    mean = int(np.abs(lack).sum()) // len(lack)
    entangled = (bytesil.make(_strength(mean, _ONE), 0) or 0x10) if mean else 0
    old = bytesil.make(_strength(age, 1), age & 15)
    return bytesil.make(0, federation.branch), entangled, old


def _strength(value: int, one: int) -> int:
    """Return ln(value / one), rounded, held to -8..7."""
    rho = (log2(value) - log2(one)) * _LN2 + (1 << 23) >> 24
    return max(-8, min(rho, 7))
