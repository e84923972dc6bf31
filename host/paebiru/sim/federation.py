"""A simulated federation: real payloads between a hub's master and a fleet of boards."""

import time
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from paebiru.federated import evaluate
from paebiru.federated.master import Master
from paebiru.sim.board import SimBoard
from paebiru.sim.plan import World
from paebiru.sim.workers import spread
from sil.payload import Payload


@dataclass(frozen=True)
class Round:
    """What one round cost and gave.  Bytes are whole payloads, mean a board."""

    number: int
    accuracy: float
    bytes_up: float
    bytes_down: float
    seconds: float


class Federation:
    """One run of a plan.

    The first model is drawn from the plan's seed by every end, so it does not travel (one
    that was given does, in round 1); each round a board sends one payload up and, when the
    round is closed, gets one down.
    """

    def __init__(self, world: World, workers: int = 1):
        plan = world.plan
        self.world = world
        self.master = Master(world.codes, plan.parts, plan.server_rate)
        boards = [SimBoard(world, number) for number in range(plan.clients)]
        self._samples = np.array([board.samples for board in boards], dtype=np.int64)
        self._fleet = spread(boards, workers)
        self._payload = Payload(world.sizes, world.codes)
        self._out = bytearray(self._payload.limit)

    def rounds(self) -> Iterator[Round]:
        """Run the plan, a round at a time; the model is whole between rounds."""
        down: bytes | None = None
        for number in range(1, self.world.plan.rounds + 1):
            begun = time.perf_counter()
            ups = self._fleet.round(down, number)
            down = self._close(ups)
            accuracy = self.accuracy()
            yield Round(
                number=number,
                accuracy=accuracy,
                bytes_up=sum(map(len, ups)) / len(ups),
                bytes_down=float(len(down) + (self.world.given if number == 1 else 0)),
                seconds=time.perf_counter() - begun,
            )

    def _close(self, ups: list[bytes]) -> bytes:
        """Take the boards' payloads into the master; return what goes down to each."""
        payload = self._payload
        payload.expect(self.master.base)
        frame = bytearray(self.world.weights)
        frames = np.empty((len(ups), len(frame)), dtype=np.uint8)
        for i, up in enumerate(ups):
            payload.decode(up, frame)
            frames[i] = np.frombuffer(frame, dtype=np.uint8)
        self.master.absorb(frames, self._samples)
        frame = self.master.release()
        return bytes(self._out[: payload.encode(frame, self._out)])

    def accuracy(self) -> float:
        """Return how often the model that the boards have is right on the test part, 0..1."""
        world = self.world
        split = world.split
        x = split.test_x.view(np.uint8)
        return evaluate.accuracy(world.sizes, self.model(), x, split.test_y, split.signed)

    def model(self) -> bytes:
        """Return the model as the boards have it: one ByteSil code a weight."""
        return self.master.codes()

    def close(self) -> None:
        """End the worker processes, if any."""
        self._fleet.close()
