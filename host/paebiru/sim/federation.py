"""A simulated federation: the hub's own rounds, with a fleet of boards in memory."""

import time
from collections.abc import Iterator
from dataclasses import dataclass

from paebiru.federated import evaluate, reference
from paebiru.federated.master import Master
from paebiru.federated.rounds import Federation as Rounds
from paebiru.sim import masked
from paebiru.sim.board import SimBoard
from paebiru.sim.plan import World
from paebiru.sim.workers import spread
from sil import protocol as p
from sil.protocol import Task


@dataclass(frozen=True)
class Round:
    """What one round cost and gave.  Bytes are whole payloads, mean a board."""

    number: int
    accuracy: float
    bytes_up: float
    bytes_down: float
    seconds: float


def floats(world: World, proximal: float = 0.0) -> Iterator[float]:
    """Return float32 FedAvg's accuracies: same data, boards, first model, batches and rate."""
    plan = world.plan
    settings = reference.Settings(plan.rounds, plan.local_epochs, seed=plan.seed, proximal=proximal)
    first = reference.decode(world.codes)
    return reference.fedavg(world.split, world.parts, world.sizes, first, settings)


def names(world: World) -> list[bytes]:
    """Return the device ids of the boards; what they train by follows from them."""
    return [b"sim%05d" % number for number in range(world.plan.clients)]


def rounds_of(world: World) -> Rounds:
    """Return the hub's side of a plan."""
    plan = world.plan
    task = Task(world.sizes, world.split.signed, plan.parts)
    first = world.codes if world.given else b""
    made = Rounds(task, plan.seed, plan.server_rate, plan.local_epochs, first, proximal=plan.pull)
    if plan.secure:
        made.sums = masked.sums(names(world), plan.seed)
    return made


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
        self._names = names(world)
        plan = world.plan
        dealt = masked.memberships(self._names, plan.seed) if plan.secure else {}
        boards = [
            SimBoard(world, number, model, dealt.get(name, b""))
            for number, name in enumerate(self._names)
        ]
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
            shares, asked = self._unmask()
            hub.close()
            accuracy = self.accuracy()
            boards = len(self._names)
            down = len(hub.changes) + (self.world.given if number == 1 else 0)
            yield Round(
                number=number,
                accuracy=accuracy,
                bytes_up=(up + shares) / boards,
                bytes_down=down + asked / boards,
                seconds=time.perf_counter() - begun,
            )

    def _unmask(self) -> tuple[int, int]:
        """Have the round's masked sums unmasked, if it has any; return the bytes up and down."""
        hub = self.rounds_of
        if hub.sums is None:
            return 0, 0
        hub.seal()
        questions = [masked.Question(hub.sums.question(name)) for name in self._names]
        answers = self._fleet.round(questions)
        for name, answer in zip(self._names, answers, strict=True):
            if answer:
                hub.sums.answer(name, answer)
        orders = p.SUM_SIZE * len(self._names)
        return sum(map(len, answers)), sum(map(len, questions)) + orders

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
