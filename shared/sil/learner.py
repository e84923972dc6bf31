"""A board's side of a federation: take the hub's changes, train, report (SPEC.md section 5).

Every round: `receive` what the hub sent, `train` on local samples, `report` the changes
most worth sending.  The raw samples stay where they are; only payloads travel.

Memory for n weights: 11n bytes (model, residual, masters and what they infer as, of 2; first
model, codes and expectation of 1), the trainer's batch, the coder's model (8.5 KB).  Between
the trainer's steps the coder works where the trainer does.
"""

from array import array

from . import tables, update
from .coder import Model
from .compat import Buf, Ints
from .kernels import codes as _codes
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
        model: of the coder, where others have one that is at rest meanwhile.

    `codes` is the model to infer with: the received one, and while training goes on the one
    in training.
    """

    def __init__(
        self,
        sizes: "tuple[int, ...]",
        signed: bool,
        first: Buf,
        share: int,
        lb: int = 3,
        lrs: int = 3,
        model: "Model | None" = None,
    ):
        self.trainer = Trainer(sizes, signed, lb, lrs)
        self.trainer.load(first)
        weights = self.trainer.weights
        self.base = array("h", self.trainer.masters)
        self.trainer.base = self.base
        self.residual = array("h", bytes(2 * weights))
        self._selector = update.Selector(weights, share)
        self.codes = self._frame = self.trainer.codes  # frames pass through it
        self._left = 0  # epochs to go
        self._seed = 0
        self._payload = Payload(sizes, first, self.trainer.scratch, model)
        self.restore()

    def receive(self, payload: Buf) -> None:
        """Add the hub's changes to the model.

        Raises:
            FormatError: the payload is damaged or another model's; the model is unchanged.
        """
        self._payload.decode(payload, self._frame)
        update.apply(self.base, self._frame)
        self.restore()

    def train(self, x: Buf, y: Buf, order: Ints, epochs: int, seed: int, proximal: int = 0) -> int:
        """Train from the received model on the samples that `order` names, `epochs` times (1 ..).

        Returns how many samples the last epoch classified right before their step.
        """
        self.begin(order, epochs, seed, proximal)
        while not self.advance(x, y, order, len(order)):
            pass
        return self.trainer.right

    def begin(self, order: Ints, epochs: int, seed: int, proximal: int = 0) -> None:
        """Start from the received model what `advance` then does in pieces.

        `proximal` draws the training back to that model (see `Trainer`): 0 for not at all.
        """
        trainer = self.trainer
        trainer.proximal = proximal
        _sparse.copy(trainer.masters, trainer.weights, self.base)
        self._left = epochs
        self._seed = seed
        trainer.begin(order, seed)

    def advance(self, x: Buf, y: Buf, order: Ints, samples: int) -> bool:
        """Train on about as many samples more; True when all epochs are done."""
        trainer = self.trainer
        if not trainer.advance(x, y, order, samples):
            return False
        self._left -= 1
        if self._left > 0:
            self._seed += 1
            trainer.begin(order, self._seed)
            return False
        _sparse.gain(self.residual, trainer.weights, trainer.masters, self.base)
        return True

    def take_back(self, payload: Buf) -> None:
        """Let the changes of a report wait again: nobody took it, and the model is as it was.

        Raises:
            FormatError: it is no report of this model.
        """
        self._payload.decode(payload, self._frame)
        update.apply(self.residual, self._frame)
        self._show_model()

    def restore(self) -> None:
        """Go on from the `base` and the `residual` that were just filled from a checkpoint."""
        self._payload.expect(self.base)
        self._show_model()

    def _show_model(self) -> None:
        """Put the codes of the model where a frame was."""
        _codes.encode16(
            self.base, self.trainer.weights, tables.thresholds(), tables.level_codes(), self.codes
        )

    def report(self, out: bytearray) -> int:
        """Write the changes most worth sending to `out`; return the payload's length.

        What is not sent waits for the next round.

        Raises:
            RangeError: `out` is shorter than `limit` says; nothing was taken.
        """
        self._payload.check(out)
        self._selector.take(self.residual, self._frame)
        size = self._payload.encode(self._frame, out)
        self._show_model()
        return size

    @property
    def limit(self) -> int:
        """How long a payload can be, in bytes."""
        return self._payload.limit
