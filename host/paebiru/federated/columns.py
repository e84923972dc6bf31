"""The loops that the rules spend their time in: over codes, column by column, integers only.

Each exists twice and gives the same integers: in NumPy, and as a loop that numba compiles
(the environment variable ``PAEBIRU_BACKEND=plain`` leaves numba out, as in `paebiru.accel`).
One thread each; they release the GIL.

A byte has 256 values, so nothing is sorted: the k-th smallest of a column is found bit by bit,
by counting how many of it lie below a value, 32 columns an instruction.
"""

import os
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np

from paebiru.federated.ranges import Codes, Int64

_BLOCK = 8192  # columns at a time: what is added up stays in the cache
_STRIP = 1024  # the same for counting, where every row is read eight times
_BYTE = 255  # the most that counts in a byte


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
    _chosen("sum")(codes, table, weights, out)
    return out


def look_up(codes: Codes, table: Any, out: Any) -> None:
    """Write table[codes] to `out`, of the table's type and the codes' shape."""
    _chosen("look_up")(codes, table, out)


def kth(ranks: Codes, k: int) -> Codes:
    """Return the k-th smallest of each column, 0 <= k < rows, at most 65535 rows."""
    out = np.zeros(ranks.shape[1], dtype=np.uint8)
    _chosen("kth")(ranks, k, out)
    return out


def add_gram(values: Any, chunk: int, out: Int64) -> None:
    """Add all inner products of the rows of int16 `values` to the lower half of `out`.

    Args:
        values: [rows, columns], an even number of rows.
        chunk: columns added in int32: chunk * (the largest |value|)**2 stays under 2**31.
        out: int64 [rows, rows]; what lies above the diagonal is of no meaning.
    """
    compiled("gram")(values, chunk, out)


def is_plain() -> bool:
    """Tell whether numba is to be left out."""
    return os.environ.get("PAEBIRU_BACKEND") == "plain"


# -- in NumPy


def _sum_numpy(codes: Codes, table: Int64, weights: Int64, out: Int64) -> None:
    for row, weight in zip(codes, weights, strict=True):
        out += np.take(weight * table, row)


def _look_up_numpy(codes: Codes, table: Any, out: Any) -> None:
    np.take(table, codes, out=out, mode="clip")  # a byte is always within; "raise" would buffer


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


def _sum_loop(codes: Codes, table: Int64, weights: Int64, out: Int64) -> None:
    rows, columns = codes.shape
    scaled = np.empty(256, dtype=np.int64)
    for first in range(0, columns, _BLOCK):
        total = out[first : first + _BLOCK]
        for k in range(rows):
            row, weight = codes[k, first : first + _BLOCK], weights[k]
            for c in range(256):
                scaled[c] = weight * table[c]
            for j in range(len(total)):
                total[j] += scaled[row[j]]


def _look_up_loop(codes: Codes, table: Any, out: Any) -> None:
    rows, columns = codes.shape
    for k in range(rows):
        row, result = codes[k], out[k]
        for j in range(columns):
            result[j] = table[row[j]]


def _kth_loop(ranks: Codes, k: int, out: Codes) -> None:
    rows, columns = ranks.shape
    trial = np.empty(_STRIP, dtype=np.uint8)
    few = np.empty(_STRIP, dtype=np.uint8)
    count = np.empty(_STRIP, dtype=np.uint16)
    for first in range(0, columns, _STRIP):
        wide = min(_STRIP, columns - first)
        answer = out[first : first + wide]
        for power in range(7, -1, -1):
            bit = np.uint8(1 << power)
            for j in range(wide):
                trial[j] = answer[j] | bit
            count[:] = 0
            for start in range(0, rows, _BYTE):
                few[:] = 0
                for i in range(start, min(start + _BYTE, rows)):
                    row = ranks[i, first : first + wide]
                    for j in range(wide):
                        few[j] += np.uint8(row[j] < trial[j])
                for j in range(wide):
                    count[j] += few[j]
            for j in range(wide):
                if count[j] <= k:
                    answer[j] = trial[j]


def _gram_loop(values: Any, chunk: int, out: Int64) -> None:
    # Two rows by two, so that each value is loaded once for two products; the casts keep
    # numba, which takes a sum of int32 for int64, from widening them: 8 lanes instead of 4.
    rows, columns = values.shape
    for first in range(0, columns, chunk):
        wide = min(chunk, columns - first)
        for i in range(0, rows, 2):
            a, b = values[i, first : first + wide], values[i + 1, first : first + wide]
            for j in range(0, i + 1, 2):
                c, d = values[j, first : first + wide], values[j + 1, first : first + wide]
                ac = ad = bc = bd = np.int32(0)
                for k in range(wide):
                    p, q, r, s = np.int32(a[k]), np.int32(b[k]), np.int32(c[k]), np.int32(d[k])
                    ac = np.int32(ac + np.int32(p * r))
                    ad = np.int32(ad + np.int32(p * s))
                    bc = np.int32(bc + np.int32(q * r))
                    bd = np.int32(bd + np.int32(q * s))
                out[i, j] += ac
                out[i, j + 1] += ad
                out[i + 1, j] += bc
                out[i + 1, j + 1] += bd


NUMPY: dict[str, Callable[..., None]] = {
    "sum": _sum_numpy,
    "look_up": _look_up_numpy,
    "kth": _kth_numpy,
}
LOOPS: dict[str, Callable[..., None]] = {
    "sum": _sum_loop,
    "look_up": _look_up_loop,
    "kth": _kth_loop,
    "gram": _gram_loop,
}


def _chosen(name: str) -> Callable[..., None]:
    if is_plain():
        return NUMPY[name]
    return compiled(name)


@cache
def compiled(name: str) -> Callable[..., None]:
    """Return a loop compiled by numba; the code is cached on disk, beside this file."""
    import numba  # here, since it takes half a second that `plain` need not pay

    made: Callable[..., None] = numba.njit(cache=True, nogil=True, boundscheck=False)(LOOPS[name])
    return made
