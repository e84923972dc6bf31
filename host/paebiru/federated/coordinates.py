"""Rules that look at each weight alone: mean, median, trimmed mean.  Exact, order-independent.

All take codes [boards, weights] and return Q14 int64 [weights].  Median and trimmed mean work on
ranks, a byte each, whose order is that of the weights; each board counts once, since a liar could
claim any number of samples.  While fewer than half of the boards lie, a weight of the result lies
within those of honest boards (Yin et al. 2018).
"""

import numpy as np

from paebiru.errors import UsageError
from paebiru.federated import columns
from paebiru.federated.ranges import (
    SAMPLES,
    Codes,
    Int64,
    bounded,
    check,
    check_liars,
    dec,
    half_up,
    ranking,
)


def mean_by_samples(updates: Codes, samples: Int64) -> Int64:
    """Return the mean weighted by samples [boards], half rounded up (McMahan et al. 2017).

    Raises:
        UsageError: samples that are negative, all zero, of another number of boards, or 2**37
            and more.
    """
    check(updates, 1)
    if samples.shape != (len(updates),):
        raise UsageError(f"samples of shape {samples.shape} for {len(updates)} updates: one each")
    total = sum(samples.tolist())  # Python's integers: these are not checked yet
    if not 0 < total < SAMPLES or samples.min() < 0:
        raise UsageError(
            f"{total} samples in all, the least {samples.min()}: a mean takes 1 to {SAMPLES - 1},"
            " none negative"
        )
    return half_up(columns.table_sum(updates, dec(), samples.astype(np.int64)), total)


def equal_mean(updates: Codes) -> Int64:
    """Return the mean in which every board counts once, half rounded up."""
    check(updates, 1)
    return half_up(columns.table_sum(updates, dec()), len(updates))


def picked_mean(updates: Codes, picked: Int64) -> Int64:
    """Return the mean of some of the boards, by number and each once, within a board's reach."""
    counts = np.zeros(len(updates), dtype=np.int64)
    counts[picked] = 1
    return half_up(columns.table_sum(updates, bounded(), counts), len(picked))


def median(updates: Codes) -> Int64:
    """Return the median of each weight; of an even number the mean of the two middle ones.

    Half is rounded up, which leaves it between the two.
    """
    check(updates, 1)
    _, values = ranking()
    ranks, n = _ranks(updates), len(updates)
    low = values[columns.kth(ranks, (n - 1) // 2)]
    if n % 2:
        return low
    return (low + values[columns.kth(ranks, n // 2)] + 1) >> 1


def trimmed_mean(updates: Codes, f: int) -> Int64:
    """Return the mean of each weight without its f smallest and f largest, half rounded up.

    Raises:
        UsageError: fewer than 2f + 1 boards.
    """
    check_liars(f)
    check(updates, 2 * f + 1, f" to drop {f} at each end")
    _, values = ranking()
    ranks, n = _ranks(updates), len(updates)
    low, high = columns.kth(ranks, f), columns.kth(ranks, n - f - 1)
    # Each dropped one now counts as the last one kept.
    np.minimum(np.maximum(ranks, low, out=ranks), high, out=ranks)
    table = np.zeros(256, dtype=np.int64)
    table[: len(values)] = values
    kept = columns.table_sum(ranks, table) - f * (values[low] + values[high])
    return half_up(kept, n - 2 * f)


def _ranks(updates: Codes) -> Codes:
    ranks = np.empty(updates.shape, dtype=np.uint8)
    columns.look_up(updates, ranking()[0], ranks)
    return ranks
