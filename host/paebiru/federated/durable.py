"""A federation that goes on to the same bits after a kill, a power cut or a full disk.

Its rounds are a journal in a `Store`; each step is durable before the next one, and before
anybody is told of it:

    OPEN        the round has a number and a base; updates come in, each durable before its COMMIT
    SEALED      the roster: whose updates count
    AGGREGATED  the state that came of them, a pure function of base, roster and updates
    PUBLISHED   a checkpoint of the history; boards get it from now on
    DROPPED     or it was given up before, with its updates (`branches.drop`)

What can be done between rounds, forks, merges and the way back, is in `branches`.
"""

import json
import time
from collections.abc import Callable
from hashlib import sha256
from typing import Any

from paebiru.errors import UsageError
from paebiru.federated import journal
from paebiru.federated.rounds import Done, Federation
from paebiru.federated.sums import begin_again, named
from paebiru.store import CheckpointRow, RoundRow, State, Store, StoreError, UpdateRow
from paebiru.store.errors import damaged
from paebiru.store.rows import changed
from sil.errors import FormatError, ModelError
from sil.link.messages import DEVICE_SIZE

Measure = Callable[[Federation], dict[str, Any]]
KEEP = 16  # models of the newest rounds that stay at hand

__all__ = ["Durable", "at_head", "begin", "resume"]


class Durable(Federation):
    """A branch of a federation, in a store; `begin` and `resume` make it.

    Attributes:
        store: where it lives.
        head: the checkpoint that it is at.
        measure: what a round that closes is to be told with; "accuracy" (0..1) finds the best.
        settings: by what rules the next rounds are held; goes with each into the journal.
        new_secret: gives what the noise of a round follows from, if its mean is private.
        failed: is told why an update could not be stored (its board hears a code, and keeps it),
            or old models not be let go.
        broken: why the last round came to nothing, if it did; empty where it did not.
        keep: how many rounds' models are kept, besides best, final, forks and merges.
    """

    store: Store
    head: CheckpointRow

    def attach(self, store: Store, head: CheckpointRow) -> None:
        """Become the branch of `store` whose head is `head`."""
        self.store = store
        self.head = head
        self.measure: Measure = lambda federation: {}
        self.settings: dict[str, Any] = {}
        self.new_secret: Callable[[], bytes] = bytes
        self.failed: Callable[[StoreError], None] = lambda error: None
        self.broken = ""
        self.keep = KEEP
        self._learn_who_counted()

    # -- a round

    def open(self) -> None:
        """Begin the next round, of a number that no branch has had.

        Raises:
            UsageError: one is open.
            StoreError: it cannot be made durable.
        """
        self.between_rounds()
        tickets = self.sums.draw() if self.sums is not None else {}
        settings = self.settings | named(tickets)
        with self.store.change():
            row = RoundRow(
                number=self.store.last_number() + 1, branch=self.branch, state=State.OPEN,
                base=self.head.id, base_name=self.name,
                settings=json.dumps(settings, sort_keys=True), opened=time.time(),
                secret=self.new_secret() or None,
            )  # fmt: skip
            self.store.put_round(row)
        self.secret = row.secret or b""
        if self.sums is not None:
            self.sums.begin(tickets, len(self.first))
        self._begin(row.number)

    def take(self, device: bytes, body: bytes, done: Done = lambda code: None) -> None:
        """Count an UPDATE object, and call ``done(0)`` when it is durable, or ``done(code)``.

        Raises:
            FormatError: it is damaged, or of another round or model; `done` is not called.
        """
        if self.counts_already(device, body):
            done(0)
            return
        if len(device) != DEVICE_SIZE:
            raise FormatError(f"a device has {DEVICE_SIZE} bytes of id, not {len(device)}")
        update = self.read(device, body)
        number = self.number
        row = UpdateRow(
            round=number, device=device, size=update.size, samples=update.samples,
            right=update.right, digest=sha256(body).digest(), time=time.time(), body=body,
        )  # fmt: skip

        def told(error: StoreError | None) -> None:
            is_mine = self.is_open and self.number == number and device not in self.updates
            if error is None and is_mine:
                self.count(device, update)
            if error is not None:
                self.failed(error)
            done(error.code if error else 0)

        self.store.add_update(row, told)

    def close(self) -> None:
        """End the round; a second call goes on where a `StoreError` ended the first one.

        Raises:
            UsageError: no round is open.
            StoreError: a step cannot be made durable; the model is the one before.
        """
        row = self._row()
        if row.state == State.OPEN:
            row = self._seal(row)
        if row.state == State.SEALED:
            row = self._aggregate(row)
        self._publish(row)

    def seal(self) -> None:
        """Take no more parts of the round's masked sums; durable before anybody is asked.

        Raises:
            UsageError: no round is open.
            StoreError: it cannot be made durable; nobody may be asked.
        """
        self._seal(self._row())

    def _row(self) -> RoundRow:
        row = self.store.unfinished(self.branch)
        if row is None:
            raise UsageError("no round is open: open one first")
        return row

    def _seal(self, row: RoundRow) -> RoundRow:
        if row.state == State.OPEN:
            self.store.updates.drain()  # who was told yes is in the table now
            row = journal.seal(self.store, row)
            if self.sums is not None:
                self._load(row)  # just what is durable is asked about
        super().seal()
        return row

    def _aggregate(self, row: RoundRow) -> RoundRow:
        before = self.state()
        self._load(row)
        try:
            self._advance()
            figures = journal.figures(self.updates.values(), self.sums)
            figures |= journal.checked(self.measure(self))
            state, result = self.state(), self.name
        except ModelError as error:  # no board could run it: the model stays, the updates are over
            figures = journal.figures(self.updates.values(), None) | {"broken": str(error)}
            state, result = before, row.base_name
        finally:
            self.restore(before)  # what is not durable is not served
        row = changed(
            row, state=State.AGGREGATED, result=self.store.blobs.put(state), name=result,
            figures=json.dumps(figures, sort_keys=True), roster=b"".join(sorted(self.updates)),
        )  # fmt: skip
        self.store.put_round(row)
        return row

    def _publish(self, row: RoundRow) -> None:
        state = journal.result(self.store, row)
        self.head = journal.publish(self.store, row)
        self.restore(state)
        for device in row.devices():
            self.counted[device], self._about[device] = row.number, row.base_name
        if self.sums is not None:
            self.sums.end()
        self.secret = b""
        self.broken = json.loads(row.figures or "{}").get("broken", "")
        try:
            self.store.history.let_go(self.branch, self.keep)
        except StoreError as error:
            self.failed(error)  # the round is over all the same; the next one tries again

    # -- from the journal

    def go_on(self) -> None:
        """Be where the journal says: in an open round with its updates, or behind it."""
        row = self.store.unfinished(self.branch)
        if row is None:
            return
        if row.base != self.head.id or row.base_name != self.name:
            raise damaged(self.store.db.path, f"round {row.number} goes on from another model")
        self.secret = row.secret or b""
        self._begin(row.number)
        if row.state != State.AGGREGATED:
            begin_again(self.sums, row.number, row.settings, len(self.first))
            self._load(row)
        if row.state == State.SEALED and self.sums is not None:
            super().seal()  # boards are asked the same question again
        elif row.state != State.OPEN:
            self.close()

    def _load(self, row: RoundRow) -> None:
        """Have the updates of a round in memory, just those that the journal has."""
        was_open, self.is_open = self.is_open, True
        known, self.updates = self.updates, {}
        for update in journal.updates(self.store, row):
            again = known.get(update.device) or self.read(update.device, update.body or b"")
            self.count(update.device, again)
        self.is_open = was_open and row.state == State.OPEN

    def _learn_who_counted(self) -> None:
        """Know the last update of each board that is in the head's model."""
        self.counted, self._about = self.store.counted(self.head.id)

    # -- between rounds

    def stand(self, head: CheckpointRow, state: bytes) -> None:
        """Be at a checkpoint, with no round open, as the journal says."""
        self.restore(state)
        self.number = self.store.last_number()  # numbers are never used again
        self.updates = {}
        self.head = head
        self._learn_who_counted()

    def between_rounds(self) -> None:
        """Refuse what cannot be done while a round is open.

        Raises:
            UsageError: one is.
        """
        row = self.store.unfinished(self.branch)
        if row is not None:
            raise UsageError(f"round {row.number} of branch {self.branch} is open: close it first")


