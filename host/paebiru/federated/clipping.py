"""Norm clipping: no update counts more than a bound allows.

A bound is a length in Q14.  An update v of norm |v| = isqrt(sum v**2) + 1, which is above the
true one, becomes v * bound / |v|, truncated towards zero, if |v| > bound; so its true norm is
below the bound, which is what a proof of differential privacy rests on.  Weights are taken within
±REACH: sums of squares stay below 2**59 and, with bounds below 2**40, products below 2**58.
"""

import math

import numpy as np

from paebiru.errors import UsageError
from paebiru.federated.ranges import Codes, Int64, bounded, check, half_up

BOUNDS = 1 << 40


def norms(updates: Codes) -> list[int]:
    """Return the norm of each update [boards, weights]: isqrt(sum of squares) + 1, Q14."""
    check(updates, 1)
    squares = bounded() ** 2
    return [math.isqrt(int(squares[update].sum())) + 1 for update in updates]


def clipped(updates: Codes, bound: int) -> Int64:
    """Return the updates' weights [boards, weights], Q14, each update of a norm up to `bound`.

    Raises:
        UsageError: the bound is not within 1..2**40 - 1.
    """
    _check_bound(bound)
    return np.stack(
        [
            _clipped(update, norm, bound)
            for update, norm in zip(updates, norms(updates), strict=True)
        ]
    )


def clipped_sum(updates: Codes, bound: int) -> Int64:
    """Return the sum of the clipped updates: what noise is added to for privacy.

    One board more or less moves it by less than `bound`, in Euclidean norm.

    Raises:
        UsageError: the bound is not within 1..2**40 - 1.
    """
    _check_bound(bound)
    total = np.zeros(updates.shape[-1], dtype=np.int64)
    for update, norm in zip(updates, norms(updates), strict=True):
        total += _clipped(update, norm, bound)
    return total


def clipped_mean(updates: Codes, bound: int | None = None) -> Int64:
    """Return the mean of the updates clipped to `bound`, or to the median of their norms.

    Every board counts once; half is rounded up.  The median is the lower one of an even number,
    so fewer than half of the boards cannot raise it above what an honest one sent.
    """
    if bound is None:
        bound = sorted(norms(updates))[(len(updates) - 1) // 2]
    return half_up(clipped_sum(updates, bound), len(updates))


def _clipped(update: Codes, norm: int, bound: int) -> Int64:
    if norm <= bound:
        return bounded()[update]
    # One division for each code there is, not for each weight: Python's // would round down.
    table: Int64 = np.sign(bounded()) * (np.abs(bounded()) * bound // norm)
    return table[update]


def _check_bound(bound: int) -> None:
    if not 1 <= bound < BOUNDS:
        raise UsageError(f"a bound of {bound} (Q14, 16384 is 1.0) is not within 1..{BOUNDS - 1}")
