"""A place as a member of layer 5's federation: what a board is to its own, by the same objects.

A place takes MODEL and ORDER, trains on its labelled fused states and gives UPDATE (SPEC-node.md
section 2), so a `federated.rounds.Federation` does not tell it from a board.  Its states stay
where they are: what is exchanged is updates.  `learn_together` does a round with places that
are at hand; places of other hubs speak the same over a link.
"""

from array import array
from collections.abc import Callable, Iterable
from functools import partial
from hashlib import sha256
from io import BytesIO

from paebiru.federated.rounds import Federation
from paebiru.federated.rounds import name as name_of
from sil import nn
from sil import protocol as p
from sil import protocol_hub as hub
from sil.errors import FormatError
from sil.learner import Learner
from sil.link.fields import get16, get32

_MAX_EPOCHS = 100


class Participant:
    """One place's samples, and its model in training.

    Args:
        place: its name, from which the federation's name for it is made.
        inputs: bytes of a sample.
        capacity: samples kept; the oldest gives way.
    """

    def __init__(self, place: str, inputs: int, capacity: int) -> None:
        self.name = sha256(b"place " + place.encode()).digest()[: p.NAME_SIZE]
        self.inputs = inputs
        self.capacity = capacity
        self._samples: dict[int, tuple[bytes, int]] = {}  # by number, the oldest first
        self._next = 0
        self._learner: Learner | None = None
        self._phase = p.EMPTY
        self._round = 0
        self._model = bytes(p.NAME_SIZE)
        self._update = b""
        self._waiting = b""  # what a participant before this one kept back

    @property
    def count(self) -> int:
        """How many samples there are."""
        return len(self._samples)

    @property
    def samples(self) -> list[tuple[bytes, int]]:
        """The samples, inputs and class each, the oldest first."""
        return list(self._samples.values())

    def add(self, inputs: bytes, found: int, number: int | None = None) -> None:
        """Keep a labelled sample as the newest, under a number by which it can be dropped."""
        number = self._next if number is None else number
        self._next = max(self._next, number + 1)
        self._samples.pop(number, None)
        self._samples[number] = inputs, found
        if len(self._samples) > self.capacity:
            del self._samples[next(iter(self._samples))]

    def drop(self, number: int) -> None:
        """Give up a sample that was labelled wrong, if it is still kept."""
        self._samples.pop(number, None)

    @property
    def residual(self) -> bytes:
        """What is learned and in no update, int16 Q12 a weight; empty before the first model."""
        return self._learner.residual.tobytes() if self._learner else b""

    def go_on(self, residual: bytes) -> None:
        """Begin with the first model to come, and with what was kept back before this start."""
        self._waiting = residual

    def status(self) -> hub.Status:
        """Return where this place stands, as a board's STATUS would."""
        body = bytearray(p.STATUS_SIZE)
        p.write_status(body, self._phase, 0, 0, self._round, 0)
        p.write_status_data(body, self.count, self.inputs, self._model, 0)
        return hub.Status(body)

    def take(self, kind: int, body: bytes) -> None:
        """Take an object of the federation; an ORDER to train is done at once.

        Raises:
            FormatError, ModelError: it is damaged, or for other inputs; nothing is changed.
        """
        if kind == p.MODEL:
            self._take_model(body)
        elif kind == p.ORDER and self._learner:
            self._take_order(body, self._learner)
        else:
            raise FormatError(f"an object of kind {kind} is not for a place that has no model")

    def _take_model(self, body: bytes) -> None:
        # The head's flags say whether the first model follows and whether the present one does.
        task = p.read_model_head(body)
        if task.sizes[0] != self.inputs or not task.signed:
            raise FormatError(f"the model takes {task.sizes[0]} inputs, places give {self.inputs}")
        weights = nn.check_sizes(task.sizes)
        rest = BytesIO(body[p.MODEL_HEAD + 2 * len(task.sizes) :])
        seeded = body[1] & p.SEEDED
        first = nn.initial_codes(task.sizes, get32(body, 12)) if seeded else rest.read(weights)
        base = rest.read(2 * weights) if body[1] & p.WHOLE else b""
        if len(first) != weights or len(base) not in (0, 2 * weights) or rest.read(1):
            raise FormatError("the model is shorter or longer than it says")
        learner = Learner(task.sizes, True, bytes(first), task.share, task.lb, task.lrs)
        if base:
            learner.base[:] = array("h", base)
        if self._waiting:
            learner.residual[:] = array("h", self._waiting)
            self._waiting = b""
        learner.restore()
        self._learner = learner
        self._round = get32(body, 8)
        self._settle(learner)

    def _take_order(self, body: bytes, learner: Learner) -> None:
        if len(body) < p.ORDER_HEAD or get32(body, 0) < 0 or body[12] > _MAX_EPOCHS:
            raise FormatError("this is no order")
        if get16(body, 14) > p.PROXIMAL_ONE:
            raise FormatError(f"an order's pull is at most 1.0, not {get16(body, 14)} / 32768")
        if self._phase == p.REPORTING and get32(body, 8) < self._round:
            learner.take_back(self._update[p.UPDATE_HEAD :])
            self._phase = p.IDLE
        if body[13] & p.CHANGES:
            learner.receive(body[p.ORDER_HEAD :])
        self._round = get32(body, 0)
        self._settle(learner)
        if body[13] & p.TRAIN:
            self._train(learner, max(body[12], 1), get32(body, 4), get16(body, 14))

    def _settle(self, learner: Learner) -> None:
        self._model = name_of(learner.base.tobytes())
        self._phase = p.IDLE
        self._update = b""

    def _train(self, learner: Learner, epochs: int, seed: int, proximal: int) -> None:
        classes = learner.trainer.sizes[-1]
        known = [sample for sample in self._samples.values() if sample[1] < classes]
        if not known:
            return
        x = b"".join(inputs for inputs, _ in known)
        y = bytes(found for _, found in known)
        right = learner.train(x, y, array("H", range(len(known))), epochs, seed, proximal)
        out = bytearray(learner.limit)
        end = learner.report(out)
        head = bytearray(p.UPDATE_HEAD)
        p.write_update_head(head, self._round, len(known), right)
        self._update = bytes(head + out[:end])
        self._phase = p.REPORTING

    def report(self) -> bytes:
        """Return the UPDATE that waits to be counted; empty for none."""
        return self._update if self._phase == p.REPORTING else b""

    def counted(self) -> None:
        """Hear that the federation has the update."""
        if self._phase == p.REPORTING:
            self._phase = p.IDLE
            self._update = b""


