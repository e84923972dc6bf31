"""Rules that look at updates as points: Krum, multi-Krum, nearest-neighbour mixing.

Distances are squared, in decoded integers within ±REACH, and exact.  Every choice is made by
(distance, content), never by position, so permuting the boards changes nothing.

Updates whose codes are all `near` zero, as honest ones mostly are, are multiplied in int16 and
added in int32, as many as that holds.

The products of others, or of all where `near` cannot run, go through BLAS in float64.  They are
integers below 2**34.01, and at most SPAN = 2**18 of them are added, so every partial sum, in
whatever order, is an integer below 2**52.01: float64 holds those without rounding.  Spans are
added in int64.
"""

from collections.abc import Iterator
from types import ModuleType

import numpy as np
from numpy.typing import NDArray

from paebiru.errors import UsageError
from paebiru.federated import columns
from paebiru.federated.coordinates import picked_mean
from paebiru.federated.ranges import (
    BOARDS,
    REACH,
    Codes,
    Int64,
    bounded,
    check,
    check_liars,
    half_up,
    ranking,
)

SPAN = 1 << 18
EXACT = 1 << 53
assert SPAN * REACH * REACH < EXACT  # the bound that all below rests on
assert BOARDS * REACH < EXACT
_AT_ONCE = 1 << 20  # numbers decoded at a time: 8 MB

Float64 = NDArray[np.float64]


def squared_distances(updates: Codes) -> Int64:
    """Return the squared distances [boards, boards] between updates, Q28, each below 2**61."""
    check(updates, 1)
    n, fast = len(updates), columns.near()
    products, others = (
        _near_products(fast, updates) if fast else (np.zeros((n, n), np.int64), np.arange(n))
    )
    if len(others):
        _put_products(updates, others, products)
    distances = np.empty((n, n), dtype=np.int64)
    if fast:
        fast.put_distances(products, distances)
    else:
        squares = np.diagonal(products)
        np.multiply(products, -2, out=distances)
        distances += squares
        distances += squares[:, None]
    return distances


def _near_products(fast: ModuleType, updates: Codes) -> tuple[Int64, Int64]:
    """Return the inner products of updates near zero, the lower half, and who the others are.

    The products are filled by zeros, as `near.decode` fills its rows.
    """
    values, most = fast.decode(updates)
    others = np.flatnonzero(most >= fast.FAR)
    values[others] = 0
    most[others] = 0
    products = np.zeros((len(values), len(values)), dtype=np.int64)
    fast.add_gram(values, fast.bound_of(int(most.max())), products)
    return products, others


def _put_products(updates: Codes, some: Int64, products: Int64) -> None:
    """Write the inner products of `some` updates with all; at most SPAN weights are exact."""
    n = len(updates)
    total = np.zeros((len(some), n), dtype=np.int64)
    for first in range(0, updates.shape[1], SPAN):
        part = np.zeros(total.shape)
        for values in _blocks(updates[:, first : first + SPAN]):
            # BLAS does half of the work where both sides are one array.
            part += (values if len(some) == len(values) else values[some]) @ values.T
        total += part.astype(np.int64)
    products[some, :n] = total
    products[:n, some] = total.T


