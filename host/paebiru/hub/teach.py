"""Layer 5 taught on a running hub: labels are kept, and the places learn from them together.

The places of a hub are the members of a federation of their own (`fusion.participant`), in a
store of its own, DIR/places.  It is not a branch of the boards' federation: branches are versions
of one model, and its rounds are held at other times.  When `every` new labels have come, of all
places, `rounds` rounds are held, in a thread: the hub goes on meanwhile.

Durable: a label is in the store before it is learned from or said to be kept, and a round goes
through the journal of `federated.durable`.  What is left to do follows from the journal alone.
"""

import asyncio
import json
import time
from collections import deque
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from paebiru.errors import UsageError
from paebiru.federated import evaluate
from paebiru.federated.durable import Durable, begin, resume
from paebiru.federated.rounds import Federation
from paebiru.fusion import Fusion, learn_together
from paebiru.fusion.config import Electronic
from paebiru.fusion.electronic import INPUTS
from paebiru.fusion.place import Labelled
from paebiru.hub.samples import NO_GUESS, SampleRow, Samples
from paebiru.hub.tell import Telling
from paebiru.store import Store, StoreError
from paebiru.store.group import beside, inline
from sil.errors import ModelError

_RATE = 256  # a server rate of 1.0: what places learn counts in full
_SEED = 1
_TRIED = 100  # newest labels of a place by which its accuracy goes
_AGAIN = 5.0  # s until a round that failed is tried again
_PATIENCE = 10.0  # s for a label to be kept


