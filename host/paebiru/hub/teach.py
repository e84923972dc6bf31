"""Layer 5 taught on a running hub: labels are kept, and the places learn from them together.

The places of a hub are the members of a federation of their own (`fusion.participant`), in a
store of its own, DIR/places.  It is not a branch of the boards' federation: branches are versions
of one model, and its rounds are held at other times.  When `every` new labels have come, of all
places, `rounds` rounds are held, in a thread: the hub goes on meanwhile.

Durable: a label is in the store before it is learned from or said to be kept, and a round goes
through the journal of `federated.durable`, which also has up to which label it learns.  What is
left to do follows from the journal alone, and the next models from that, the labels and what
places keep back (`residuals`): a hub killed at any moment goes on to the same bytes.
"""

import asyncio
import json
import logging
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from paebiru.errors import UsageError
from paebiru.federated.durable import Durable, begin, resume
from paebiru.federated.rounds import Federation
from paebiru.fusion import Fusion, Participant, learn_together
from paebiru.fusion.config import Electronic
from paebiru.fusion.electronic import accuracy
from paebiru.hub.labels import Labels
from paebiru.hub.outcome import MOST_BROKEN
from paebiru.hub.residuals import Residuals
from paebiru.hub.tell import Telling
from paebiru.store import Store, StoreError
from paebiru.store.group import beside, inline
from sil import nn
from sil.errors import ModelError

_RATE = 256  # a server rate of 1.0: what places learn counts in full
_SEED = 1
_AGAIN = 5.0  # s until a round that failed is tried again; twice as long each time, up to
_LONGEST = 60.0  # s

_log = logging.getLogger(__name__)


