"""Updates: the changes worth sending, as one frame of ByteSil codes (SPEC.md section 5).

A vector of changes (int16 Q12) gives up its k largest to a frame of codes and keeps the
rest, the rounding of what was sent included, for the next frame: error feedback.  Nothing
that was learned is lost, it only waits.  Sparse frames send one magnitude for all (their
mean), since most would be the same code anyhow.
"""

from array import array

from . import nn, tables
from .compat import Buf, Ints
from .errors import ModelError, RangeError
from .kernels import sparse as _sparse

SHARE_ONE = 10000  # a share of all weights, in parts of ten thousand
SPARSE = 2500  # up to this share a frame has one magnitude


def count(weights: int, share: int) -> int:
    """Return how many of `weights` a share (parts of 10000) sends, at least one.

    Raises:
        RangeError: the share is not within 1..10000.
    """
    if not 1 <= share <= SHARE_ONE:
        raise RangeError("share %d is out of 1..10000 (parts of ten thousand)" % share)
    k = (weights // SHARE_ONE) * share + (weights % SHARE_ONE) * share // SHARE_ONE
    return k if k else 1


class Selector:
    """Codes the k largest changes of vectors of one length; 1 KB of scratch."""

    def __init__(self, weights: int, share: int):
        self.weights = weights
        self.k = count(weights, share)
        self._one = share <= SPARSE
        self._bins = array("i", bytes(1024))
        self._dec = tables.dec()
        self._limits = tables.thresholds()
        self._codes = tables.level_codes()

    def take(self, changes: Ints, frame: bytearray) -> int:
        """Move the k largest changes into `frame`, leave the rest; return how many were not 0."""
        n = self.weights
        limit = _sparse.kth(changes, n, self.k, self._bins)
        same = _sparse.mean(changes, n, limit if limit else 1) if self._one else 0
        return _sparse.take(
            changes, n, limit, self.k, same, self._limits, self._codes, self._dec, frame
        )


class Expectation:
    """What both ends expect of the next update: a byte a weight, beside which it is coded.

    It follows from the model as the boards have it and the first one, so a board that
    missed rounds is right again as soon as it has the model.
    """

    def __init__(self, sizes: "tuple[int, ...]", first: Buf):
        self.sizes = sizes
        self.side = bytearray(nn.check_sizes(sizes))
        if len(first) != len(self.side):
            raise ModelError("this network has %d weights, not %d" % (len(self.side), len(first)))
        self._first = first
        self._dec = tables.dec()
        self._at = nn.offsets(sizes)
        self._rows = [array("i", bytes(4 * nout)) for nout in sizes[1:]]
        self._cols = [array("i", bytes(4 * (nin + 1))) for nin in sizes[:-1]]

    def look(self, base: Ints) -> bytearray:
        """Return `side`, renewed from the boards' model (int16 Q12)."""
        sizes = self.sizes
        last = len(self._at) - 1
        total = 0
        i = 0
        while i <= last:
            total += _sparse.activity(
                base, self._first, self._at[i], sizes[i], sizes[i + 1], self._dec,
                self._rows[i], self._cols[i],
            )  # fmt: skip
            i += 1
        mean = total // len(self.side)
        i = 0
        while i <= last:
            # The last layer sends more for the same movement, by three eighths of a class.
            bias = 64 - mean + (6 if i == last and last else 0)
            _sparse.expect(
                base, self._first, self._at[i], sizes[i], sizes[i + 1], self._dec,
                self._rows[i], self._cols[i], bias, self.side,
            )  # fmt: skip
            i += 1
        return self.side


def apply(model: Ints, frame: Buf) -> None:
    """Add the changes of a frame to a model (int16 Q12), saturating at +-8."""
    _sparse.add(model, len(model), frame, tables.dec())