class Teaching:
    """Layer 5's labels and rounds; `run` holds them.

    Args:
        fusion: the places, whose configuration has [electronic].
        store: where labels and rounds are.
        tell: is told of every label and round.
        goes_on: whether there may be rounds and labels in the store already.

    Attributes:
        labels: the number of the newest label that is kept.
        new: labels that no round was held for yet.
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
        self.tried: dict[str, deque[bool]] = {}
        self._electronic: Electronic = fusion.config.electronic
        self._store = store
        self._tell = tell
        self._samples = Samples(store, {n: f.capacity for n, f in fusion.config.places.items()})
        self._next = self.labels = self._samples.last()
        self._writing: dict[tuple[str, int], asyncio.Future[StoreError | None]] = {}
        self._is_busy = False
        self._later: list[tuple[str, bytes, int]] = []  # for places that are being taught
        self._changed = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        self._executor = ThreadPoolExecutor(1, "paebiru-places")
        for name in fusion.config.places:
            self._remember(name)
        self._federation = self._begin(goes_on)
        self._trained, self.left = self._journal()
        self._show()
        fusion.learn = self._keep

    def close(self) -> None:
        """Keep what waits to be kept."""
        self._executor.shutdown()
        self._samples.keeping.drain()

    @property
    def new(self) -> int:
        """Labels that no round was held for."""
        return self.labels - self._trained

    # -- from the store

    def _remember(self, place: str) -> None:
        member = self.fusion.participants[place]
        self.tried[place] = deque(maxlen=_TRIED)
        for row in self._samples.of(place, INPUTS):
            try:
                found = self._electronic.number(row.found)
            except ValueError as error:
                raise UsageError(f"{self._store.folder} has labels whose {error}") from None
            member.add(row.inputs, found)
            if row.guess != NO_GUESS:
                self.tried[place].append(row.guess == 1)

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

    def _journal(self) -> tuple[int, int]:
        """Return up to which label was learned, and how many rounds are left of that."""
        rows = self._store.rounds(limit=1)
        if not rows:
            return 0, 0
        said = json.loads(rows[-1].settings)
        if said["classes"] != self._electronic.classes:
            raise UsageError(
                f"{self._store.folder} has learned the classes {', '.join(said['classes'])},"
                " in this order: give these, or --dir another folder"
            )
        return said["labels"], said["left"] + rows[-1].is_unpublished()

    # -- labels

    async def kept(self, place: str, tick: int) -> None:
        """Wait until the label of a tick, that is known, is kept.

        Raises:
            StoreError: it could not be.
        """
        writing = self._writing.get((place, tick))
        if writing is None:
            return
        async with asyncio.timeout(_PATIENCE):
            error = await asyncio.shield(writing)
        if error:
            raise error

    def _keep(self, place: str, labelled: Labelled) -> None:
        if not labelled.inputs:
            self._label(place, labelled, problem="nothing was perceived then")
            return
        self._next += 1
        guess = NO_GUESS if labelled.guess < 0 else int(labelled.guess == labelled.found)
        name = self._electronic.classes[labelled.found]
        row = SampleRow(self._next, place, time.time(), name, guess, labelled.inputs)
        writing: asyncio.Future[StoreError | None] = self._loop.create_future()
        self._writing[place, labelled.time] = writing

        def written(error: StoreError | None) -> None:
            del self._writing[place, labelled.time]
            if error:
                self.fusion.forget_label(place, labelled.time)
                self._label(place, labelled, problem=str(error))
            else:
                self._learn(row, labelled.found)
                self._label(place, labelled)
            writing.set_result(error)

        self._samples.keeping.add(row, written)

    def _learn(self, row: SampleRow, found: int) -> None:
        self.labels = max(self.labels, row.id)
        if row.guess != NO_GUESS:
            self.tried[row.place].append(row.guess == 1)
        self._later.append((row.place, row.inputs, found))
        self._hand_over()
        self._changed.set()

    def _hand_over(self) -> None:
        """Give places their new samples, unless a thread reads those they have."""
        if not self._is_busy:
            for place, inputs, found in self._later:
                self.fusion.participants[place].add(inputs, found)
            self._later.clear()

    def _label(self, place: str, labelled: Labelled, **more: str) -> None:
        name = self._electronic.classes[labelled.found]
        self._tell("label", place=place, time=labelled.time, **{"class": name}, **more)

    # -- rounds

    async def run(self) -> None:
        """Hold rounds when there is something new to learn, for ever."""
        self._samples.keeping.run = beside(self._loop)
        try:
            while True:
                while not self.left and self.new < self._electronic.every:
                    self._changed.clear()
                    await self._changed.wait()
                try:
                    await self._round()
                except (StoreError, OSError) as error:
                    self._warn(error)
                    await asyncio.sleep(_AGAIN)
        finally:
            self._samples.keeping.run = inline

    async def _round(self) -> None:
        if not self.left:
            self.left, self._trained = self._electronic.rounds, self.labels
        self._federation.settings = {
            "classes": self._electronic.classes, "labels": self._trained, "left": self.left - 1,
        }  # fmt: skip
        begun = time.perf_counter()
        self._is_busy = True  # also when this is cancelled: `close` waits for the thread
        work = self._loop.run_in_executor(self._executor, self._hold)
        await asyncio.wait([work])
        self._is_busy = False
        self._hand_over()
        taken = work.result()
        self.left -= 1
        self._show()
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
        return learn_together(federation, self.fusion.participants.values())

    def _measure(self, federation: Federation) -> dict[str, Any]:
        """Return how much of all labels a new model has right; of labels that it has seen."""
        samples = [s for member in self.fusion.participants.values() for s in member.samples]
        if not samples:
            return {}
        x = np.frombuffer(b"".join(inputs for inputs, _ in samples), dtype=np.uint8)
        y = np.array([found for _, found in samples], dtype=np.uint8)
        sizes, codes = federation.task.sizes, federation.master.codes()
        try:
            right = evaluate.accuracy(sizes, codes, x.reshape(len(y), -1), y, signed=True)
        except ModelError:
            return {}
        return {"accuracy": round(right, 4)}

    def _show(self) -> None:
        """Let layer 5 be what the last round made."""
        head = self._federation.head
        self.round, self.model, self.accuracy = head.round, head.name, head.accuracy
        if head.round:
            try:
                self.fusion.load_model(self._federation.master.codes())
            except ModelError as error:
                self._warn(error)

    def _warn(self, error: Exception) -> None:
        """Tell what went wrong, from whatever thread."""
        text = f"layer 5: {error}"
        self._loop.call_soon_threadsafe(lambda: self._tell("warning", text=text))


@contextmanager
def teaching(fusion: Fusion, folder: Path, tell: Telling, goes_on: bool) -> Iterator[Teaching]:
    """Open the store of layer 5, for as long as the block lasts.

    Raises:
        UsageError, StoreError: as `Teaching`.
    """
    with closing(Store(folder)) as store, closing(Teaching(fusion, store, tell, goes_on)) as made:
        yield made
