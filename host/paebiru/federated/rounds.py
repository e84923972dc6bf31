"""One model's federation, round by round: what boards are told, and what is made of their answers.

Pure of I/O and time.  `Federation` says which object a board needs by what its STATUS told,
takes updates, and closes the round into the next model (SPEC-node.md section 2).  Its `state`
holds all that the next rounds follow from, so that another process goes on to the same bits
(`paebiru.federated.durable`).
"""

from array import array
from collections.abc import Callable
from dataclasses import dataclass, field
from hashlib import sha256

import numpy as np

from paebiru.federated import snapshot
from paebiru.federated.master import Master
from paebiru.federated.rules import Codes, Int64, decoded, fedavg_aggregate
from paebiru.federated.sums import Sums
from paebiru.rng import Rng
from sil import nn
from sil import protocol as p
from sil import protocol_hub as hub
from sil.errors import FormatError
from sil.link.fields import get16, get32
from sil.payload import Payload
from sil.protocol import Task

Combine = Callable[[Codes, Int64], Int64]
"""Makes one update, Q14 [weights], of a round's codes [boards, weights] and samples [boards]."""
Done = Callable[[int], None]
"""Is called with 0 when an update is counted for good, or with the E_ code why it is not."""


@dataclass(frozen=True)
class Update:
    """One board's part in a round."""

    frame: bytes
    """A code a weight; in a masked sum the MASKED object, whose samples nobody knows."""
    samples: int
    right: int
    size: int
    """Bytes of the payload, without its head."""


def _unheard(code: int) -> None:
    """Take no notice: what `take` calls where nobody asks."""


def _mean(frames: Codes, samples: Int64) -> Int64:
    """Count updates by their samples (FedAvg)."""
    return fedavg_aggregate(decoded(frames), samples)


