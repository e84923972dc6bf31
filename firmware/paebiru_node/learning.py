"""The board's side of a federation, durable: every phase is a checkpoint before it is told.

A round begun is finished whatever happens in between: the checkpoint, the samples and the
hub's seed determine the update to the byte (SPEC-node.md sections 2 and 3).
"""

from sil import protocol as p
from sil.compat import Ints, const, sha256
from sil.errors import FormatError
from sil.kernels import wire
from sil.learner import Learner
from sil.link import messages as m
from sil.link.fields import get16, get32
from sil.link.offer import Offer, Source

from . import body
from .coding import model
from .kinds import Any, Buffer, Readable, Samples
from .slots import GOLD, Found, Slots

_MAX_EPOCHS = const(100)


class Learning:
    """What this board learns, and how far it has got.

    Args:
        slots: where checkpoints go.
        samples: the board's own (`samples.Samples`), or None where no sensor feeds a model.
    """

    def __init__(self, slots: Slots, samples: "Samples | None" = None) -> None:
        self.slots = slots
        self.samples = samples
        self.task: "Any" = None  # a `protocol.Task`, once there is a model
        self.first = bytearray(0)
        self.learner: "Any" = None  # a `Learner`, likewise
        self.phase = p.EMPTY
        self.branch = 0
        self.round = 0
        self.seed = 0
        self.epochs = 1
        self.proximal = 0  # Q15; how strongly training is drawn to the model it began with
        self.trained = 0  # samples that the update at hand was trained on
        self.right = 0  # of them, classified right in the last epoch
        self.model = bytes(p.NAME_SIZE)  # the name of the model that this board has
        self.taken = bytes(p.NAME_SIZE)  # the head of the hash of the hub's last object
        self.update = bytearray(0)  # the changes to report
        self.update_end = 0
        self.masks: "Any" = None  # a `masked.Masks`, on a board that is in a group
        self.is_masked = False  # the round is part of a masked sum: `update` is what was asked, 16
        # bytes, while it is trained, and from then on the part
        self._order: "Ints | None" = None  # of the samples, while a round is trained

    # -- from flash, and to it

    def load(self) -> bool:
        """Take up the newest checkpoint; False when there is none.

        Raises:
            SilError, MemoryError: it is whole, but cannot be used on this board.
        """
        found = self.slots.scan()
        if found:
            self._restore(found)
        return found is not None

    def _restore(self, found: "Found") -> None:
        source = self.slots.body(found)
        try:
            body.read(source, self)
        finally:
            source.close()
        self.model = name(self.learner.base)
        if self.model != found.model:
            raise FormatError("checkpoint %s holds another model than it names" % found.name)
        if self.is_masked and self.masks is not None:
            self.masks.settle(self)
        elif self.is_masked or (self.masks is not None and self.phase == p.TRAINING):
            self.phase = p.IDLE  # it has left its group, or has come into one
        elif self.masks is not None and self.phase == p.REPORTING:
            self.phase = p.WAITING  # not sent in the clear; the next order tells if it was already

    def forget(self) -> None:
        """Have no model: none that is stored can be used."""
        self.learner = None
        self.phase = p.EMPTY
        self.model = self.taken = bytes(p.NAME_SIZE)
        self.update_end = 0

    def save(self, target: str = "") -> None:
        """Write a checkpoint.

        Raises:
            OSError, PortError: it could not be stored.
        """
        self.slots.write(body.parts(self), self.model, target)

    def make(self, task: p.Task, seed: int, source: "Readable") -> None:
        """Make the learner of a task from its first model: drawn from `seed`, or read."""
        self._order = None
        self.forget()  # its memory is needed for the next one
        self.update = bytearray(0)
        self.first = body.first(task, seed, source)
        self.learner = Learner(
            task.sizes, task.signed, self.first, task.share, task.lb, task.lrs, model()
        )
        self.task = task
        self.update = bytearray(self.learner.limit)
        self.update_end = 0

    # -- what the hub sends

    def take_model(self, source: "Readable", digest: bytes) -> None:
        """Begin with a MODEL object that `source` (with ``readinto``) gives.

        Raises:
            FormatError, ModelError, RangeError: it is no model, or none for this board.
            MemoryError: it is too large for this board.
            OSError, PortError: no checkpoint could be stored.
            After any of them `load` goes back to the last checkpoint.
        """
        head = bytearray(p.MODEL_HEAD)
        source.readinto(head)
        sizes = bytearray(2 * min(head[2], p.MAX_LAYERS))
        source.readinto(sizes)
        task = p.read_model_head(head + sizes)
        if self.samples is not None and task.sizes[0] != self.samples.inputs:
            raise FormatError(
                "the model takes %d inputs, this board's sensor gives %d"
                % (task.sizes[0], self.samples.inputs)
            )
        self.make(task, get32(head, 12) if head[1] & p.SEEDED else -1, source)
        if head[1] & p.WHOLE:
            body.fill(source, self.learner.base)
            self.learner.restore()
        if source.readinto(bytearray(1)):
            raise FormatError("the model is longer than it says")
        self.round = get32(head, 8)
        self.model = name(self.learner.base)
        self._settle(p.IDLE, digest)

    def take_order(self, order: bytearray, digest: bytes) -> None:
        """Do what an ORDER object says, up to the checkpoint from which the round is trained.

        Raises:
            FormatError: it is damaged or another model's.
            OSError, PortError: no checkpoint could be stored.
            After any of them `load` goes back to the last checkpoint.
        """
        if len(order) < p.ORDER_HEAD or get32(order, 0) < 0 or order[12] > _MAX_EPOCHS:
            raise FormatError("this is no order")
        if get16(order, 14) > p.PROXIMAL_ONE:
            raise FormatError("an order's pull is at most 1.0, not %d / 32768" % get16(order, 14))
        asked = bytearray(0)  # what is said of a masked sum
        if self.masks is not None and order[13] & p.TRAIN:
            asked = self.masks.begin(order)
        elif order[13] & p.SUM:
            raise FormatError("this board is in no group: run paebiru keys group")
        if self.phase in (p.REPORTING, p.WAITING) and get32(order, 8) < self.round:
            self._take_back()
        if order[13] & p.CHANGES:
            self.learner.receive(order[p.ORDER_HEAD + len(asked) :])
            self.model = name(self.learner.base)
        self.round = get32(order, 0)
        self.seed = get32(order, 4)
        self.epochs = max(order[12], 1)
        self.proximal = get16(order, 14)
        if asked or len(self.update) != self.learner.limit:
            self.update = asked or bytearray(self.learner.limit)
        self._settle(p.TRAINING if order[13] & p.TRAIN else p.IDLE, digest, len(asked))

    def _settle(self, phase: int, digest: bytes, asked: int = 0) -> None:
        """Be in a phase, durably."""
        self.phase = phase
        self.taken = digest[: p.NAME_SIZE]
        self.is_masked = asked > 0
        self.update_end = asked
        self._order = None
        self.save()

    def _take_back(self) -> None:
        """Let the changes of the update at hand wait again."""
        if self.is_masked:
            self.masks.take_back(self)
            self.is_masked, self.update = False, bytearray(0)  # what is unmasked is nobody's part
        else:
            self.learner.take_back(bytes(memoryview(self.update)[: self.update_end]))
        self.update_end = 0

    # -- what the board does

    def step(self, samples: int) -> bool:
        """Train on about so many samples; True when an update has become ready, and is durable."""
        if self.phase != p.TRAINING or self.samples is None or not self.samples.count:
            return False
        if self._order is None:
            order = self.samples.order(self.task.sizes[-1])
            self.trained = min(len(order), 0xFFFF)
            self._order = order
            self.learner.begin(order, self.epochs, self.seed, self.proximal)
        if not self.learner.advance(self.samples.x, self.samples.y, self._order, samples):
            return False
        self._order = None
        self.right = min(self.learner.trainer.right, 0xFFFF)
        if self.is_masked:
            self.masks.mask(self)
            return True
        self.update_end = self.learner.report(self.update)
        self.phase = p.REPORTING
        self.save()
        return True

    @property
    def due(self) -> int:
        """Return what waits to be sent: a number to know it by, 0 for none."""
        if self.masks is not None and self.masks.due:
            number: int = self.masks.due
            return number
        return p.UPDATE if self.phase == p.REPORTING else 0

    def report(self) -> "tuple[Offer, Source]":
        """Return the object that waits to be sent: UPDATE, or its like in a masked sum."""
        if self.is_masked or (self.masks is not None and self.masks.due):
            waits: "tuple[Offer, Source]" = self.masks.report(self)
            return waits
        head = bytearray(p.UPDATE_HEAD)
        p.write_update_head(head, self.round, self.trained, self.right)
        seen = sha256(head)
        seen.update(memoryview(self.update)[: self.update_end])
        length = p.UPDATE_HEAD + self.update_end
        offer = Offer(p.UPDATE, length, seen.digest(), base=self.model)
        return offer, Report(head, self.update)

    def committed(self) -> None:
        """Hear that the hub has the update; the next checkpoint will tell so too."""
        if self.masks is not None and self.masks.ended():
            return
        if self.phase == p.REPORTING and self.is_masked:
            self.phase = p.WAITING
        elif self.phase == p.REPORTING:
            self.phase = p.IDLE
            self.update_end = 0

    def refused(self, code: int) -> None:
        """Hear that the hub does not take the update: stale ones wait for the next round."""
        if self.masks is not None and self.masks.ended():
            return
        if self.phase == p.REPORTING and code in (m.E_STATE, m.E_BASE, m.E_HASH, m.E_CODEC):
            self._take_back()
            self.phase = p.IDLE
            self.save()

    # -- branches and checkpoints

    def pin(self, model: bytes) -> None:
        """Make the present checkpoint the golden one, if it is this model's."""
        found = self.slots.look(GOLD)
        if self.learner and model == self.model and not (found and found.model == model):
            self.save(GOLD)

    def roll_back(self, model: bytes) -> bool:
        """Go on from the checkpoint that has this model; False when there is none."""
        if model == self.model:
            return True
        found = self.slots.find(model)
        if not found:
            return False
        self._restore(found)
        self._settle(p.IDLE, self.taken)
        return True

    def fork(self, branch: int) -> None:
        """Mark the model as another branch's."""
        if self.learner and 0 <= branch <= 15 and branch != self.branch:
            self.branch = branch
            self.save()


class Report(Source):
    """An UPDATE object, read from where its parts lie."""

    def __init__(self, head: bytearray, changes: bytearray) -> None:
        self._head = head
        self._changes = changes

    def read(self, offset: int, buf: bytearray, at: int, size: int) -> None:
        """Copy ``size`` bytes from ``offset`` on to ``buf[at:]``."""
        for i in range(offset, min(offset + size, p.UPDATE_HEAD)):
            buf[at] = self._head[i]
            at += 1
        start = max(offset, p.UPDATE_HEAD) - p.UPDATE_HEAD
        end = offset + size - p.UPDATE_HEAD
        if end > start:
            wire.copy(self._changes, start, end, buf, at)


def name(base: "Buffer") -> bytes:
    """Return the name of a model (int16 Q12): the head of its SHA-256."""
    return sha256(base).digest()[: p.NAME_SIZE]
