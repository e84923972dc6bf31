"""What places are labelled with, from the word to the sample: kept first, then learned from."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from paebiru.errors import UsageError
from paebiru.fusion import Fusion
from paebiru.fusion.config import Electronic
from paebiru.fusion.electronic import INPUTS
from paebiru.fusion.place import HISTORY, Labelled
from paebiru.hub.samples import NO_GUESS, Kept, SampleRow, Samples
from paebiru.hub.tell import Telling
from paebiru.store import Store, StoreError

_TRIED = 100  # newest labels of a place by which its accuracy goes
_PATIENCE = 10.0  # s for a label to be kept


@dataclass
class _Known:
    """A label that can still be corrected."""

    guess: int
    """The class that layer 5's model found before it learned any label of it; -1: no model."""
    numbers: list[int] = field(default_factory=list)
    """What it is kept under, and what its corrections that are being written will be."""


class Labels:
    """The labels of a hub's places.

    Args:
        fusion: the places, whose configuration has [electronic]; what it learns comes here.
        store: where labels are.
        tell: is told of every label.
        changed: is called when one more is kept.
        begun: the newest label that the round learns which is not over; None: every one there is.
            Places have no later ones until `release`.

    Attributes:
        last: the number of the newest one that is kept; a correction has a new number.

    Raises:
        UsageError: the store has labels of a class that is not there.
        StoreError: it is damaged or cannot be written.
    """

    def __init__(
        self, fusion: Fusion, store: Store, tell: Telling, changed: Callable[[], None],
        begun: int | None = None,
    ) -> None:  # fmt: skip
        assert fusion.config.electronic
        self._fusion = fusion
        self._electronic: Electronic = fusion.config.electronic
        self._tell = tell
        self._changed = changed
        self._samples = Samples(store, {n: f.capacity for n, f in fusion.config.places.items()})
        self.keeping = self._samples.keeping
        self._next = self.last = self._samples.last()
        # By place and number, of the newest labels that are kept: `SampleRow.guess`.
        self._guesses: dict[str, dict[int, int]] = {name: {} for name in fusion.config.places}
        self._writing: dict[tuple[str, int], asyncio.Future[StoreError | None]] = {}
        # By place and tick.
        self._known: dict[str, dict[int, _Known]] = {name: {} for name in fusion.config.places}
        self._is_held = begun is not None
        # The newest label that places have.
        self._given = self._samples.floor = self.last if begun is None else begun
        # For places whose samples are read: what is to be added, and what is dropped for it.
        self._later: list[tuple[Kept, int]] = []
        for name in fusion.config.places:
            self._remember(name, str(store.folder))
        fusion.learn = self._keep

    def _remember(self, place: str, where: str) -> None:
        there, behind = self._samples.at(place, INPUTS, self._given)
        for item in [*map(Kept, there), *behind]:
            try:
                found = self._electronic.number(item.row.found)
            except ValueError as error:
                raise UsageError(f"{where} has labels whose {error}") from None
            if item.row.id > self._given:
                self._later.append((item, found))
            else:
                self._fusion.participants[place].add(item.row.inputs, found, item.row.id)
            self._count(item)

    def tried(self, place: str) -> list[bool]:
        """Return of a place's newest labels, whether the model had them right before."""
        return [guess == 1 for guess in self._guesses[place].values() if guess != NO_GUESS]

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
        known = self._of(place, labelled)
        guess = NO_GUESS if known.guess < 0 else int(known.guess == labelled.found)
        name = self._electronic.classes[labelled.found]
        self._next += 1
        row = SampleRow(self._next, place, time.time(), name, guess, labelled.inputs)
        item = Kept(row, tuple(known.numbers))
        known.numbers.append(row.id)
        loop = asyncio.get_running_loop()
        writing: asyncio.Future[StoreError | None] = loop.create_future()
        self._writing[place, labelled.time] = writing

        def written(error: StoreError | None) -> None:
            if self._writing.get((place, labelled.time)) is writing:
                del self._writing[place, labelled.time]
            if error:
                known.numbers.remove(row.id)
                if not self._writing:
                    self._next = self.last  # what came to nothing is no label
                self._fusion.forget_label(place, labelled)
                self._say(place, labelled, problem=str(error))
            else:
                known.numbers = [number for number in known.numbers if number >= row.id]
                self._learn(item, labelled.found)
                self._say(place, labelled)
            writing.set_result(error)

        self.keeping.add(item, written)

    def _of(self, place: str, labelled: Labelled) -> _Known:
        """Return what is known of a tick, which may be labelled already."""
        here = self._known[place]
        known = here.setdefault(labelled.time, _Known(labelled.guess))
        if len(here) > HISTORY:
            del here[min(here)]
        return known

    def _learn(self, item: Kept, found: int) -> None:
        self.last = item.row.id
        self._count(item)
        self._later.append((item, found))
        if not self._is_held:
            self.release()
        self._changed()

    def _count(self, item: Kept) -> None:
        """Have a label among the newest, once: a correction stands for what it corrects."""
        place = item.row.place
        newest = self._guesses[place]
        for old in item.instead:
            newest.pop(old, None)
        newest[item.row.id] = item.row.guess
        if len(newest) > min(_TRIED, self._fusion.config.places[place].capacity):
            del newest[next(iter(newest))]

    def _say(self, place: str, labelled: Labelled, **more: str) -> None:
        name = self._electronic.classes[labelled.found]
        self._tell("label", place=place, time=labelled.time, **{"class": name}, **more)

    # -- while a thread reads the places' samples

    def hold(self) -> int:
        """Let the places' samples be as they are, until `release`; return the newest one's number.

        Held already, they are as they were.
        """
        self._is_held = True
        return self._given

    def release(self) -> None:
        """Give the places what came meanwhile."""
        self._is_held = False
        self._given = self._samples.floor = self.last
        for item, found in self._later:
            place = self._fusion.participants[item.row.place]
            for old in item.instead:
                place.drop(old)
            place.add(item.row.inputs, found, item.row.id)
        self._later.clear()
