"""Aggregation rules: pure functions from updates to one, exact in integers (SPEC.md section 5.4).

A rule takes decoded updates, int64 [clients, weights] in Q14, and how much each counts. Sums
of integers are exact and order-independent, so a replay of a round gives the same bytes.
"""

import numpy as np
from numpy.typing import NDArray

from sil import tables

Int64 = NDArray[np.int64]
Codes = NDArray[np.uint8]


def decoded(frames: Codes) -> Int64:
    """Return the weights of ByteSil codes, any shape, Q14."""
    return _dec()[frames]


def encoded(values: Int64) -> Codes:
    """Return the codes of the weights nearest to `values`, Q14, any shape, saturating."""
    limits = np.array(tables.thresholds(), dtype=np.int64)
    codes = np.frombuffer(b"\0" + tables.level_codes(), dtype=np.uint8)
    level = np.searchsorted(limits, np.abs(values), side="right")
    return np.where((values < 0) & (level > 0), codes[level] ^ 8, codes[level]).astype(np.uint8)


def _dec() -> Int64:
    return np.array(tables.dec(), dtype=np.int64)


def fedavg_aggregate(updates: Int64, samples: Int64) -> Int64:
    """Return the mean of updates weighted by samples, half rounded up, Q14 (McMahan et al. 2017).

    Shapes: updates [clients, weights], samples [clients]; their products stay under 2**62.
    """
    total = int(samples.sum())
    mean: Int64 = (2 * (samples @ updates) + total) // (2 * total)
    return mean


def model_average(models: Codes, fine: int = 4096) -> Codes:
    """Return the mean of logs of models of codes [clients, weights]: a geometric mean.

    The sign is the majority's; the magnitude is the mean of ln|w| in steps of 1/`fine` over
    the models that have that sign.  Adds only: no weight is multiplied.
    """
    signs, logs = np.sign(decoded(models)), _fine_logs(fine)[models]
    majority = np.sign(signs.sum(axis=0))
    agree = signs == majority
    count = np.maximum(agree.sum(axis=0), 1)
    mean = np.where(agree, logs, 0).sum(axis=0) // count
    size = np.rint(np.exp(mean / fine) * 2**14).astype(np.int64)
    return encoded(np.where(majority == 0, 0, majority * size))


def _fine_logs(fine: int) -> Int64:
    """Return ln|w| of the 256 codes in steps of 1/fine; 0 stands for ln of zero, never summed."""
    size = np.abs(_dec()) / 2**14
    logs: Int64 = np.rint(np.log(np.where(size > 0, size, 1)) * fine).astype(np.int64)
    return logs


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
