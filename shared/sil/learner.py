"""A board's side of a federation: take the hub's changes, train, report (SPEC.md section 5).

Every round: `receive` what the hub sent, `train` on local samples, `report` the changes
most worth sending.  The raw samples stay where they are; only payloads travel.

Memory for n weights: 12n bytes (model, residual, masters and what they infer as, of 2; first
model, codes, frame and expectation of 1), the trainer's batch and the stream's coder.
"""

from array import array

from . import update
from .compat import Buf, Ints
from .kernels import sparse as _sparse
from .payload import Payload
from .train import Trainer


class Learner:
    """One board's model in training.

    Args:
        sizes: units of each layer, the input first.
        signed: inputs are int8 Q5, else uint8 Q8.
        first: the model that training began with, as codes; all ends know it.
        share: of the weights reported a round, in parts of 10000.
        lb, lrs: batch size 2**lb and learning rate 2**-lrs (see `Trainer`).
    """

    def __init__(
        self,
        sizes: "tuple[int, ...]",
        signed: bool,
        first: Buf,
        share: int,
        lb: int = 3,
        lrs: int = 3,
    ):
        self.trainer = Trainer(sizes, signed, lb, lrs)
        self.trainer.load(first)
        weights = self.trainer.weights
        self.base = array("h", self.trainer.masters)
        self._residual = array("h", bytes(2 * weights))
        self._selector = update.Selector(weights, share)
        self._frame = bytearray(weights)
        self._payload = Payload(sizes, first)
        self._payload.expect(self.base)

    def receive(self, payload: Buf) -> None:
        """Add the hub's changes to the model.

        Raises:
            FormatError: the payload is damaged or another model's; the model is unchanged.
        """
        self._payload.decode(payload, self._frame)
        update.apply(self.base, self._frame)
        self._payload.expect(self.base)

    def train(self, x: Buf, y: Buf, order: Ints, epochs: int, seed: int) -> int:
        """Train `epochs` times on the samples that `order` names, from the received model.

        Returns how many samples the last epoch classified right before their step.
        """
        trainer = self.trainer
        _sparse.copy(trainer.masters, trainer.weights, self.base)
        right = 0
        epoch = 0
        while epoch < epochs:
            right = trainer.epoch(x, y, order, seed + epoch)
            epoch += 1
        _sparse.gain(self._residual, trainer.weights, trainer.masters, self.base)
        return right

    def report(self, out: bytearray) -> int:
        """Write the changes most worth sending to `out`; return the payload's length.

        What is not sent waits for the next round.

        Raises:
            RangeError: `out` is shorter than `limit` says; nothing was taken.
        """
        self._payload.check(out)
        self._selector.take(self._residual, self._frame)
        return self._payload.encode(self._frame, out)

    @property
    def limit(self) -> int:
        """How long a payload can be, in bytes."""
        return self._payload.limit
