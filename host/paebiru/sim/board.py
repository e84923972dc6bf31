"""A simulated board: the learner that a real one runs, with its own samples."""

from array import array

from paebiru.rng import Rng
from paebiru.sim.plan import Plan, World
from sil.learner import Learner


class SimBoard:
    """One board of a simulated fleet; only payloads enter and leave it."""

    def __init__(self, world: World, number: int):
        rows = world.parts[number]
        self._plan: Plan = world.plan
        self._number = number
        # As bytes, not arrays: their elements are ints, so that plain kernels run too.
        self._x = world.split.train_x[rows].tobytes()
        self._y = world.split.train_y[rows].tobytes()
        self._order = array("H", range(len(rows)))
        self._learner = Learner(world.sizes, world.split.signed, world.codes, world.plan.parts)
        self._out = bytearray(self._learner.limit)
        self.samples = len(rows)

    def round(self, payload: bytes | None, number: int) -> bytes:
        """Take the hub's payload (none in the first round), train, and return our own."""
        if payload is not None:
            self._learner.receive(payload)
        self._learner.train(
            self._x, self._y, self._order, self._plan.local_epochs, self._seed(number)
        )
        return bytes(self._out[: self._learner.report(self._out)])

    def _seed(self, number: int) -> int:
        """Return the seed of this board's epochs of a round, below 2**29 as the core asks."""
        return Rng(self._plan.seed, "train", number, self._number).below(1 << 29)
