"""Places of a hub in a process of their own or here: states by hand, labels, and layer 5's store.

python places_lab.py FOLDER    # labels one state after the other for ever; a JSON line each
"""

import asyncio
import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from io import StringIO
from pathlib import Path
from random import Random
from typing import Any

from documented import Listening
from fusion_lab import BOARDS, Batch, state
from paebiru.fusion.config import Config
from paebiru.hub.places import Places, opened
from paebiru.hub.tell import Telling
from sil import bytesil

REST, WORK, FAULT = "rest", "work", "fault"
CLASSES = [REST, WORK, FAULT]
HORIZON = 1000


def config(capacity: int = 200, **electronic: Any) -> Config:
    """Return two places with two boards each: an eye has layer 0, a hand layer 4."""
    given = {"classes": CLASSES, "hidden": [8], "every": 30, "rounds": 8, **electronic}
    place = {"horizon_ms": HORIZON, "hold_ms": 1000, "drift_ppm": 0, "capacity": capacity}
    names = [board.hex() for board in (*BOARDS, b"board-03")]
    return Config.model_validate(
        {
            "electronic": given,
            "places": {
                "bench": {**place, "boards": names[:2]},
                "yard": {**place, "boards": names[2:]},
            },
        }
    )


def byte_of(layer: int, found: str, spin: int) -> int:
    """Return what a board perceives: the eye tells rest from the others, the hand work."""
    if layer == 0:
        return bytesil.make(-1 if found == REST else 2, spin % 3)
    return bytesil.make(1, spin % 3 + (0 if found == WORK else 8))


class Bench:
    """The places of a config on a clock of their own; `feel` gives `bench` a state to label."""

    def __init__(self, places: Places, tell: Telling, seed: int) -> None:
        self.places = places
        self.tell = tell
        self.now = 0
        self._random = Random(seed)
        places.fusion.tick(self.now)

    def feel(self, found: str, place: str = "bench") -> int:
        """Have a place perceive a class at the next tick, and fuse it; return that tick."""
        tick = self.now = self.now + 1000
        boards = self.places.fusion.config.places[place].boards
        for board, layer in zip(boards, (0, 4), strict=True):
            byte = byte_of(layer, found, self._random.randrange(3))
            self.places.fusion.on_states(
                board, Batch(tick, 1000, [state(**{f"l{layer}": byte})]), tick
            )
        self.now += HORIZON
        self.places.fusion.tick(self.now)
        return tick

    async def teach(self, count: int, place: str = "bench") -> None:
        """Label so many states, all classes in turn, and have them kept."""
        teaching = self.places.teaching
        assert teaching
        for n in range(count):
            found = CLASSES[n % 3]
            tick = self.feel(found, place)
            assert self.places.fusion.label(place, found, tick, self.now) == (tick, True)
            await teaching.labels.kept(place, tick)
            await asyncio.sleep(0)  # what is kept at once lets nobody else in

    def told(self, event: str) -> list[dict[str, Any]]:
        """Return the events of that name."""
        return [said for said in self.tell.newest if said["event"] == event]

    def right(self, count: int, place: str = "bench") -> float:
        """Return how often layer 5 is right about states that it has not seen."""
        score = 0
        for n in range(count):
            self.feel(CLASSES[n % 3], place)
            fused = self.places.fusion.state(place)
            assert fused
            score += fused.decision.where == "hub" and fused.decision.found == n % 3
        return score / count

    async def learn(self, count: int) -> None:
        """Teach so much, have rounds held until none is left, and no more."""
        teaching = self.places.teaching
        assert teaching
        running = asyncio.create_task(teaching.run())
        await self.teach(count)
        await self.until_learned()
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)

    async def until_learned(self) -> None:
        """Wait until no round is left."""
        teaching = self.places.teaching
        assert teaching
        every = self.places.fusion.config.electronic
        assert every
        async with asyncio.timeout(180):
            while teaching.left or teaching.new >= every.every:
                await asyncio.sleep(0.01)


@contextmanager
def bench(folder: Path, made: Config | None = None, goes_on: bool = False) -> Iterator[Bench]:
    """Open the places of a folder; within a running loop."""
    tell = Telling(StringIO())
    with opened(made or config(), folder, tell, goes_on) as places:
        heard = Listening(tell)
        yield Bench(places, tell, 1)
    heard.check()


async def main(folder: Path) -> None:
    """Label for ever while rounds are held, and say what is kept and learned."""
    tell = Telling(sys.stdout)
    with opened(config(every=5, rounds=3, epochs=1), folder, tell, goes_on=True) as places:
        assert places.teaching
        made = Bench(places, tell, 1)
        known = {"labels": places.teaching.labels.last, "round": places.teaching.round}
        print(json.dumps({"event": "begun", **known, "left": places.teaching.left}), flush=True)
        learning = asyncio.create_task(places.teaching.run())
        while not learning.done():
            await made.teach(1)
        learning.result()


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1])))