class Teaching:
    """Layer 5's labels and rounds; `run` holds them.

    Args:
        fusion: the places, whose configuration has [electronic].
        store: where labels and rounds are.
        tell: is told of every label and round.
        goes_on: whether there may be rounds and labels in the store already.

    Attributes:
        labels: what is learned from.
        left: rounds that are to be held now.
        round, model, accuracy: the last round, what came of it, and how much of all labels that
            has right; None before the first, or where it could not be measured.

    Raises:
        UsageError: the store knows other classes, or a network of another shape.
        StoreError: it is damaged or cannot be written.
    """

    def __init__(self, fusion: Fusion, store: Store, tell: Telling, goes_on: bool) -> None:
        assert fusion.config.electronic
        self.fusion = fusion
        self._electronic: Electronic = fusion.config.electronic
        self._store = store
        self._tell = tell
        self._loop = asyncio.get_running_loop()
        self._changed = asyncio.Event()
        self._executor = ThreadPoolExecutor(1, "paebiru-places")
        self.labels = Labels(fusion, store, tell, self._changed.set, _learned_up_to(store))
        self._federation = self._begin(goes_on)
        self._residuals = self._remember()
        self._trained, self.left, self._broken = self._journal()
        if not self._can() or not store.unfinished(self._federation.branch):
            self.labels.release()
        self._show()
        if self._broken >= MOST_BROKEN:
            self._rest()

    def close(self) -> None:
        """Wait for the round at hand, and keep what waits to be kept."""
        self._executor.shutdown()
        self.labels.keeping.drain()

    @property
    def new(self) -> int:
        """Labels that no round was held for; a correction is one more."""
        return self.labels.last - self._trained

    # -- the federation's store

    def _begin(self, goes_on: bool) -> Durable:
        task = self.fusion.task()

        def prepare(found: Durable) -> None:
            found.measure = self._measure
            found.epochs = self._electronic.epochs
            found.failed = self._warn

        if not goes_on or not self._store.history.all():
            fresh = Federation(task, seed=_SEED, rate=_RATE, epochs=self._electronic.epochs)
            return begin(self._store, fresh, prepare)
        found = resume(self._store, 0, prepare)
        if found.task.sizes != task.sizes:
            sizes = "-".join(map(str, found.task.sizes))
            raise UsageError(
                f"{self._store.folder} has a {sizes} network for layer 5: give the hidden units"
                " and classes that it was begun with"
            )
        return found

    def _remember(self) -> Residuals:
        """Let places go on with what they kept back."""
        federation = self._federation
        found = Residuals(self._store, 2 * len(federation.first))
        for place in self.fusion.participants.values():
            place.go_on(found.of(place.name, federation.counted.get(place.name, 0)))
        return found

    def _journal(self) -> tuple[int, int, int]:
        """Return up to which label was learned, and how many rounds are left of that.

        And how many came to nothing, of those the last ones in a row.
        """
        rows = self._store.rounds(limit=MOST_BROKEN)
        if not rows:
            return 0, 0, 0
        said = json.loads(rows[-1].settings)
        if said["classes"] != self._electronic.classes:
            raise UsageError(
                f"{self._store.folder} has learned the classes {', '.join(said['classes'])},"
                " in this order: give these, or --dir another folder"
            )
        broken = 0
        for row in rows:
            if row.is_unpublished() or json.loads(row.settings)["labels"] != said["labels"]:
                continue
            broken = broken + 1 if "broken" in json.loads(row.figures or "{}") else 0
        return said["labels"], said["left"] + rows[-1].is_unpublished(), broken

    # -- rounds

    async def run(self) -> None:
        """Hold rounds when there is something new to learn, for ever."""
        self.labels.keeping.run = beside(self._loop)
        again = _AGAIN
        try:
            while True:
                while not self._is_due():
                    self._changed.clear()
                    await self._changed.wait()
                try:
                    await self._round()
                    again = _AGAIN
                except Exception as error:
                    if not isinstance(error, StoreError):
                        _log.exception("layer 5's round has met a fault of its own")
                    self._warn(error)
                    await asyncio.sleep(again)
                    again = min(2 * again, _LONGEST)
        finally:
            self.labels.keeping.run = inline

    def _is_due(self) -> bool:
        """Tell whether there is something to learn, by somebody: places may have been renamed."""
        return self._can() and (bool(self.left) or self.new >= self._electronic.every)

    def _can(self) -> bool:
        return any(member.count for member in self.fusion.participants.values())

    async def _round(self) -> None:
        if not self.left:
            self.left, self._trained = self._electronic.rounds, self.labels.last
            self._broken = 0
        self._federation.settings = {
            "classes": self._electronic.classes, "labels": self._trained, "left": self.left - 1,
            "samples": self.labels.hold(),  # till the round is over, whatever goes wrong in it
        }  # fmt: skip
        begun = time.perf_counter()
        work = self._loop.run_in_executor(self._executor, self._hold)
        await asyncio.wait([work])  # if it is cancelled, `close` waits for the thread
        taken = work.result()
        if not taken:
            raise StoreError("a place's part in the round could not be stored: it is tried again")
        self.labels.release()
        self.left -= 1
        self._show()
        if self._federation.broken:  # it is told already
            self._broken += 1
            if self._broken >= MOST_BROKEN:
                self._rest()
            return
        self._broken = 0
        self._tell(
            "learned", round=self.round, places=taken, labels=self._trained, left=self.left,
            model=self.model.hex(), accuracy=self.accuracy,
            ms=round(1000 * (time.perf_counter() - begun), 1),
        )  # fmt: skip

    def _hold(self) -> int:
        """Hold a round, or end the one that is half closed; return how many places took part."""
        federation = self._federation
        if self._store.unfinished(federation.branch) and not federation.is_open:
            federation.close()
            return len(federation.updates)
        return learn_together(federation, self.fusion.participants.values(), self._keep_back)

    def _keep_back(self, place: Participant) -> None:
        federation = self._federation
        counted = federation.counted.get(place.name, 0)
        self._residuals.keep(place.name, federation.number, counted, place.residual)

    def _rest(self) -> None:
        """Give up the rounds that are left: one after the other comes to nothing."""
        self.left = 0
        every = self._electronic.every
        self._warn(ModelError(
            f"{self._broken} rounds in a row came to nothing; the model before them stays, and no"
            f" more are held until there are {every} new labels: correct labels that are wrong, or"
            " begin in another --dir with fewer hidden units"
        ))  # fmt: skip

    def _measure(self, federation: Federation) -> dict[str, Any]:
        """Return how much of all labels a new model has right; of labels that it has seen.

        Raises:
            ModelError: it cannot be run; the round comes to nothing.
        """
        sizes, codes = federation.task.sizes, federation.master.codes()
        nn.check(sizes, codes, federation.task.signed)  # also where there is no label
        samples = [s for member in self.fusion.participants.values() for s in member.samples]
        return {"accuracy": round(accuracy(sizes, codes, samples), 4)} if samples else {}

    def _show(self) -> None:
        """Let layer 5 be what the last round made."""
        head = self._federation.head
        self.round, self.model, self.accuracy = head.round, head.name, head.accuracy
        if why := self._federation.broken:
            text = f"round {head.round} came to nothing: {why}; the model before it stays"
            self._warn(ModelError(text))
        if head.round:
            try:
                self.fusion.load_model(self._federation.master.codes())
            except ModelError as error:
                self._warn(error)

    def _warn(self, error: Exception) -> None:
        """Tell what went wrong, from whatever thread."""
        text = f"layer 5: {error}"
        self._loop.call_soon_threadsafe(lambda: self._tell("warning", text=text))


def _learned_up_to(store: Store) -> int | None:
    """Return the newest label that the round learns which is not over.

    None where none is open, or it is of an older Paebiru, which did not write that down.
    """
    row = store.unfinished(0)
    return None if row is None else json.loads(row.settings).get("samples")


@contextmanager
def teaching(fusion: Fusion, folder: Path, tell: Telling, goes_on: bool) -> Iterator[Teaching]:
    """Open the store of layer 5, for as long as the block lasts.

    Raises:
        UsageError, StoreError: as `Teaching`.
    """
    with closing(Store(folder)) as store, closing(Teaching(fusion, store, tell, goes_on)) as made:
        yield made