Prepare = Callable[[Durable], None]
"""Sets what a federation does not know by itself (measure, settings, …) before it goes on."""


def _as_it_is(federation: Durable) -> None:
    """Set nothing."""


def begin(store: Store, federation: Federation, prepare: Prepare = _as_it_is) -> Durable:
    """Return a durable federation that begins as `federation`, which has had no rounds, does.

    Raises:
        UsageError: the store has one already.
        StoreError: it cannot be made durable.
    """
    if store.history.all():
        raise UsageError(f"{store.folder} holds a federation: --resume it, or give another folder")
    assert not federation.number, "a federation is durable from its beginning"
    blob = store.blobs.put(federation.state())
    journal.new_head(store, CheckpointRow(federation.name, 0, 0, "first", blob))
    return resume(store, 0, prepare)


def resume(store: Store, branch: int = 0, prepare: Prepare = _as_it_is) -> Durable:
    """Return the federation of a store as its journal says, to the bit; half a close is ended.

    Raises:
        UsageError: there is none, or not that branch.
        StoreError: what it follows from is damaged.
    """
    found = at_head(store, branch)
    prepare(found)
    found.go_on()
    return found


def at_head(store: Store, branch: int = 0) -> Durable:
    """Return the federation of a branch as its head has it, whatever round is open.

    Raises:
        UsageError: there is none, or not that branch.
        StoreError: what it follows from is damaged.
    """
    head = store.history.ref(branch, "head")
    if head is None:
        what = "no branch of that number" if branch else "no federation: start without --resume"
        raise UsageError(f"{store.folder} has {what}")
    state = store.history.state(head)
    journal.check_state(store, state, head.name)
    found = Durable.of(state, branch)
    assert isinstance(found, Durable)
    found.attach(store, head)
    found.number = store.last_number()
    return found
