"""One model's federation, round by round: what boards are told, and what is made of their answers.

Pure of I/O and time.  `Federation` says which object a board needs by what its STATUS told,
takes updates, and closes the round into the next model (SPEC-node.md section 2).
"""

from dataclasses import dataclass, field
from hashlib import sha256

import numpy as np

from paebiru.federated.master import Master
from paebiru.rng import Rng
from sil import nn
from sil import protocol as p
from sil import protocol_hub as hub
from sil.errors import FormatError
from sil.link.fields import get16, get32
from sil.payload import Payload
from sil.protocol import Task


@dataclass(frozen=True)
class Update:
    """One board's part in a round."""

    frame: bytes
    samples: int
    right: int
    size: int
    """Bytes of the payload, without its head."""


@dataclass
class Federation:
    """One model in training by many boards.

    Args:
        task: what is learned.
        seed: of the first model, unless `first` is given, and of the boards' training.
        rate: server learning rate in 1/256 (see `Master`).
        epochs: that a board trains in a round.
        first: the first model's codes, a byte a weight; drawn from `seed` if not given.
    """

    task: Task
    seed: int = 0
    rate: int = 512
    epochs: int = 1
    first: bytes = b""
    number: int = 0
    """The round that is open, or was last."""
    is_open: bool = False
    updates: dict[bytes, Update] = field(default_factory=dict)
    """Of the open round, by device."""
    counted: dict[bytes, int] = field(default_factory=dict)
    """The last round in which an update of a device was counted."""

    def __post_init__(self) -> None:
        self._drawn = not self.first
        self._answered: dict[bytes, set[bytes]] = {}  # who answered, by the model it was about
        self.first = self.first or bytes(nn.initial_codes(self.task.sizes, self.seed))
        self.master = Master(self.first, self.task.share, self.rate)
        self._payload = Payload(self.task.sizes, self.first)
        self._payload.expect(self.master.base)
        self._out = bytearray(self._payload.limit)
        self.changes = b""  # from the model before to this one
        self.before = b""  # the name of the model before
        self.name = name(self.master.base.tobytes())

    # -- what boards are sent

    def open(self) -> None:
        """Begin the next round."""
        self.number += 1
        self.is_open = True
        self.updates = {}

    def needs(self, device: bytes, status: hub.Status) -> int:
        """Return the kind of object that a board needs now: MODEL, ORDER, or 0 for none."""
        if status.branch or status.is_safe:
            return 0
        if status.model not in (self.name, self.before):
            return p.MODEL
        behind = status.model != self.name
        if not self.is_open or not status.samples or self.counted.get(device) == self.number:
            return p.ORDER if behind else 0
        has_begun = status.round == self.number and status.phase in (p.TRAINING, p.REPORTING)
        return 0 if has_begun and not behind else p.ORDER

    def model(self) -> bytes:
        """Return the MODEL object: the first model, and this one if it is another."""
        flags = (p.SEEDED if self._drawn else 0) | (p.WHOLE if self.number else 0)
        body = bytes(hub.write_model_head(self.task, flags, max(self.number - 1, 0), self.seed))
        if not self._drawn:
            body += self.first
        return body + self.master.base.tobytes() if flags & p.WHOLE else body

    def order(self, device: bytes, model: bytes, samples: int) -> bytes:
        """Return the ORDER object for a board that has the model of that name."""
        changes = self.changes if model == self.before and model != self.name else b""
        trains = self.is_open and samples and self.counted.get(device) != self.number
        flags = (p.CHANGES if changes else 0) | (p.TRAIN if trains else 0)
        head = bytearray(p.ORDER_HEAD)
        seed = Rng(self.seed, "train", self.number, device.hex()).below(1 << 29)
        hub.write_order_head(
            head, self.number, seed, self.counted.get(device, 0), self.epochs, flags
        )
        return bytes(head) + changes

    # -- what boards send

    def is_wanted(self, base: bytes) -> bool:
        """Tell whether an update for the model `base` is of the open round."""
        return self.is_open and base == self.name

    def has(self, device: bytes, base: bytes) -> bool:
        """Tell whether an update of this board for the model `base` was counted, in any round."""
        return device in self._answered.get(base, ())

    def take(self, device: bytes, body: bytes) -> None:
        """Count an UPDATE object; once is enough, a second one of the same board changes nothing.

        Raises:
            FormatError: it is damaged, or of another round or model.
        """
        if len(body) < p.UPDATE_HEAD or get32(body, 0) != self.number or not self.is_open:
            raise FormatError(f"not an update of round {self.number}")
        if device in self.updates:
            return
        frame = bytearray(len(self.first))
        self._payload.decode(body[p.UPDATE_HEAD :], frame)
        size = len(body) - p.UPDATE_HEAD
        self.updates[device] = Update(bytes(frame), get16(body, 4), get16(body, 6), size)
        self.counted[device] = self.number
        self._answered.setdefault(self.name, set()).add(device)

    def close(self) -> None:
        """End the round: the mean of its updates, counted by samples, makes the next model."""
        taken = [self.updates[device] for device in sorted(self.updates)]
        if taken:
            frames = np.frombuffer(b"".join(u.frame for u in taken), dtype=np.uint8)
            samples = np.array([u.samples for u in taken], dtype=np.int64)
            self.master.absorb(frames.reshape(len(taken), -1), samples)
        frame = self.master.release()
        self.changes = bytes(self._out[: self._payload.encode(frame, self._out)])
        self._payload.expect(self.master.base)
        self.before = self.name
        self.name = name(self.master.base.tobytes())
        self.is_open = False


def name(base: bytes) -> bytes:
    """Return the name of a model (int16 Q12, little-endian): the head of its SHA-256."""
    return sha256(base).digest()[: p.NAME_SIZE]