@dataclass
class Federation:
    """One model in training by many boards.

    Args:
        task: what is learned.
        seed: of the first model, unless `first` is given, and of the boards' training.
        rate: server learning rate in 1/256 (see `Master`).
        epochs: that a board trains in a round.
        first: the first model's codes, a byte a weight; drawn from `seed` if not given.
        branch: of the model (layer D), 0..15; boards of other branches are left alone.
        proximal: how strongly boards' training is drawn to the round's model (FedProx), Q15.
    """

    task: Task
    seed: int = 0
    rate: int = 512
    epochs: int = 1
    first: bytes = b""
    branch: int = 0
    proximal: int = 0
    number: int = 0
    """The round that is open, or was last."""
    is_open: bool = False
    updates: dict[bytes, Update] = field(default_factory=dict)
    """Of the open round, by device."""
    counted: dict[bytes, int] = field(default_factory=dict)
    """The last round in which an update of a device was counted."""

    combine: Combine = field(default=_mean, repr=False)
    """Makes one update of a round's, codes [boards, weights] and samples [boards] to Q14."""
    secret: bytes = field(default=b"", repr=False)
    """What the open round's noise follows from, if its mean is private."""
    sums: Sums | None = field(default=None, repr=False)
    """Hides single updates: rounds are masked sums, sealed and unmasked before they close."""

    def __post_init__(self) -> None:
        self._drawn = not self.first
        self._about: dict[bytes, bytes] = {}  # the model that a board's last update was about
        self._prior: dict[bytes, tuple[int, bytes]] = {}  # both, before the open round
        self.first = self.first or bytes(nn.initial_codes(self.task.sizes, self.seed))
        self.master = Master(self.first, self.task.share, self.rate)
        self._payload = Payload(self.task.sizes, self.first)
        self._payload.expect(self.master.base)
        self._out = bytearray(self._payload.limit)
        self.changes = b""  # from the model before to this one
        self.before = b""  # the name of the model before
        self.name = self._first_name = name(self.master.base.tobytes())

    # -- what boards are sent

    def open(self) -> None:
        """Begin the next round."""
        if self.sums is not None:
            self.sums.begin(self.sums.draw(), len(self.first))
        self._begin(self.number + 1)

    def _begin(self, number: int) -> None:
        self.number = number
        self.is_open = True
        self.updates = {}
        self._prior = {}
        # The round before may have left the model as it was: what is about it is no answer now.
        self._about = {d: base for d, base in self._about.items() if base != self.name}

    def needs(self, device: bytes, status: hub.Status) -> int:
        """Return the kind of object that a board needs now: MODEL, ORDER, or 0 for none."""
        is_ours = status.branch == self.branch or status.phase == p.EMPTY
        if not is_ours or status.is_safe:
            return 0
        if status.model not in (self.name, self.before):
            return p.MODEL
        behind = status.model != self.name
        if not self._trains(device, status.samples):
            return p.ORDER if behind else 0
        has_begun = status.round == self.number and status.phase in (p.TRAINING, p.REPORTING)
        return 0 if has_begun and not behind else p.ORDER

    def _trains(self, device: bytes, samples: int) -> bool:
        """Tell whether a board with so many samples is to have an update in the open round."""
        is_able = samples > 0 and (self.sums is None or device in self.sums)
        return self.is_open and is_able and self.counted.get(device) != self.number

    def model(self) -> bytes:
        """Return the MODEL object: the first model, and this one if it is another."""
        flags = (p.SEEDED if self._drawn else 0) | (p.WHOLE if self.name != self._first_name else 0)
        body = bytes(hub.write_model_head(self.task, flags, max(self.number - 1, 0), self.seed))
        if not self._drawn:
            body += self.first
        return body + self.master.base.tobytes() if flags & p.WHOLE else body

    def order(self, device: bytes, model: bytes, samples: int) -> bytes:
        """Return the ORDER object for a board that has the model of that name."""
        changes = self.changes if model == self.before and model != self.name else b""
        flags = p.CHANGES if changes else 0
        if self._trains(device, samples):
            flags |= p.TRAIN
            if self.sums is not None:
                flags |= p.SUM
                changes = self.sums.part(device) + changes
        head = bytearray(p.ORDER_HEAD)
        seed = Rng(self.seed, "train", self.number, device.hex()).below(1 << 29)
        hub.write_order_head(
            head, self.number, seed, self.counted.get(device, 0), self.epochs, flags, self.proximal
        )
        return bytes(head) + changes

    # -- what boards send

    def is_wanted(self, base: bytes) -> bool:
        """Tell whether an update for the model `base` is of the open round."""
        return self.is_open and base == self.name

    def has(self, device: bytes, base: bytes) -> bool:
        """Tell whether the update of this board for the model `base` was counted, in any round.

        A board has one update at a time, so the last one counted is the only one in question.
        """
        if self.is_wanted(base):
            return device in self.updates  # a round may have left the model as it was
        return self._about.get(device) == base

    def take(self, device: bytes, body: bytes, done: Done = _unheard) -> None:
        """Count an UPDATE object; once is enough, a second one of the same board changes nothing.

        Raises:
            FormatError: it is damaged, or of another round or model.
        """
        if not self.counts_already(device, body):
            self.count(device, self.read(device, body))
        done(0)

    def counts_already(self, device: bytes, body: bytes) -> bool:
        """Tell whether an update of this board was counted in the round that `body` names."""
        if self.sums is not None:
            return device in self.updates
        return len(body) >= p.UPDATE_HEAD and get32(body, 0) == self.counted.get(device, -1)

    def read(self, device: bytes, body: bytes) -> Update:
        """Return what a board's UPDATE or MASKED object of the open round says.

        Raises:
            FormatError: it is damaged, or of another round or model.
        """
        if self.sums is not None and self.is_open:
            self.sums.check(device, body)
            return Update(body, 0, 0, len(body))
        if len(body) < p.UPDATE_HEAD or get32(body, 0) != self.number or not self.is_open:
            raise FormatError(f"not an update of round {self.number}")
        frame = bytearray(len(self.first))
        self._payload.decode(body[p.UPDATE_HEAD :], frame)
        return Update(bytes(frame), get16(body, 4), get16(body, 6), size=len(body) - p.UPDATE_HEAD)

    def count(self, device: bytes, update: Update) -> None:
        """Count an update in the open round."""
        self._prior.setdefault(device, (self.counted.get(device, 0), self._about.get(device, b"")))
        self.updates[device] = update
        self.counted[device] = self.number
        self._about[device] = self.name

    def close(self) -> None:
        """End the round: the mean of its updates, counted by samples, makes the next model.

        A pure function of the state and the updates: their order changes nothing.
        """
        self.seal()
        self._advance()
        if self.sums is not None:
            self.sums.end()

    def seal(self) -> None:
        """Take no more updates; of masked sums follows what boards are asked."""
        self.is_open = False
        if self.sums is not None:
            self.sums.seal({device: update.frame for device, update in self.updates.items()})

    def _add_sums(self, sums: Sums) -> None:
        """Add what could be unmasked; who is in no sum is not counted, and hears so."""
        update, counted = sums.update(bool(self.secret))
        if update is not None:
            self.master.add(update)
        for device in self.updates.keys() - counted:
            del self.updates[device]
            self.counted[device], self._about[device] = self._prior[device]

    def _advance(self) -> None:
        """Make the next model."""
        taken = [self.updates[device] for device in sorted(self.updates)]
        if self.sums is not None:
            self._add_sums(self.sums)
        elif taken or self.secret:  # noise also where nobody answered, or its absence would tell
            frames = np.frombuffer(b"".join(u.frame for u in taken), dtype=np.uint8)
            samples = np.array([u.samples for u in taken], dtype=np.int64)
            self.master.add(self.combine(frames.reshape(-1, len(self.first)), samples))
        frame = self.master.release()
        self.changes = bytes(self._out[: self._payload.encode(frame, self._out)])
        self._payload.expect(self.master.base)
        self.before = self.name
        self.name = name(self.master.base.tobytes())

    # -- the whole of it

    def state(self) -> bytes:
        """Return the model and all that the next rounds follow from, without open updates."""
        return snapshot.Snapshot(
            self.task, self.seed, self.rate, self.epochs, self.proximal, self._drawn,
            self.number, self.before, self.name, self.first, self.master.base.tobytes(),
            self.master.master.astype("<i4").tobytes(), self.changes,
        ).pack()  # fmt: skip

    @classmethod
    def of(cls, state: bytes, branch: int = 0) -> "Federation":
        """Return a federation that goes on from a state.

        Raises:
            FormatError: it is damaged.
        """
        s = snapshot.unpack(state)
        made = cls(s.task, s.seed, s.rate, s.epochs, s.first, branch, s.proximal)
        made.restore(state)
        return made

    def restore(self, state: bytes) -> None:
        """Go on from a state of this federation, with no round open.

        Raises:
            FormatError: it is damaged, or another federation's.
        """
        s = snapshot.unpack(state)
        if vars(s.task) != vars(self.task) or s.first != self.first:
            raise FormatError("a state of another federation: it began with another model or task")
        if name(s.base) != s.name:
            raise FormatError("a state whose model has another name than it says")
        self.seed, self.rate, self.epochs, self.proximal = s.seed, s.rate, s.epochs, s.proximal
        self.number, self.before, self.name, self.changes = s.number, s.before, s.name, s.changes
        self.master = Master(self.first, self.task.share, self.rate)
        self.master.base = array("h", s.base)
        self.master.master = np.frombuffer(s.master, dtype="<i4").astype(np.int64)
        self._payload.expect(self.master.base)
        self._drawn, self.is_open = s.drawn, False


def name(base: bytes) -> bytes:
    """Return the name of a model (int16 Q12, little-endian): the head of its SHA-256."""
    return sha256(base).digest()[: p.NAME_SIZE]