def _unheard(place: Participant) -> None:
    """Take no notice."""


def learn_together(
    federation: Federation,
    places: Iterable[Participant],
    reporting: Callable[[Participant], None] = _unheard,
) -> int:
    """Do one round with all of these places that have samples; return how many took part.

    A round that is open, of a hub before this one, is gone on with.  It stays open, and 0 is
    returned, while an update is not taken (it could not be stored).

    Args:
        federation: whose round it is.
        places: all that are at hand.
        reporting: is called with a place before its update is given; its `residual` is what
            it keeps back behind that.
    """
    members = list(places)
    if not federation.is_open:
        federation.open()
    for place in members:
        _serve(federation, place)
        update = place.report()
        if update:
            reporting(place)
            federation.take(place.name, update, partial(_answered, place))
    if any(place.report() for place in members):
        return 0
    taken = len(federation.updates)
    federation.close()
    for place in members:
        _serve(federation, place)
    return taken


def _answered(place: Participant, code: int) -> None:
    if not code:  # else it keeps its update, as a board would
        place.counted()


def _serve(federation: Federation, place: Participant) -> None:
    """Give a place what it needs: a MODEL, and the ORDER behind it."""
    for _ in range(2):
        status = place.status()
        kind = federation.needs(place.name, status)
        if kind == p.MODEL:
            place.take(kind, federation.model())
        elif kind == p.ORDER:
            place.take(kind, federation.order(place.name, status.model, status.samples))
        else:
            return
