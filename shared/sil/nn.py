"""Integer inference and training of a small network whose weights are ByteSil (SPEC.md section 6).

A model is one vector of codes: for each layer its weights [out][in], row-major, then its
biases.  Hidden units are ReLU; the answer is the largest of the last layer's sums.  Inputs
are bytes: uint8 Q8 where they are never negative, else int8 Q5.

A board that only infers holds the codes.  One that trains holds int16 masters, Q12 (+-8),
two bytes a weight more.  No float, no product over 2**30, nothing allocated after the start.
"""

from array import array

from . import tables
from .compat import Buf, Ints
from .errors import ModelError
from .intmath import Rand16, isqrt
from .kernels import codes as _codes
from .kernels import dense as _dense

FA_HIDDEN = 5  # fractional bits of hidden activations
_MAX_UNITS = 1024
_MAX_CLASSES = 64  # so that no backward sum reaches 2**30


def check_sizes(sizes: "tuple[int, ...]") -> int:
    """Return how many weights a network of these layer sizes has, biases included.

    Raises:
        ModelError: fewer than two sizes, or one that the engine cannot run.
    """
    if len(sizes) < 2:
        raise ModelError("a network needs an input and an output size, as (64, 32, 10)")
    for units in sizes:
        if not 1 <= units <= _MAX_UNITS:
            raise ModelError("layer size %d is out of 1..%d" % (units, _MAX_UNITS))
    if not 2 <= sizes[-1] <= _MAX_CLASSES:
        raise ModelError("%d classes are out of 2..%d" % (sizes[-1], _MAX_CLASSES))
    total = 0
    for i in range(len(sizes) - 1):
        total += (sizes[i] + 1) * sizes[i + 1]
    return total


def offsets(sizes: "tuple[int, ...]") -> "list[int]":
    """Return where each layer begins in the vector of weights."""
    at = 0
    found = []
    for i in range(len(sizes) - 1):
        found.append(at)
        at += (sizes[i] + 1) * sizes[i + 1]
    return found


def input_bits(signed: bool) -> int:
    """Return the fractional bits of an input: 5 where it is signed, else 8."""
    return 5 if signed else 8


def check(sizes: "tuple[int, ...]", codes: Buf, signed: bool) -> None:
    """Make sure that no sum of this model can leave 30 bits, whatever the input.

    Raises:
        ModelError: another length than the sizes ask for, or a row that could overflow.
    """
    weights = check_sizes(sizes)
    if len(codes) != weights:
        shape = "-".join([str(units) for units in sizes])
        raise ModelError("a %s model has %d weights, not %d" % (shape, weights, len(codes)))
    dec = tables.dec()
    fa = input_bits(signed)
    top = 128 if signed else 255
    at = 0
    for i in range(len(sizes) - 1):
        nin = sizes[i]
        nout = sizes[i + 1]
        for o in range(nout):
            total = _dense.row_sum(codes, at + o * nin, nin, dec)
            bias = abs(dec[codes[at + nin * nout + o]])
            if bias > 1 << (29 - fa):  # too large by itself; shifted it would not fit
                bias = 1 << (29 - fa)
            if top * total >= (1 << 29) - (bias << fa):
                raise ModelError(
                    "unit %d of layer %d has weights too large to sum in 30 bits:"
                    " train with a smaller rate or fewer inputs" % (o, i)
                )
        at += (nin + 1) * nout
        fa = FA_HIDDEN
        top = 255


class Network:
    """Inference from the codes alone, one input at a time."""

    def __init__(self, sizes: "tuple[int, ...]", codes: Buf, signed: bool):
        check(sizes, codes, signed)
        self.sizes = sizes
        self.codes = codes
        self.signed = signed
        self._at = offsets(sizes)
        self._dec = tables.dec()
        self._acc = array("i", bytes(4 * max(sizes[1:])))
        self._hidden = bytearray(max(sizes))
        self._spare = bytearray(max(sizes))
        self._answer = bytearray(1)

    def classify(self, x: Buf) -> int:
        """Return the class of one input of sizes[0] bytes; its sums stay in `logit`."""
        below = x
        signed = 1 if self.signed else 0
        fa = input_bits(self.signed)
        last = len(self._at) - 1
        i = 0
        while True:
            nout = self.sizes[i + 1]
            nin = self.sizes[i]
            _dense.forward_codes(
                self.codes, self._at[i], self._dec, below, signed, 1, nin, nout, fa, self._acc
            )
            if i == last:
                _dense.argmax(self._acc, 1, nout, self._answer)
                return self._answer[0]
            out = self._hidden if below is not self._hidden else self._spare
            _dense.relu(self._acc, nout, 14 + fa - FA_HIDDEN, out)
            below = out
            signed = 0
            fa = FA_HIDDEN
            i += 1

    def logit(self, k: int) -> int:
        """Return output k of the last `classify`, Q(14 + its layer's input bits)."""
        return self._acc[k]


def initial_codes(sizes: "tuple[int, ...]", seed: int) -> bytearray:
    """Return a fresh model: weights uniform in +-sqrt(6 / inputs) (He et al. 2015), biases zero."""
    masters = array("h", bytes(2 * check_sizes(sizes)))
    rand = Rand16(seed)
    at = 0
    for i in range(len(sizes) - 1):
        reach = isqrt((6 << 24) // sizes[i])  # Q12
        for k in range(sizes[i] * sizes[i + 1]):
            masters[at + k] = (rand.next() * reach >> 15) - reach
        at += (sizes[i] + 1) * sizes[i + 1]
    return encode(masters)


def encode(masters: Ints) -> bytearray:
    """Return the codes nearest to int16 Q12 masters: the model to infer with or to store."""
    codes = bytearray(len(masters))
    _codes.encode16(masters, len(masters), tables.thresholds(), tables.level_codes(), codes)
    return codes


def decode(codes: Buf) -> Ints:
    """Return the weights of a model as int16 Q12: masters to train from."""
    masters = array("h", bytes(2 * len(codes)))
    _codes.decode16(codes, len(codes), tables.dec(), masters)
    return masters
