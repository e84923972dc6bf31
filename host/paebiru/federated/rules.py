"""Averages of a round's updates or models, and codes to integers and back (SPEC.md section 5.2).

Shapes are [clients, weights]: codes, or decoded int64 in Q14.  Sums of integers are exact and
order-independent, so a replay of a round gives the same bytes.  Rules that resist boards that lie
are in `coordinates`, `geometric` and `clipping`; `registry` says which to take when.
"""

import numpy as np

from paebiru.federated.coordinates import mean_by_samples
from paebiru.federated.ranges import Codes, Int64, dec, half_up
from sil import tables

__all__ = [
    "Codes",
    "Int64",
    "decoded",
    "encoded",
    "fedavg_aggregate",
    "model_average",
    "nibble_mean",
]


def decoded(frames: Codes) -> Int64:
    """Return the weights of ByteSil codes, any shape, Q14."""
    return dec()[frames]


def encoded(values: Int64) -> Codes:
    """Return the codes of the weights nearest to `values`, Q14, any shape, saturating."""
    limits = np.array(tables.thresholds(), dtype=np.int64)
    codes = np.frombuffer(b"\0" + tables.level_codes(), dtype=np.uint8)
    level = np.searchsorted(limits, np.abs(values), side="right")
    return np.where((values < 0) & (level > 0), codes[level] ^ 8, codes[level]).astype(np.uint8)


def fedavg_aggregate(updates: Codes | Int64, samples: Int64) -> Int64:
    """Return the mean of updates weighted by samples, half rounded up, Q14 (McMahan et al. 2017).

    Shapes: updates [clients, weights], samples [clients].  Codes, uint8, are the fast way, and
    are checked; of integers the products stay under 2**62, which is for the caller to see to.

    Raises:
        UsageError: codes of another shape, or samples that no mean can be weighted by.
    """
    if updates.dtype == np.uint8:
        return mean_by_samples(updates.view(np.uint8), samples)
    return half_up(samples @ updates, int(samples.sum()))


def model_average(models: Codes) -> Codes:
    """Return the mean of logs of models of codes [clients, weights]: a geometric mean.

    The sign is the majority's; the magnitude is the mean of ln|w|, in steps of 1/4096, over
    the models that have that sign.  Adds, one division, one search: no weight is multiplied.
    """
    rank, logs = _by_rank()
    signed = rank[models]
    majority = np.sign(np.sign(signed).sum(axis=0))
    agree = np.sign(signed) == majority
    count = np.maximum(agree.sum(axis=0), 1)
    mean = np.where(agree, logs[np.abs(signed)], 0).sum(axis=0) // count
    level = 1 + np.searchsorted((logs[1:-1] + logs[2:]) // 2, mean, side="right")
    codes = np.frombuffer(b"\0" + tables.level_codes(), dtype=np.uint8)[level]
    return np.where(majority == 0, 0, np.where(majority < 0, codes ^ 8, codes)).astype(np.uint8)


def _by_rank() -> tuple[Int64, Int64]:
    """Return the signed rank of each code, -120..120, and ln of the 121 magnitudes, Q12."""
    levels = np.array([0, *tables.levels()], dtype=np.int64)
    values = dec()
    rank: Int64 = np.sign(values) * np.searchsorted(levels, np.abs(values))
    # Of 120 fixed numbers; none is so near to a half that a library's last bit could turn it.
    logs = np.rint(np.log(np.maximum(levels, 1) / 2**14) * 4096).astype(np.int64)
    return rank, logs


def nibble_mean(models: Codes) -> Codes:
    """Return the mean of rho and the mean of theta, as the original description words it.

    It destroys a model: neighbouring phases are no neighbouring weights. Kept for the table
    that shows it (make bench), not for use.
    """
    n = len(models)
    high = (2 * (models >> 4).astype(np.int64).sum(axis=0) + n) // (2 * n)
    low = (2 * (models & 15).astype(np.int64).sum(axis=0) + n) // (2 * n)
    mean: Codes = (high << 4 | low & 15).astype(np.uint8)
    return mean
