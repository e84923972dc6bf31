"""Layer 5's life by a script: labels between rounds and within them, from whatever is in a folder.

A script is drawn by a seed: which label comes when, so that a hub which is killed anywhere and
starts again is given what it was not given before, and its models can be held to an undisturbed
life's, byte for byte.
"""

import asyncio
import json
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import Any

from durable_fleet import Told, silent
from paebiru.federated.rounds import Federation
from paebiru.fusion import Participant
from paebiru.fusion.electronic import INPUTS
from paebiru.fusion.place import Labelled
from paebiru.hub.labels import _Known
from paebiru.hub.places import opened
from paebiru.hub.residuals import ResidualRow
from paebiru.hub.samples import SampleRow
from paebiru.hub.teach import Teaching
from paebiru.hub.tell import Telling
from paebiru.store import Store, StoreError, rows
from places_lab import CLASSES, config

EVERY, BATCH, CAPACITY = 4, 3, 4
PLACES = ("bench", "yard")
MOMENTS = 4  # of a round: before it, while each place reports, and while it is closed


@dataclass(frozen=True)
class Word:
    """A label, and when it is given: in which round, at which of its moments."""

    when: tuple[int, int]
    place: str
    labelled: Labelled


def script(seed: int, rounds: int) -> list[Word]:
    """Return the labels of a life; some correct an earlier one, most push an older one out."""
    random = Random(seed)
    words: list[Word] = []
    trained = left = 0

    def add(when: tuple[int, int]) -> None:
        place = random.choice(PLACES)
        known = [word.labelled.time for word in words if word.place == place][-CAPACITY:]
        again = bool(known) and random.random() < 0.3
        tick = random.choice(known) if again else len(words)
        inputs = Random(tick).randbytes(INPUTS)
        guess = random.randrange(-1, len(CLASSES))
        found = random.randrange(len(CLASSES))
        words.append(Word(when, place, Labelled(tick, found, inputs, guess)))

    for number in range(1, rounds + 1):
        for moment in range(MOMENTS):
            for _ in range(random.randrange(3)):
                add((number, moment))
            while not moment and not left and len(words) - trained < EVERY:
                add((number, moment))
            if not moment and not left:
                left, trained = BATCH, len(words)
        left -= 1
    return words


class Life:
    """What is to be done in a folder from now on."""

    def __init__(self, teaching: Teaching, words: list[Word]) -> None:
        self.teaching = teaching
        self.words = words
        self.given = teaching.labels.last  # every label is kept, so the first has number 1
        self._loop = asyncio.get_running_loop()
        self._number = teaching.round
        for number, word in enumerate(words[: self.given], 1):
            # A hub forgets which tick a label was of; here the clock goes on.
            here = teaching.labels._known[word.place]
            here.setdefault(word.labelled.time, _Known(word.labelled.guess)).numbers = [number]
        keep, measure = teaching._keep_back, teaching._measure

        def keep_back(place: Participant) -> None:
            names = [teaching.fusion.participants[name].name for name in PLACES]
            self._beside(1 + names.index(place.name))
            keep(place)

        def measured(federation: Federation) -> dict[str, Any]:
            self._beside(MOMENTS - 1)
            return measure(federation)

        teaching._keep_back = keep_back  # type: ignore[method-assign]
        teaching._federation.measure = measured

    def _beside(self, moment: int) -> None:
        """Have labels given while the thread of a round is at that moment."""
        asyncio.run_coroutine_threadsafe(self._give(moment), self._loop).result(60)

    async def _give(self, moment: int) -> None:
        for word in self.words[self.given :]:
            if word.when > (self._number, moment):
                return
            self.given += 1
            self.teaching.labels._keep(word.place, word.labelled)
            assert self.teaching.labels.last == self.given, "it is kept at once"

    async def end(self) -> None:
        """Have the last labels given, whose round was over before a hub could take them."""
        self._number += 1
        await self._give(0)

    async def round(self, on_error: Callable[[], None] | None) -> None:
        """Hold the next round, or go on with the one that is open; again after an error."""
        teaching = self.teaching
        is_begun = teaching._store.unfinished(0) is not None
        self._number = teaching.round + 1
        if not is_begun:
            await self._give(0)
        assert teaching._is_due()
        try:
            await teaching._round()
        except StoreError:
            if on_error is None:
                raise
            on_error()


def live(
    folder: Path, told: Told = silent, on_error: Callable[[], None] | None = None,
    *, seed: int = 0, rounds: int = 4,
) -> None:  # fmt: skip
    """Live until so many rounds are held.

    A store that fails in a round ends it, or has it tried again if `on_error` does not raise.
    """
    asyncio.run(_live(folder, told, on_error, seed, rounds))


async def _live(
    folder: Path, told: Told, on_error: Callable[[], None] | None, seed: int, rounds: int
) -> None:
    made = config(CAPACITY, every=EVERY, rounds=BATCH, epochs=1, hidden=[2])
    tell = Telling()
    with opened(made, folder, tell, (folder / "hub.sqlite").exists()) as places:
        teaching = places.teaching
        assert teaching

        def heard(said: dict[str, Any]) -> None:
            if said["event"] == "label":
                if "problem" in said:
                    raise StoreError(said["problem"])
                told("kept", teaching.labels.last, b"")
            elif said["event"] == "learned":
                told("learned", said["round"], bytes.fromhex(said["model"]))

        tell.listen(heard)
        life = Life(teaching, script(seed, rounds))
        while teaching.round < rounds:
            await life.round(on_error)
        await life.end()


def stands(folder: Path) -> list[Any]:
    """Return all that is in a store of layer 5, but when it came there."""
    with closing(Store(folder)) as store:
        found: list[Any] = []
        for row in store.rounds():
            found.append((row.number, row.name, row.state, row.roster, row.result))
            found.append((json.loads(row.settings), json.loads(row.figures or "{}")))
        for sample in rows.select(store.db, SampleRow, "ORDER BY id"):
            found.append((sample.id, sample.place, sample.found, sample.guess, sample.inputs))
        kept_back = rows.select(store.db, ResidualRow, "ORDER BY device, round")
        found += [(row.device, row.round, row.residual) for row in kept_back]
        return found


@cache
def undisturbed(seed: int = 0, rounds: int = 4) -> list[Any]:
    """Return how a life ends that nobody disturbs."""
    with TemporaryDirectory() as folder:
        live(Path(folder) / "places", seed=seed, rounds=rounds)
        return stands(Path(folder) / "places")


def prepare() -> None:
    """Have what each life needs in memory."""
    undisturbed()


def check(folder: Path, said: list[str]) -> None:
    """Assert that what was told is there, and that the rest ends as undisturbed."""
    if (folder / "hub.sqlite").exists():
        told: dict[str, int] = {}
        for text in said:
            word, number, *_ = text.split()
            told[word] = int(number)
        _check_told(folder, told)
    live(folder)
    assert stands(folder) == undisturbed()


def _check_told(folder: Path, told: dict[str, int]) -> None:
    with closing(Store(folder)) as store:
        if "kept" in told:
            last = store.db.rows("SELECT max(id) FROM samples")[0][0]
            assert last >= told["kept"], f"label {told['kept']} was told, {last} is the last"
        if "learned" in told:
            assert store.round(told["learned"]).state == "published"
