"""A simulated federation: the hub's own rounds, with a fleet of boards in memory."""

import time
from collections.abc import Iterator
from dataclasses import dataclass

from paebiru.federated import evaluate
from paebiru.federated.master import Master
from paebiru.federated.rounds import Federation as Rounds
from paebiru.sim.board import SimBoard
from paebiru.sim.plan import World
from paebiru.sim.workers import spread
from sil.protocol import Task


@dataclass(frozen=True)
class Round:
    """What one round cost and gave.  Bytes are whole payloads, mean a board."""

    number: int
    accuracy: float
    bytes_up: float
    bytes_down: float
    seconds: float


def names(world: World) -> list[bytes]:
    """Return the device ids of the boards; what they train by follows from them."""
    return [b"sim%05d" % number for number in range(world.plan.clients)]


def rounds_of(world: World) -> Rounds:
    """Return the hub's side of a plan."""
    plan = world.plan
    task = Task(world.sizes, world.split.signed, plan.parts)
    first = world.codes if world.given else b""
    return Rounds(task, plan.seed, plan.server_rate, plan.local_epochs, first, proximal=plan.pull)


class Federation:
    """One run of a plan.

    The first model is drawn from the plan's seed by every end, so it does not travel (one
    that was given does, in round 1); each round a board sends one update up and, when the
    round is closed, gets the hub's changes with the next order.
    """

    def __init__(self, world: World, workers: int = 1):
        self.world = world
        self.rounds_of = rounds_of(world)
        model = self.rounds_of.model()
        boards = [SimBoard(world, number, model) for number in range(world.plan.clients)]
        self._names = names(world)
        self._samples = [board.samples for board in boards]
        self._fleet = spread(boards, workers)

    @property
    def master(self) -> Master:
        """The hub's copy of the model."""
        return self.rounds_of.master

    def rounds(self) -> Iterator[Round]:
        """Run the plan, a round at a time; the model is whole between rounds."""
        hub = self.rounds_of
        for number in range(1, self.world.plan.rounds + 1):
            begun = time.perf_counter()
            before = hub.before if number > 1 else hub.name
            hub.open()
            orders = [
                hub.order(name, before, samples)
                for name, samples in zip(self._names, self._samples, strict=True)
            ]
            for name, update in zip(self._names, self._fleet.round(orders), strict=True):
                if update:
                    hub.take(name, update)
            up = sum(update.size for update in hub.updates.values())
            hub.close()
            accuracy = self.accuracy()
            yield Round(
                number=number,
                accuracy=accuracy,
                bytes_up=up / len(self._names),
                bytes_down=float(len(hub.changes) + (self.world.given if number == 1 else 0)),
                seconds=time.perf_counter() - begun,
            )

    def accuracy(self) -> float:
        """Return how often the model that the boards have is right on the test part, 0..1."""
        world = self.world
        split = world.split
        x = split.test_x.view("uint8")
        return evaluate.accuracy(world.sizes, self.model(), x, split.test_y, split.signed)

    def model(self) -> bytes:
        """Return the model as the boards have it: one ByteSil code a weight."""
        return self.master.codes()

    def close(self) -> None:
        """End the worker processes, if any."""
        self._fleet.close()
