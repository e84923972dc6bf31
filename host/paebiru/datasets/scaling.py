"""Learning the table of a `sil.features.Scaler`, exactly, in integers.

The table is learned on training rows only and then applied to all: a board that scaled
by what it will see later would leak the test into the training.
"""

from array import array
from math import isqrt

import numpy as np
import numpy.typing as npt

from paebiru.errors import UsageError
from sil.features import MAX_MULTIPLIER, MAX_SHIFT, RAW_LIMIT, SIGNED, UNSIGNED, Scaler

Matrix = npt.NDArray[np.int32]
Inputs = npt.NDArray[np.uint8] | npt.NDArray[np.int8]

# Ratios are held in this many fractional bits until they become multiplier and shift.
_BITS = 60


def learn(train: Matrix, non_negative: bool) -> Scaler:
    """Return the scaler for integer rows `train` [n, features].

    `non_negative` takes one scale for all columns, so that the greatest value becomes 255:
    right for an image, whose pixels share a unit.  Otherwise each column is standardised
    to 32 steps a standard deviation; a column without any deviation becomes 0.

    Raises:
        UsageError: no rows, a value outside of the core's range, or one below zero where
            `non_negative` promised otherwise.
    """
    if not len(train):
        raise UsageError("a scaler is learned on at least one row; the training part is empty")
    if int(np.abs(train.astype(np.int64)).max()) > RAW_LIMIT:
        raise UsageError(f"a value is beyond +-{RAW_LIMIT}: give the column fewer decimals")
    if not non_negative:
        return Scaler(SIGNED, [_standard(train[:, i]) for i in range(train.shape[1])])
    if int(train.min()) < 0:
        raise UsageError("a value is below zero: load the set with non_negative=False")
    peak = int(train.max())
    multiplier, shift = _multiplier(256 << _BITS, peak) if peak else (0, 0)
    return Scaler(UNSIGNED, [(_half(shift), multiplier, shift)] * train.shape[1])


def transform(scaler: Scaler, x: Matrix) -> Inputs:
    """Return rows `x` [n, features] as a network's inputs: uint8 Q8, or int8 Q5."""
    # An array yields plain ints, which the uncompiled kernel needs: NumPy's scalars wrap.
    flat = array("i", np.ascontiguousarray(x, dtype=np.int32).tobytes())
    out = bytearray(len(flat))
    scaler.apply(flat, out, len(x))
    if scaler.kind == SIGNED:
        return np.frombuffer(bytes(out), dtype=np.int8).reshape(x.shape)
    return np.frombuffer(bytes(out), dtype=np.uint8).reshape(x.shape)


def _standard(column: npt.NDArray[np.int32]) -> tuple[int, int, int]:
    """Return offset, multiplier and shift for (x - mean) * 32 / sd."""
    values = [int(v) for v in column]
    n, total = len(values), sum(values)
    spread = n * sum(v * v for v in values) - total * total  # (n * sd)**2
    if not spread:
        return 0, 0, 0
    multiplier, shift = _multiplier(32 * n << (_BITS + 20), isqrt(spread << 40))
    # From the multiplier as rounded, so that the mean itself lands on 0 exactly.
    offset = -((2 * total * multiplier + n) // (2 * n))
    return offset + _half(shift), multiplier, shift


def _multiplier(numerator: int, denominator: int) -> tuple[int, int]:
    """Return multiplier and shift nearest to numerator / denominator / 2**_BITS.

    The shift is the greatest that keeps the multiplier within 12 bits.  A ratio beyond
    takes the greatest multiplier: its outputs are clamped one step from the mean anyway.
    """
    for shift in range(MAX_SHIFT, -1, -1):
        multiplier = ((numerator << shift) // denominator + (1 << (_BITS - 1))) >> _BITS
        if multiplier <= MAX_MULTIPLIER:
            return multiplier, shift
    return MAX_MULTIPLIER, 0


def _half(shift: int) -> int:
    """Return what makes a right shift round to nearest."""
    return (1 << shift) >> 1
