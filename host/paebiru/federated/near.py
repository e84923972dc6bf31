"""The rules' loops over codes near zero, 32 at an instruction: weights within ±1.

What boards send is small, and DEC of a code is nearly a product: e**(level - 8), by the upper
four bits, times a cosine, by the lower four.  For the codes below FAR it is one exactly:

    DEC[code] = (LEVELS[code >> 4] * ANGLES[code & 15] + 2**14) >> 15

with the integers below (test_near asks all of them).  So a code is decoded by four look-ups in
tables of 16 bytes, which vectors do 32 at a time, instead of one in a table of 256, which they
cannot.  Larger codes count as nothing here: who calls is told which rows have some.

Only where `lanes.usable`; the same integers come of `columns` and of BLAS elsewhere.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from numba.extending import register_jitable
from numpy.typing import NDArray

from paebiru.federated import lanes, loops
from paebiru.federated.ranges import Codes, Int64, dec

FAR = 0x90
"""The first code that is not near."""

# One of the scales at which rounding does no harm, found by trying them.
LEVELS = (0, 20, 55, 149, 405, 1102, 2995, 8142, 22132, 0, 0, 0, 0, 0, 0, 0)
_QUARTERS = (23995, 23530, 19484, 12471, 3559, -5894, -14450, -20807)
ANGLES = (*_QUARTERS, *(-cosine for cosine in _QUARTERS))

REACH = 16207
"""The largest weight of a near code, Q14."""

WEIGHTS = 1 << 15
"""What the weight of a row must stay below."""

_STRIP = 1 << 14  # columns at a time: their sums stay in the cache, and rows are read on and on
_CHUNK = 2048  # the same for inner products
_TILE = 16  # rows that all others meet before the next ones do
_SQUARE = 32  # rows and columns of a matrix at a time
_ROOM = ((1 << 31) - 1) // REACH  # weights in all, until sums in int32 are emptied
_LANES = 32  # codes in a vector


def add_sum(codes: Codes, weights: Int64, out: Int64) -> Int64:
    """Add the sum of weights[k] * DEC[codes[k, j]] over the rows k to each out[j], near codes only.

    Args:
        codes: [rows, columns].
        weights: [rows], each 0 to WEIGHTS - 1.
        out: [columns].

    Returns:
        The numbers of the rows that have far codes, and of up to three neighbours of each.
    """
    codes, (rows, columns) = loops.fixed(codes), codes.shape
    pairs = np.zeros(-(-rows // 4) * 4, dtype=np.int16)
    pairs[:rows] = weights
    far = np.zeros(rows, dtype=np.uint8)
    body = columns // _LANES * _LANES
    given = (_planes(), pairs.view(np.int32), far)
    loops.spread(_sum, loops.even(codes.size // _LANES, body, _LANES), codes, *given, out)
    if body < columns:
        rest = np.zeros(_LANES, dtype=np.int64)
        loops.spread(_sum, [0, _LANES], _padded(codes, body), *given, rest)
        out[body:] += rest[: columns - body]
    return np.flatnonzero(far)


def decode(codes: Codes) -> tuple[NDArray[np.int16], Int64]:
    """Return the weights of near codes [rows, columns], Q14, and the largest code of each row.

    The weights stand in another order within 32 columns, the same in all rows, and zeros fill
    rows to a multiple of four, columns to one of 32.
    """
    codes, (rows, columns) = loops.fixed(codes), codes.shape
    body = columns // _LANES * _LANES
    values = np.empty((-(-rows // 4) * 4, -(-columns // _LANES) * _LANES), dtype=np.int16)
    values[rows:] = 0
    most = np.zeros(rows, dtype=np.int64)
    edges = loops.even(codes.size, rows)
    loops.spread(_decode, edges, codes, body, _planes(), values, 0, most)
    if body < columns:
        rest = _padded(codes, body)
        loops.spread(_decode, edges, rest, _LANES, _planes(), values, body, most)
    return values, most


def add_gram(values: NDArray[np.int16], bound: int, out: Int64) -> None:
    """Add all inner products of the rows of `values` to the lower half of `out`.

    Args:
        values: [rows, columns], multiples of four and of 16.
        bound: no |value| is larger; at most REACH.
        out: int64 [rows, rows]; what lies above the diagonal is of no meaning.
    """
    n, count = len(values), loops.parts(values.size)
    # Row i costs as much as there are rows before it.
    edges = [int(n * (k / count) ** 0.5) // 2 * 2 for k in range(count)]
    chunk = min(_CHUNK, 16 * (((1 << 31) - 1) // (2 * bound**2)))
    loops.spread(_gram, [*edges, n], values, chunk, out)


def put_distances(products: Int64, out: Int64) -> None:
    """Write the squared distances between as many vectors as `out` has, of their products.

    Of those, the lower half is read.
    """
    loops.spread(_distances, [0, len(out)], products, out)


def _planes() -> Codes:
    """Return the low and the high bytes of LEVELS, then of ANGLES, in both halves of a vector."""
    tables = np.array([LEVELS, ANGLES], dtype="<i2").view(np.uint8).reshape(2, 16, 2)
    return np.tile(tables.transpose(0, 2, 1).reshape(4, 16), 2)


def _padded(codes: Codes, body: int) -> Codes:
    """Return the columns from `body` on, filled to a vector."""
    rest = np.zeros((len(codes), _LANES), dtype=np.uint8)
    rest[:, : codes.shape[1] - body] = codes[:, body:]
    return loops.fixed(rest)


def bound_of(most: int) -> int:
    """Return the largest |weight| of the codes up to the level of `most`, Q14, at least 1."""
    return max(1, int(np.abs(dec()[: (most | 15) + 1]).max()))


# -- the loops


def _part(function: Callable[..., Any]) -> Callable[..., Any]:
    """Let loops call a function."""
    part: Callable[..., Any] = register_jitable(inline="always")(function)
    return part


@_part
def _near(codes: Any, level: Any, level_up: Any, angle: Any, angle_up: Any) -> Any:
    """Return the weights of the first eight codes of each half, and of the last eight."""
    r, p = lanes.high_nibbles(codes), lanes.low_nibbles(codes)
    low, high = lanes.look_up(level, r), lanes.look_up(level_up, r)
    by, by_up = lanes.look_up(angle, p), lanes.look_up(angle_up, p)
    first = lanes.scale(
        lanes.shorts(lanes.zip_low(low, high)), lanes.shorts(lanes.zip_low(by, by_up))
    )
    last = lanes.scale(
        lanes.shorts(lanes.zip_high(low, high)), lanes.shorts(lanes.zip_high(by, by_up))
    )
    return first, last


@_part
def _weighted(a: Any, b: Any, pair: Any, r: Any, s: Any, t: Any, u: Any) -> Any:
    """Return what two rows of 32 codes add: the columns 4i.. of both halves for i = 0..3."""
    first, second = _near(lanes.zip_low(a, b), r, s, t, u)
    third, fourth = _near(lanes.zip_high(a, b), r, s, t, u)
    return (
        lanes.dot(first, pair), lanes.dot(second, pair),
        lanes.dot(third, pair), lanes.dot(fourth, pair),
    )  # fmt: skip


@_part
def _empty(sums: Any, out: Any) -> None:
    """Add the sums of a strip to `out`, in the columns' order, and set them to 0."""
    for first in range(0, len(out), 32):
        for i in range(4):
            for half in range(2):
                for k in range(4):
                    out[first + 16 * half + 4 * i + k] += sums[0, first + 8 * i + 4 * half + k]
    sums[:] = 0


