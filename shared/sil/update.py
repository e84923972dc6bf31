"""Updates: the changes worth sending, as one frame of ByteSil codes (SPEC.md section 5).

A vector of changes (int16 Q12) gives up its k largest to a frame of codes and keeps the
rest, the rounding of what was sent included, for the next frame: error feedback.  Nothing
that was learned is lost, it only waits.
"""

from array import array

from . import tables
from .compat import Buf, Ints
from .errors import RangeError
from .kernels import sparse as _sparse

SHARE_ONE = 10000  # a share of all weights, in parts of ten thousand


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
        self._bins = array("i", bytes(1024))
        self._dec = tables.dec()
        self._limits = tables.thresholds()
        self._codes = tables.level_codes()

    def take(self, changes: Ints, frame: bytearray) -> int:
        """Move the k largest changes into `frame`, leave the rest; return how many were not 0."""
        n = self.weights
        limit = _sparse.kth(changes, n, self.k, self._bins)
        return _sparse.take(changes, n, limit, self.k, self._limits, self._codes, self._dec, frame)


def apply(model: Ints, frame: Buf) -> None:
    """Add the changes of a frame to a model (int16 Q12), saturating at +-8."""
    _sparse.add(model, len(model), frame, tables.dec())
