"""Local training of a network in integers: minibatch SGD on int16 masters (SPEC.md section 6).

Every step looks at the network that will infer: the masters as their codes give them back
(a straight-through estimator, Bengio et al. 2013), and moves the masters.

A learner that is to stay near where it began (FedProx, Li et al. 2020) is drawn back to it by
every step: that is the gradient of proximal/2 * |masters - base|**2.

The same bytes in, the same seed: the same masters out, on every interpreter.
"""

from array import array

from . import nn, tables
from .compat import Buf, Ints
from .errors import ModelError, RangeError
from .intmath import Rand16
from .kernels import codes as _codes
from .kernels import dense as _dense


class Trainer:
    """SGD with softmax cross-entropy over masters (int16 Q12), which it owns.

    Memory: 5 bytes a weight, and for a batch of 2**lb samples 3 bytes a hidden unit,
    4 a unit of the widest layer and 2 a class.

    Args:
        sizes: units of each layer, the input first.
        signed: inputs are int8 Q5, else uint8 Q8.
        lb: log2 of the batch size, 0..6.
        lrs: the learning rate is 2**-lrs; 3 has worked everywhere.

    Attributes:
        proximal: how strongly masters are drawn to `base`, Q15, 0..2**15; 0 for not at all.
        base: int16 Q12, a weight each; whoever sets `proximal` gives it.
    """

    def __init__(self, sizes: "tuple[int, ...]", signed: bool, lb: int = 3, lrs: int = 3):
        self.weights = nn.check_sizes(sizes)
        if not 0 <= lb <= 6:
            raise RangeError("lb %d is out of 0..6 (batches of 1 to 64)" % lb)
        if not 0 <= lrs <= 16 - 8 - lb:
            raise RangeError("lrs %d is out of 0..%d for lb %d" % (lrs, 8 - lb, lb))
        self.sizes = sizes
        self.signed = signed
        self.lb = lb
        self.lrs = lrs
        self.proximal = 0
        self.masters = array("h", bytes(2 * self.weights))
        self.base = self.masters
        self.codes = bytearray(self.weights)
        self.scratch = array("h", self.masters)  # of a step: the masters, through their codes
        self._limits = tables.thresholds()
        self._level_codes = tables.level_codes()
        self._dec = tables.dec()
        self._at = nn.offsets(sizes)
        batch = 1 << lb
        self._acc = array("i", bytes(4 * batch * max(sizes[1:])))
        self._hidden = [bytearray(batch * units) for units in sizes[1:-1]]
        self._errors = [array("h", bytes(2 * batch * units)) for units in sizes[1:]]
        self._rows = array("H", range(batch))  # hidden layers are not gathered
        self._expn = tables.expn()
        self._rand = Rand16(0)
        self._next = 0  # where in `order` the epoch has got to
        self.right = 0  # samples of the epoch classified right before their step

    def load(self, codes: Buf) -> None:
        """Set the masters to the weights of a model.

        Raises:
            ModelError: the model has another number of weights.
        """
        if len(codes) != self.weights:
            raise ModelError("this network has %d weights, not %d" % (self.weights, len(codes)))
        _codes.decode16(codes, self.weights, self._dec, self.masters)

    def epoch(self, x: Buf, y: Buf, order: Ints, seed: int) -> int:
        """Train once on the samples that `order` names, shuffled by `seed`.

        Args:
            x: inputs, one row of sizes[0] bytes a sample.
            y: labels, a byte each, under sizes[-1].
            order: array("H") of sample numbers; it is shuffled in place.
            seed: 0..2**30-1, also of the stochastic rounding.

        Returns:
            How many samples were classified right before their step.
        """
        self.begin(order, seed)
        while not self.advance(x, y, order, len(order)):
            pass
        return self.right

    def begin(self, order: Ints, seed: int) -> None:
        """Shuffle `order` for an epoch that `advance` takes in pieces."""
        self._rand.seed(seed)
        self._rand.shuffle(order)
        self._next = 0
        self.right = 0

    def advance(self, x: Buf, y: Buf, order: Ints, samples: int) -> bool:
        """Train on the next `samples` or a few more, for whole batches; True at the epoch's end."""
        end = self._next + samples
        total = len(order)
        while self._next < total and self._next < end:
            n = total - self._next
            if n > 1 << self.lb:
                n = 1 << self.lb
            self.right += self._step(x, y, order, self._next, n)
            self._next += n
        return self._next == total

    def _step(self, x: Buf, y: Buf, order: Ints, first: int, n: int) -> int:
        """Take one minibatch: forward, error, backward, then the updates."""
        weights = self.weights
        _codes.encode16(self.masters, weights, self._limits, self._level_codes, self.codes)
        _codes.decode16(self.codes, weights, self._dec, self.scratch)
        self._forward(x, order, first, n)
        last = len(self._at) - 1
        classes = self.sizes[-1]
        fa = nn.FA_HIDDEN if last else nn.input_bits(self.signed)
        right = _dense.softmax_error(
            self._acc, n, classes, 12 + fa - 5, y, order, first, self._expn, self._errors[last]
        )
        i = last
        while i > 0:
            self._backward(i, n)
            i -= 1
        if self.proximal:
            _dense.pull(
                self.masters, weights, self.base, self.proximal, 7 + self.lrs, self._rand.next()
            )
        self._update(x, order, first, n)
        return right

    def _forward(self, x: Buf, order: Ints, first: int, n: int) -> None:
        below = x
        signed = 1 if self.signed else 0
        fa = nn.input_bits(self.signed)
        i = 0
        while True:
            nin = self.sizes[i]
            nout = self.sizes[i + 1]
            _dense.forward_weights(
                self.scratch, self._at[i], below, order, first, signed, n, nin, nout, fa, self._acc
            )
            if i == len(self._hidden):
                return
            _dense.relu(self._acc, n * nout, 12 + fa - nn.FA_HIDDEN, self._hidden[i])
            below = self._hidden[i]
            order = self._rows
            first = 0
            signed = 0
            fa = nn.FA_HIDDEN
            i += 1

    def _backward(self, i: int, n: int) -> None:
        nout = self.sizes[i + 1]
        ps = 0
        # The output layer has at most 64 units; a wider one is scaled down before it is summed.
        while nout > 64 << ps:
            ps += 1
        _dense.backward(
            self.scratch, self._at[i], self._errors[i], n, self.sizes[i], nout, ps,
            self._hidden[i - 1], self._errors[i - 1],
        )  # fmt: skip

    def _update(self, x: Buf, order: Ints, first: int, n: int) -> None:
        below = x
        signed = 1 if self.signed else 0
        fa = nn.input_bits(self.signed)
        i = 0
        while i < len(self._at):
            _dense.update(
                self.masters, self._at[i], self._errors[i], below, order, first, signed, n,
                self.sizes[i], self.sizes[i + 1], fa, fa + self.lrs + self.lb, self._rand.next(),
            )  # fmt: skip
            if i < len(self._hidden):
                below = self._hidden[i]
            order = self._rows
            first = 0
            signed = 0
            fa = nn.FA_HIDDEN
            i += 1