def _sum(
    first: int, last: int, codes: Codes, planes: Codes, pairs: Any, far: Codes, out: Int64
) -> None:
    # Four rows at a time: what is added up is loaded and stored once for four codes.
    rows = len(codes)
    r, s = lanes.load(planes, 0, 0), lanes.load(planes, 1, 0)
    t, u = lanes.load(planes, 2, 0), lanes.load(planes, 3, 0)
    weights = pairs.view(np.int16)
    sums = np.zeros((1, _STRIP), dtype=np.int32)
    for start in range(first, last, _STRIP):
        stop = min(start + _STRIP, last)
        held = np.int64(0)
        for k in range(0, rows, 4):
            more = np.int64(0)
            for i in range(4):
                more += weights[k + i]
            if held + more > _ROOM:
                _empty(sums, out[start:stop])
                held = np.int64(0)
            held += more
            # Beyond the last row is the last one again, with nothing of it.
            k1, k2, k3 = min(k + 1, rows - 1), min(k + 2, rows - 1), min(k + 3, rows - 1)
            ab = lanes.shorts(lanes.everywhere(pairs[k // 2]))
            cd = lanes.shorts(lanes.everywhere(pairs[k // 2 + 1]))
            most = lanes.zeros(r)
            for j in range(start, stop, 32):
                a, b = lanes.load(codes, k, j), lanes.load(codes, k1, j)
                c, d = lanes.load(codes, k2, j), lanes.load(codes, k3, j)
                most = lanes.larger(most, lanes.larger(lanes.larger(a, b), lanes.larger(c, d)))
                p0, p1, p2, p3 = _weighted(a, b, ab, r, s, t, u)
                q0, q1, q2, q3 = _weighted(c, d, cd, r, s, t, u)
                at = j - start
                lanes.store(sums, 0, at, lanes.add(lanes.load(sums, 0, at), lanes.add(p0, q0)))
                at += 8
                lanes.store(sums, 0, at, lanes.add(lanes.load(sums, 0, at), lanes.add(p1, q1)))
                at += 8
                lanes.store(sums, 0, at, lanes.add(lanes.load(sums, 0, at), lanes.add(p2, q2)))
                at += 8
                lanes.store(sums, 0, at, lanes.add(lanes.load(sums, 0, at), lanes.add(p3, q3)))
            if lanes.largest(most) >= FAR:
                far[k] = far[k1] = far[k2] = far[k3] = 1
        _empty(sums, out[start:stop])


def _decode(
    first: int, last: int, codes: Codes, columns: int, planes: Codes, values: Any, at: int,
    most: Int64,
) -> None:  # fmt: skip
    # To `values` from column `at` on.
    r, s = lanes.load(planes, 0, 0), lanes.load(planes, 1, 0)
    t, u = lanes.load(planes, 2, 0), lanes.load(planes, 3, 0)
    for k in range(first, last):
        largest = lanes.zeros(r)
        for j in range(0, columns, 32):
            a = lanes.load(codes, k, j)
            largest = lanes.larger(largest, a)
            p, q = _near(a, r, s, t, u)
            lanes.store(values, k, at + j, p)
            lanes.store(values, k, at + j + 16, q)
        most[k] = max(most[k], np.int64(lanes.largest(largest)))


def _gram(row_first: int, row_last: int, values: Any, chunk: int, out: Int64) -> None:
    # Two rows by four, so that six values are loaded for eight products.
    columns = values.shape[1]
    for first in range(0, columns, chunk):
        last = min(first + chunk, columns)
        for tile in range(0, row_last, _TILE):
            for i in range(max(row_first, tile), row_last, 2):
                for j in range(tile, min(tile + _TILE, i + 2), 4):
                    a0 = a1 = a2 = a3 = b0 = b1 = b2 = b3 = lanes.everywhere(np.int32(0))
                    for k in range(first, last, 16):
                        p, q = lanes.load(values, i, k), lanes.load(values, i + 1, k)
                        r, s = lanes.load(values, j, k), lanes.load(values, j + 1, k)
                        t, u = lanes.load(values, j + 2, k), lanes.load(values, j + 3, k)
                        a0, b0 = lanes.add(a0, lanes.dot(p, r)), lanes.add(b0, lanes.dot(q, r))
                        a1, b1 = lanes.add(a1, lanes.dot(p, s)), lanes.add(b1, lanes.dot(q, s))
                        a2, b2 = lanes.add(a2, lanes.dot(p, t)), lanes.add(b2, lanes.dot(q, t))
                        a3, b3 = lanes.add(a3, lanes.dot(p, u)), lanes.add(b3, lanes.dot(q, u))
                    for m, a, b in ((0, a0, b0), (1, a1, b1), (2, a2, b2), (3, a3, b3)):
                        out[i, j + m] += lanes.total(a)
                        out[i + 1, j + m] += lanes.total(b)


def _distances(first: int, last: int, products: Int64, out: Int64) -> None:
    # In squares that the cache holds: one of the two sides is read or written across rows.
    for up in range(first, last, _SQUARE):
        for left in range(0, up + 1, _SQUARE):
            for i in range(up, min(up + _SQUARE, last)):
                for j in range(left, min(left + _SQUARE, i + 1)):
                    distance = products[i, i] + products[j, j] - 2 * products[i, j]
                    out[i, j] = distance
                    out[j, i] = distance
