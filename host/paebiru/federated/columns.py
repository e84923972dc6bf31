"""The loops that the rules spend their time in: over codes, column by column, integers only.

Each exists twice and gives the same integers: in NumPy, and as a loop that numba compiles
(`loops`).  What is near zero, as codes of updates mostly are, is added up by `near` where it can.

A byte has 256 values, so nothing is sorted: the k-th smallest of a column is found bit by bit,
by counting how many of it lie below a value, 32 columns an instruction.
"""

from functools import cache
from types import ModuleType
from typing import Any

import numpy as np

from paebiru.federated import loops
from paebiru.federated.ranges import Codes, Int64, dec

_BLOCK = 8192  # columns at a time: what is added up stays in the cache
_STRIP = 1024  # the same for counting, where every row is read eight times
_BYTE = 255  # the most that counts in a byte


def near() -> ModuleType | None:
    """Return the module `near`, or None where its loops cannot run or are not to."""
    return None if loops.is_plain() else _loaded()


@cache
def _loaded() -> ModuleType | None:
    from paebiru.federated import lanes  # not above: numba is imported by it

    if not lanes.usable():
        return None
    from paebiru.federated import near

    return near


def table_sum(codes: Codes, table: Int64, weights: Int64 | None = None) -> Int64:
    """Return the sum of weights[k] * table[codes[k, j]] over the rows k, for each column j.

    Args:
        codes: [rows, columns].
        table: [256].
        weights: [rows], 1 each by default.
    """
    out = np.zeros(codes.shape[1], dtype=np.int64)
    if weights is None:
        weights = np.ones(len(codes), dtype=np.int64)
    fast = near()
    if fast and _is_near(fast, table, weights):
        far = fast.add_sum(codes, weights, out)
        far = far[weights[far] > 0]
        table = np.where(np.arange(256) < fast.FAR, 0, table)
        _add_sum(codes[far], table, weights[far], out)
    else:
        _add_sum(codes, table, weights, out)
    return out


def _is_near(fast: ModuleType, table: Int64, weights: Int64) -> bool:
    known = np.array_equal(table[: fast.FAR], dec()[: fast.FAR])
    return known and weights.min(initial=0) >= 0 and weights.max(initial=0) < fast.WEIGHTS


def _add_sum(codes: Codes, table: Int64, weights: Int64, out: Int64) -> None:
    if loops.is_plain():
        _sum_numpy(codes, table, weights, out)
    elif len(codes):
        edges = loops.even(codes.size, codes.shape[1])
        loops.spread(_sum, edges, loops.fixed(codes), table, weights, out)


def look_up(codes: Codes, table: Any, out: Any) -> None:
    """Write table[codes] to `out`, of the table's type and the codes' shape."""
    if loops.is_plain():
        np.take(table, codes, out=out, mode="clip")  # always within; "raise" would buffer
    else:
        edges = loops.even(codes.size, len(codes))
        loops.spread(_look_up, edges, loops.fixed(codes), table, out)


def kth(ranks: Codes, k: int) -> Codes:
    """Return the k-th smallest of each column, 0 <= k < rows, at most 65535 rows."""
    out = np.zeros(ranks.shape[1], dtype=np.uint8)
    if loops.is_plain():
        _kth_numpy(ranks, k, out)
    else:
        loops.spread(_kth, loops.even(ranks.size, ranks.shape[1]), ranks, k, out)
    return out


# -- in NumPy


def _sum_numpy(codes: Codes, table: Int64, weights: Int64, out: Int64) -> None:
    for row, weight in zip(codes, weights, strict=True):
        out += np.take(weight * table, row)


def _kth_numpy(ranks: Codes, k: int, out: Codes) -> None:
    for first in range(0, ranks.shape[1], _STRIP):
        strip = np.ascontiguousarray(ranks[:, first : first + _STRIP])
        answer = out[first : first + _STRIP]
        for bit in (128, 64, 32, 16, 8, 4, 2, 1):
            trial = answer | np.uint8(bit)
            # The largest value with no more than k below it is the k-th smallest.
            answer |= np.where(_below(strip, trial) <= k, np.uint8(bit), np.uint8(0))


def _below(strip: Codes, limit: Codes) -> Any:
    """Return how many of each column are less than its limit."""
    less = np.less(strip, limit).view(np.uint8)
    count = np.zeros(strip.shape[1], dtype=np.uint16)
    for first in range(0, len(less), _BYTE):
        count += np.add.reduce(less[first : first + _BYTE], axis=0, dtype=np.uint8)
    return count


# -- as loops, for numba


def _sum(first: int, last: int, codes: Codes, table: Int64, weights: Int64, out: Int64) -> None:
    # Four rows at a time: what is added up is loaded and stored once for four codes.
    rows = len(codes)
    scaled = np.zeros((4, 256), dtype=np.int64)
    for start in range(first, last, _BLOCK):
        stop = min(start + _BLOCK, last)
        total = out[start:stop]
        for k in range(0, rows, 4):
            for i in range(4):
                weight = weights[k + i] if k + i < rows else 0
                for c in range(256):
                    scaled[i, c] = weight * table[c]
            # Beyond the last row is the last one again, with nothing of it.
            row_p, row_q = codes[k, start:stop], codes[min(k + 1, rows - 1), start:stop]
            row_r = codes[min(k + 2, rows - 1), start:stop]
            row_s = codes[min(k + 3, rows - 1), start:stop]
            p, q, r, s = scaled[0], scaled[1], scaled[2], scaled[3]
            for j in range(len(total)):
                total[j] += p[row_p[j]] + q[row_q[j]] + r[row_r[j]] + s[row_s[j]]


def _look_up(first: int, last: int, codes: Codes, table: Any, out: Any) -> None:
    for k in range(first, last):
        row, result = codes[k], out[k]
        for j in range(len(row)):
            result[j] = table[row[j]]


def _kth(first: int, last: int, ranks: Codes, k: int, out: Codes) -> None:
    rows = len(ranks)
    trial = np.empty(_STRIP, dtype=np.uint8)
    few = np.empty(_STRIP, dtype=np.uint8)
    count = np.empty(_STRIP, dtype=np.uint16)
    for start in range(first, last, _STRIP):
        wide = min(_STRIP, last - start)
        answer = out[start : start + wide]
        for power in range(7, -1, -1):
            bit = np.uint8(1 << power)
            for j in range(wide):
                trial[j] = answer[j] | bit
            count[:] = 0
            for row_first in range(0, rows, _BYTE):
                few[:] = 0
                for i in range(row_first, min(row_first + _BYTE, rows)):
                    row = ranks[i, start : start + wide]
                    for j in range(wide):
                        few[j] += np.uint8(row[j] < trial[j])
                for j in range(wide):
                    count[j] += few[j]
            for j in range(wide):
                if count[j] <= k:
                    answer[j] = trial[j]
