"""The loops that the rules spend their time in: over codes, column by column, integers only.

Each exists twice and gives the same integers: in NumPy, and as a loop that numba compiles
(the environment variable ``PAEBIRU_BACKEND=plain`` leaves numba out, as in `paebiru.accel`).
A loop does a part of its work, of columns or of rows, that no other part has to do with; so
large rounds are done by `threads` of them at once, to the same integers.

A byte has 256 values, so nothing is sorted: the k-th smallest of a column is found bit by bit,
by counting how many of it lie below a value, 32 columns an instruction.
"""

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from itertools import pairwise
from typing import Any

import numpy as np

from paebiru.federated.ranges import Codes, Int64

_BLOCK = 8192  # columns at a time: what is added up stays in the cache
_STRIP = 1024  # the same for counting, where every row is read eight times
_SQUARE = 32  # rows and columns of a matrix at a time
_BYTE = 255  # the most that counts in a byte
_LARGE = 1 << 18  # codes from which on a second thread is worth its start

threads = os.cpu_count() or 1
"""How many cores a large round may take."""


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
    if is_plain():
        _sum_numpy(codes, table, weights, out)
    else:
        _spread("sum", _even(codes, codes.shape[1]), codes, table, weights, out)
    return out


def look_up(codes: Codes, table: Any, out: Any) -> None:
    """Write table[codes] to `out`, of the table's type and the codes' shape."""
    if is_plain():
        np.take(table, codes, out=out, mode="clip")  # always within; "raise" would buffer
    else:
        _spread("look_up", _even(codes, codes.shape[0]), codes, table, out)


def kth(ranks: Codes, k: int) -> Codes:
    """Return the k-th smallest of each column, 0 <= k < rows, at most 65535 rows."""
    out = np.zeros(ranks.shape[1], dtype=np.uint8)
    if is_plain():
        _kth_numpy(ranks, k, out)
    else:
        _spread("kth", _even(ranks, ranks.shape[1]), ranks, k, out)
    return out


def add_gram(values: Any, chunk: int, out: Int64) -> None:
    """Add all inner products of the rows of int16 `values` to the lower half of `out`.

    Args:
        values: [rows, columns], an even number of rows.
        chunk: columns added in int32: chunk * (the largest |value|)**2 stays under 2**31.
        out: int64 [rows, rows]; what lies above the diagonal is of no meaning.
    """
    n, count = len(values), _count(values)
    # Row i costs as much as there are rows before it.
    edges = [int(n * (k / count) ** 0.5) // 2 * 2 for k in range(count)]
    _spread("gram", [*edges, n], values, chunk, out)


def narrow(codes: Codes, table: Any, out: Any) -> Int64:
    """Write table[codes], int16, to `out`, as `look_up` does; return the largest |value| by row."""
    most = np.zeros(len(codes), dtype=np.int64)
    _spread("narrow", _even(codes, len(codes)), codes, table, out, most)
    return most


def mirror(lower: Int64, out: Int64) -> None:
    """Write the square matrix of which `lower` has the lower half to `out`."""
    _spread("mirror", [0, len(out)], lower, out)


def is_plain() -> bool:
    """Tell whether numba is to be left out."""
    return os.environ.get("PAEBIRU_BACKEND") == "plain"


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


def _sum_loop(
    first: int, last: int, codes: Codes, table: Int64, weights: Int64, out: Int64
) -> None:
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


def _look_up_loop(first: int, last: int, codes: Codes, table: Any, out: Any) -> None:
    for k in range(first, last):
        row, result = codes[k], out[k]
        for j in range(len(row)):
            result[j] = table[row[j]]


def _narrow_loop(first: int, last: int, codes: Codes, table: Any, out: Any, most: Int64) -> None:
    for k in range(first, last):
        row, result, largest = codes[k], out[k], np.int64(0)
        for j in range(len(row)):
            value = table[row[j]]
            result[j] = value
            size = abs(np.int64(value))
            if size > largest:
                largest = size
        most[k] = largest


def _mirror_loop(first: int, last: int, lower: Int64, out: Int64) -> None:
    # In squares that the cache holds: one of the two sides is read or written across rows.
    for up in range(first, last, _SQUARE):
        for left in range(0, up + 1, _SQUARE):
            for i in range(up, min(up + _SQUARE, last)):
                for j in range(left, min(left + _SQUARE, i + 1)):
                    out[i, j] = lower[i, j]
                    out[j, i] = lower[i, j]


def _kth_loop(first: int, last: int, ranks: Codes, k: int, out: Codes) -> None:
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


def _gram_loop(row_first: int, row_last: int, values: Any, chunk: int, out: Int64) -> None:
    # Two rows by two, so that each value is loaded once for two products; the casts keep
    # numba, which takes a sum of int32 for int64, from widening them: 8 lanes instead of 4.
    columns = values.shape[1]
    for first in range(0, columns, chunk):
        wide = min(chunk, columns - first)
        for i in range(row_first, row_last, 2):
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


LOOPS: dict[str, Callable[..., None]] = {
    "sum": _sum_loop,
    "look_up": _look_up_loop,
    "kth": _kth_loop,
    "gram": _gram_loop,
    "narrow": _narrow_loop,
    "mirror": _mirror_loop,
}


def _count(codes: Any) -> int:
    return threads if codes.size >= _LARGE else 1


def _even(codes: Codes, total: int) -> list[int]:
    """Return where the parts of `total` columns or rows begin and end."""
    count = _count(codes)
    return [total * k // count for k in range(count + 1)]


def _spread(name: str, edges: list[int], *args: Any) -> None:
    """Run a loop over the parts between `edges`, all at once."""
    run = compiled(name)
    first, *others = pairwise(edges)
    if not others:
        run(*first, *args)
        return
    with ThreadPoolExecutor(len(others)) as pool:
        parts = [pool.submit(run, *part, *args) for part in others]
        run(*first, *args)
        for part in parts:
            part.result()


@cache
def compiled(name: str) -> Callable[..., None]:
    """Return a loop compiled by numba; the code is cached on disk, beside this file."""
    import numba  # here, since it takes half a second that `plain` need not pay

    made: Callable[..., None] = numba.njit(cache=True, nogil=True, boundscheck=False)(LOOPS[name])
    return made
