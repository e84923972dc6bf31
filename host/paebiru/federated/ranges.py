"""What the rules of aggregation count in, and how large it can get.

Updates are codes [boards, weights], read as integers in Q14 (the table DEC of SPEC.md).  A board
keeps its changes in int16 Q12, so the most that one can honestly send is DEC[ENC(32767 << 2)] =
131,256, here REACH, a little over 2**17; a code above says so much of a weight that no board has.
Rules that resist attacks take such a value for REACH, with its sign.  FedAvg takes it as it is.

With at most BOARDS = 2**13 boards of WEIGHTS = 2**24 weights each nothing overflows int64:

| sum | bound |
|---|---|
| of n values of REACH | 2**13 * 2**17.01 < 2**31 |
| of n * n of them (mixing, then trimming) | < 2**44 |
| of squares of a vector | 2**24 * 2**34.01 < 2**59 |
| a squared distance: (2 * REACH)**2 a weight | 2**24 * 2**36.01 < 2**61 |
| of n distances | 2**74: kept as high and low half, see `geometric` |
| FedAvg, by N < 2**37 samples | 2**37 * 2**24.09 < 2**62, doubled and N added < 2**63 |
"""

from functools import cache

import numpy as np
from numpy.typing import NDArray

from paebiru.errors import UsageError
from sil import tables

Int64 = NDArray[np.int64]
Codes = NDArray[np.uint8]

REACH = 131_256
BOARDS = 1 << 13
WEIGHTS = 1 << 24
SAMPLES = 1 << 37


@cache
def dec() -> Int64:
    """Return the weight of each of the 256 codes, Q14; not to be written to."""
    return np.array(tables.dec(), dtype=np.int64)


@cache
def bounded() -> Int64:
    """Return the weight of each code within ±REACH, Q14; not to be written to."""
    return np.clip(dec(), -REACH, REACH)


@cache
def ranking() -> tuple[Codes, Int64]:
    """Return the rank of each code among the weights within ±REACH, and the weight of each rank."""
    values, ranks = np.unique(bounded(), return_inverse=True)
    return ranks.astype(np.uint8), values


def check(updates: Codes, boards: int = 1, because: str = "") -> None:
    """Make sure that updates are what the bounds above were proved for.

    Raises:
        UsageError: they are no codes [boards, weights], too many, or fewer than `boards`.
    """
    if updates.ndim != 2 or updates.dtype != np.uint8:
        raise UsageError(
            f"updates are uint8 codes [boards, weights], not {updates.dtype} of shape"
            f" {updates.shape}: pass a round's frames as they were decoded from their payloads"
        )
    n, d = updates.shape
    if n < boards:
        raise UsageError(f"{n} updates, but {boards} are needed{because}: wait for more boards")
    if n > BOARDS or not 0 < d <= WEIGHTS:
        raise UsageError(
            f"{n} updates of {d} weights: a round takes up to {BOARDS} boards and 1 to {WEIGHTS}"
            " weights; sample fewer boards"
        )


def check_liars(f: int) -> None:
    """Make sure that f, how many boards may lie, is a number.

    Raises:
        UsageError: it is below 0.
    """
    if f < 0:
        raise UsageError(f"f = {f} boards cannot lie: give 0 or more")


def half_up(total: Int64, count: int) -> Int64:
    """Return total / count, half rounded up; |total| < 2**62, count < 2**61."""
    mean: Int64 = (2 * total + count) // (2 * count)
    return mean
