"""What places are labelled with, from the word to the sample: kept first, then learned from."""

import asyncio
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from paebiru.errors import UsageError
from paebiru.fusion import Fusion
from paebiru.fusion.config import Electronic
from paebiru.fusion.electronic import INPUTS
from paebiru.fusion.place import HISTORY, Labelled
from paebiru.hub.samples import NO_GUESS, SampleRow, Samples
from paebiru.hub.tell import Telling
from paebiru.store import Store, StoreError

_TRIED = 100  # newest labels of a place by which its accuracy goes
_PATIENCE = 10.0  # s for a label to be kept


@dataclass
class _Known:
    """A label that can still be corrected."""

    number: int
    found: int = -1
    """The class that is kept; -1 for none yet."""


class Labels:
    """The labels of a hub's places.

    Args:
        fusion: the places, whose configuration has [electronic]; what it learns comes here.
        store: where labels are.
        tell: is told of every label.
        changed: is called when one more is kept.

    Attributes:
        last: the number of the newest one that is kept.
        tried: by place, of its newest ones, whether the model had them right before.

    Raises:
        UsageError: the store has labels of a class that is not there.
        StoreError: it is damaged or cannot be written.
    """

    def __init__(
        self, fusion: Fusion, store: Store, tell: Telling, changed: Callable[[], None]
    ) -> None:
        assert fusion.config.electronic
        self.tried: dict[str, deque[bool]] = {}
        self._fusion = fusion
        self._electronic: Electronic = fusion.config.electronic
        self._tell = tell
        self._changed = changed
        self._samples = Samples(store, {n: f.capacity for n, f in fusion.config.places.items()})
        self.keeping = self._samples.keeping
        self._next = self.last = self._samples.last()
        self._writing: dict[tuple[str, int], asyncio.Future[StoreError | None]] = {}
        # By place and tick, of those that can still be corrected: the number and what is learned.
        self._known: dict[str, dict[int, _Known]] = {name: {} for name in fusion.config.places}
        self._is_held = False
        # For places whose samples are read: inputs, the class before (-1 for none), and now.
        self._later: list[tuple[str, bytes, int, int]] = []
        for name in fusion.config.places:
            self._remember(name, str(store.folder))
        fusion.learn = self._keep

    def _remember(self, place: str, where: str) -> None:
        self.tried[place] = deque(maxlen=_TRIED)
        for row in self._samples.of(place, INPUTS):
            try:
                found = self._electronic.number(row.found)
            except ValueError as error:
                raise UsageError(f"{where} has labels whose {error}") from None
            self._fusion.participants[place].add(row.inputs, found)
            self._count(row)

    # -- one label

    async def kept(self, place: str, tick: int) -> None:
        """Wait until the label of a tick whose state is known is kept.

        Raises:
            StoreError: it could not be.
            TimeoutError: the store takes too long.
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
            self._say(place, labelled, problem="nothing was perceived then")
            return
        guess = NO_GUESS if labelled.guess < 0 else int(labelled.guess == labelled.found)
        name = self._electronic.classes[labelled.found]
        known = self._of(place, labelled.time)
        row = SampleRow(known.number, place, time.time(), name, guess, labelled.inputs)
        loop = asyncio.get_running_loop()
        writing: asyncio.Future[StoreError | None] = loop.create_future()
        self._writing[place, labelled.time] = writing

        def written(error: StoreError | None) -> None:
            if self._writing.get((place, labelled.time)) is writing:
                del self._writing[place, labelled.time]
            if error:
                self._fusion.forget_label(place, labelled)
                self._say(place, labelled, problem=str(error))
            else:
                self._learn(row, labelled, known)
                self._say(place, labelled)
            writing.set_result(error)

        self.keeping.add(row, written)

    def _of(self, place: str, tick: int) -> _Known:
        """Return what is known of a tick: a new number, unless it takes the place of a label."""
        here = self._known[place]
        if tick not in here:
            self._next += 1
            here[tick] = _Known(self._next)
        if len(here) > HISTORY:
            del here[min(here)]
        return here[tick]

    def _learn(self, row: SampleRow, labelled: Labelled, known: _Known) -> None:
        self.last = max(self.last, row.id)
        self._count(row)
        self._later.append((row.place, row.inputs, known.found, labelled.found))
        known.found = labelled.found
        if not self._is_held:
            self.release()
        self._changed()

    def _count(self, row: SampleRow) -> None:
        if row.guess != NO_GUESS:
            self.tried[row.place].append(row.guess == 1)

    def _say(self, place: str, labelled: Labelled, **more: str) -> None:
        name = self._electronic.classes[labelled.found]
        self._tell("label", place=place, time=labelled.time, **{"class": name}, **more)

    # -- while a thread reads the places' samples

    def hold(self) -> None:
        """Let the places' samples be as they are, until `release`."""
        self._is_held = True

    def release(self) -> None:
        """Give the places what came meanwhile."""
        self._is_held = False
        for place, inputs, before, found in self._later:
            self._fusion.participants[place].drop(inputs, before)
            self._fusion.participants[place].add(inputs, found)
        self._later.clear()
