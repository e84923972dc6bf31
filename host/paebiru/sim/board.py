"""A simulated board's learning: the firmware's own, on its own samples, without flash or line.

What goes in and out are the objects that a hub and a board exchange (SPEC-node.md section 2).
`paebiru.sim.lab` has whole boards; a thousand of these cost what one of those does.
"""

import io
from hashlib import sha256
from typing import Any

from paebiru.sim.masked import Question
from paebiru.sim.plan import World
from paebiru_node.learning import Learning
from paebiru_node.masked import Masks
from paebiru_node.samples import Samples
from sil import protocol as p


class NoFlash:
    """The checkpoints of a board that cannot lose its power."""

    newest = None

    def write(self, parts: object, model: bytes, name: str = "") -> None:
        """Keep nothing."""


class Values:
    """The saved values of such a board."""

    def __init__(self, membership: bytes) -> None:
        self._values = {"group": membership}

    def load(self, name: str) -> bytes:
        """Return what was saved."""
        return self._values.get(name, b"")

    def save(self, name: str, data: bytes | bytearray) -> None:
        """Keep a value."""
        self._values[name] = bytes(data)


class SimBoard:
    """One board of a simulated fleet; only objects enter and leave it.

    Args:
        world: the fleet's data, of which this board has its part.
        number: of the board.
        model: the MODEL object to begin with.
        membership: of its group, if it learns under masks.
    """

    def __init__(self, world: World, number: int, model: bytes, membership: bytes = b""):
        rows = world.parts[number]
        held = Samples(len(rows), world.sizes[0])
        held.x[:] = world.split.train_x[rows].tobytes()
        held.y[:] = world.split.train_y[rows].tobytes()
        held.count = self.samples = len(rows)
        slots: Any = NoFlash()
        self.learning = Learning(slots, held)
        if membership:
            values: Any = Values(membership)
            self.learning.masks = Masks(values)
        self.learning.take_model(io.BytesIO(model), sha256(model).digest())

    def round(self, order: bytes) -> bytes:
        """Take an ORDER object and do it; return the UPDATE object, empty if none was asked for.

        In a masked sum it is MASKED that returns, and SHARES for an UNMASK.
        """
        if isinstance(order, Question):
            return self._answer(order)
        learning = self.learning
        learning.committed()
        learning.take_order(bytearray(order), sha256(order).digest())
        while learning.phase == p.TRAINING:
            learning.step(self.samples)
        if learning.phase != p.REPORTING:
            return b""
        return self._report()

    def _answer(self, question: bytes) -> bytes:
        """Answer an UNMASK; nothing where there is none."""
        if not question:
            return b""
        self.learning.masks.take(bytearray(question), sha256(question).digest(), self.learning)
        answer = self._report()
        self.learning.committed()
        return answer

    def _report(self) -> bytes:
        offer, source = self.learning.report()
        body = bytearray(offer.length)
        source.read(0, body, 0, offer.length)
        return bytes(body)