def _blocks(updates: Codes) -> Iterator[Float64]:
    """Yield the updates' weights within ±REACH, some columns at a time, in one buffer."""
    n, d = updates.shape
    table = bounded().astype(np.float64)
    wide = min(d, max(1, _AT_ONCE // n))
    buffer = np.empty(n * wide)
    for first in range(0, d, wide):
        codes = updates[:, first : first + wide]
        values = buffer[: codes.size].reshape(codes.shape)
        columns.look_up(codes, table, values)
        yield values


def krum_aggregate(models: Codes, f: int) -> Codes:
    """Return the one of `models` [boards, weights] whose n - f - 2 nearest are nearest to it.

    The sum of their squared distances decides (Blanchard et al. 2017), then the content.
    It keeps one board's knowledge and loses the others': `multi_krum` learns better.

    Raises:
        UsageError: fewer than 2f + 3 models.
    """
    chosen: Codes = models[krum_order(models, f)[0]]
    return chosen


def multi_krum(updates: Codes, f: int, keep: int | None = None) -> Int64:
    """Return the mean of the `keep` updates with the best scores of Krum, n - f by default.

    Raises:
        UsageError: fewer than 2f + 3 updates, or `keep` not within 1..n.
    """
    order = krum_order(updates, f)
    keep = len(updates) - f if keep is None else keep
    if not 1 <= keep <= len(updates):
        raise UsageError(f"cannot keep {keep} of {len(updates)} updates: keep 1 to all of them")
    return picked_mean(updates, order[:keep])


def krum_order(updates: Codes, f: int) -> Int64:
    """Return the numbers of the boards from the best score of Krum to the worst.

    Boards of one score stand in the order of what they sent, so that a permutation of the
    boards gives the same updates in the same order.
    """
    check_liars(f)
    check(updates, 2 * f + 3, f" by Krum against {f} liars")
    scores = _least_sums(squared_distances(updates), len(updates) - f - 1)
    seen, twice = set[int](), set[int]()
    for score in scores:
        (twice if score in seen else seen).add(score)
    names = range(len(updates))
    keys = [(s, _content(updates[i]) if s in twice else b"") for i, s in enumerate(scores)]
    return np.array(sorted(names, key=keys.__getitem__), dtype=np.int64)


def _least_sums(distances: Int64, count: int) -> list[int]:
    """Return the sum of the `count` least of each row: itself, at 0, and its nearest others.

    Where they may exceed int64, as 2**13 distances can, halves of 32 bits are added apart.
    """
    least = np.partition(distances, count - 1, axis=1)[:, :count]
    if int(least.max()) < (1 << 63) // count:
        return [int(s) for s in least.sum(axis=1)]
    high, low = (least >> 32).sum(axis=1), (least & 0xFFFFFFFF).sum(axis=1)
    return [(h << 32) + s for h, s in zip(high.tolist(), low.tolist(), strict=True)]


def _content(update: Codes) -> bytes:
    """Return bytes that sort as the update's weights do, then as its codes."""
    return ranking()[0][update].tobytes() + update.tobytes()


def neighbours(updates: Codes, count: int) -> NDArray[np.bool_]:
    """Return [i, j]: j is one of the `count` updates nearest to i, which is one of its own."""
    distances = squared_distances(updates)
    limit = np.partition(distances, count - 1, axis=1)[:, count - 1 : count]
    near, level = distances < limit, distances == limit
    room = count - near.sum(axis=1, keepdims=True)
    if (level.sum(axis=1, keepdims=True) > room).any():
        order = sorted(range(len(updates)), key=lambda i: _content(updates[i]))
        level = level[:, order]
        level &= np.cumsum(level, axis=1) <= room
        level = level[:, np.argsort(order)]
    chosen: NDArray[np.bool_] = near | level
    return chosen


def nnm_trimmed_mean(updates: Codes, f: int) -> Int64:
    """Return the trimmed mean of updates each replaced by the mean of its n - f nearest.

    Mixing brings honest updates together before what is left outside is cut (Allouah et al.
    2023).  Sums are mixed and divided once at the end, half rounded up, so nothing is lost.

    Raises:
        UsageError: fewer than 2f + 1 updates.
    """
    check_liars(f)
    check(updates, 2 * f + 1, f" to drop {f} at each end")
    n, d = updates.shape
    mixer = neighbours(updates, n - f).astype(np.float64).T
    kept = np.empty(d, dtype=np.int64)
    first = 0
    for values in _blocks(updates):
        mixed = values.T @ mixer  # [weights, boards], sums below 2**31, exact
        mixed.partition((f, n - f - 1), axis=1)
        last = first + len(mixed)
        kept[first:last] = mixed[:, f : n - f].sum(axis=1)
        first = last
    return half_up(kept, (n - f) * (n - 2 * f))
