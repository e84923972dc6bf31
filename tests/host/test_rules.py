"""Rules of aggregation: exact against their definitions, whoever stands where, whoever lies."""

import math
from array import array
from fractions import Fraction
from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from paebiru import federated
from paebiru.errors import UsageError
from paebiru.federated import clipping, columns, coordinates, geometric, loops, ranges, rules
from paebiru.federated.registry import RULES
from sil import nn, tables, update

DEC = tables.dec()
REACH = ranges.REACH


@st.composite
def rounds(draw, least=1, most=9):
    """A round: codes [boards, weights], drawn small, so that ties are common, or from all."""
    n, d = draw(st.integers(least, most)), draw(st.integers(1, 7))
    alphabet = draw(st.sampled_from([[0x00, 0x80, 0x88], [0, 3, 0x14, 0x1C, 0xF0, 0xF8], None]))
    codes = st.sampled_from(alphabet) if alphabet else st.integers(0, 255)
    flat = draw(st.lists(codes, min_size=n * d, max_size=n * d))
    return np.array(flat, dtype=np.uint8).reshape(n, d)


def whole(frames):
    """Return a round as Python's integers, unbounded."""
    return [[DEC[c] for c in row] for row in frames.tolist()]


def within(frames):
    """Return a round as Python's integers within the reach of a board."""
    return [[max(-REACH, min(REACH, v)) for v in row] for row in whole(frames)]


def half_up(total, count):
    return math.floor(Fraction(total, count) + Fraction(1, 2))


def means(rows, weights):
    return [
        half_up(sum(w * v for w, v in zip(weights, column, strict=True)), sum(weights))
        for column in zip(*rows, strict=True)
    ]


def liars(frames):
    """Return the largest f for which every rule that resists has boards enough."""
    return max(0, (len(frames) - 3) // 2)


# -- the definitions, in Python's integers


def distance(a, b):
    return sum((x - y) ** 2 for x, y in zip(a, b, strict=True))


def krum_scores(rows, f):
    found = []
    for i, a in enumerate(rows):
        others = sorted(distance(a, b) for j, b in enumerate(rows) if j != i)
        found.append(sum(others[: len(rows) - f - 2]))
    return found


def krum_ranking(frames, f):
    """Return the frames, best first: by score, then by weights, then by codes."""
    rows = within(frames)
    keyed = zip(krum_scores(rows, f), rows, frames.tolist(), strict=True)
    return [codes for _, _, codes in sorted(keyed)]


def trimmed(rows, f, count=1):
    kept = [sorted(column)[f : len(rows) - f] for column in zip(*rows, strict=True)]
    return [half_up(sum(column), len(column) * count) for column in kept]


def mixed(frames, f):
    """Return for each update the sum of its n - f nearest: by distance, weights, codes."""
    rows = within(frames)
    whole_rows = list(zip(rows, frames.tolist(), strict=True))
    found = []
    for a in rows:
        near = sorted(whole_rows, key=lambda other, a=a: (distance(a, other[0]), *other))
        chosen = [row for row, _ in near[: len(rows) - f]]
        found.append([sum(column) for column in zip(*chosen, strict=True)])
    return found


@given(rounds(), st.data())
def test_fedavg_is_the_mean_by_samples(frames, data):
    n = len(frames)
    samples = data.draw(st.lists(st.integers(0, 65535), min_size=n, max_size=n).filter(any))
    expected = means(whole(frames), samples)
    weights = np.array(samples, dtype=np.int64)
    assert rules.fedavg_aggregate(frames, weights).tolist() == expected
    assert rules.fedavg_aggregate(rules.decoded(frames), weights).tolist() == expected


@given(rounds())
def test_equal_mean(frames):
    expected = means(whole(frames), [1] * len(frames))
    assert coordinates.equal_mean(frames).tolist() == expected


@given(rounds())
def test_median(frames):
    columns_ = [sorted(column) for column in zip(*within(frames), strict=True)]
    n = len(frames)
    expected = [half_up(c[(n - 1) // 2] + c[n // 2], 2) for c in columns_]
    assert coordinates.median(frames).tolist() == expected


@given(rounds(), st.data())
def test_trimmed_mean(frames, data):
    f = data.draw(st.integers(0, (len(frames) - 1) // 2))
    assert coordinates.trimmed_mean(frames, f).tolist() == trimmed(within(frames), f)


@given(rounds(least=3), st.data())
def test_krum_and_multi_krum(frames, data):
    f = data.draw(st.integers(0, liars(frames)))
    best = krum_ranking(frames, f)
    assert geometric.krum_aggregate(frames, f).tolist() == best[0]
    keep = data.draw(st.integers(1, len(frames)))
    expected = means(within(np.array(best[:keep], dtype=np.uint8)), [1] * keep)
    assert geometric.multi_krum(frames, f, keep).tolist() == expected
    assert np.array_equal(
        geometric.multi_krum(frames, f), geometric.multi_krum(frames, f, len(frames) - f)
    )


@given(rounds(), st.data())
def test_mixing_then_trimming(frames, data):
    n = len(frames)
    f = data.draw(st.integers(0, (n - 1) // 2))
    expected = trimmed(mixed(frames, f), f, n - f)
    assert geometric.nnm_trimmed_mean(frames, f).tolist() == expected


@given(rounds(), st.integers(1, 1 << 24) | st.none())
def test_clipped_mean(frames, bound):
    rows = within(frames)
    norms = [math.isqrt(sum(v * v for v in row)) + 1 for row in rows]
    assert clipping.norms(frames) == norms
    limit = sorted(norms)[(len(norms) - 1) // 2] if bound is None else bound
    cut = [
        [v if norm <= limit else int(math.copysign(abs(v) * limit // norm, v)) for v in row]
        for row, norm in zip(rows, norms, strict=True)
    ]
    assert all(sum(v * v for v in row) < limit * limit for row in cut)
    assert clipping.clipped(frames, limit).tolist() == cut
    assert clipping.clipped_sum(frames, limit).tolist() == [sum(c) for c in zip(*cut, strict=True)]
    assert clipping.clipped_mean(frames, bound).tolist() == means(cut, [1] * len(cut))


# -- properties


@pytest.mark.parametrize("name", RULES)
@given(frames=rounds(least=5), data=st.data())
def test_the_order_of_boards_changes_nothing(name, frames, data):
    f = data.draw(st.integers(0, 1))
    n = len(frames)
    samples = np.array(data.draw(st.lists(st.integers(1, 99), min_size=n, max_size=n)))
    order = np.array(data.draw(st.permutations(range(n))))
    apply = RULES[name].apply
    expected = apply(frames, samples, f)
    assert expected.dtype == np.int64
    assert np.array_equal(apply(frames[order], samples[order], f), expected)


@pytest.mark.parametrize("name", ["median", "trimmed-mean"])
@given(frames=rounds(least=3), data=st.data())
def test_liars_cannot_leave_the_honest_range(name, frames, data):
    f = (len(frames) - 1) // 2
    honest = rules.decoded(frames[f:])
    lies = data.draw(st.lists(st.integers(0, 255), min_size=frames[:f].size, max_size=255))
    frames[:f] = np.array(lies[: frames[:f].size], dtype=np.uint8).reshape(frames[:f].shape)
    found = RULES[name].apply(frames, np.ones(len(frames), dtype=np.int64), f)
    reach = np.clip(honest, -REACH, REACH)
    assert (reach.min(axis=0) <= found).all()
    assert (found <= reach.max(axis=0)).all()


@given(rounds(least=3), st.integers(1, 1 << 20))
def test_a_board_moves_a_clipped_sum_by_less_than_the_bound(frames, bound):
    moved = clipping.clipped_sum(frames, bound) - clipping.clipped_sum(frames[1:], bound)
    assert sum(v * v for v in moved.tolist()) < bound * bound


def test_the_reach_is_the_most_that_a_board_sends():
    selector, frame = update.Selector(1, update.SHARE_ONE), bytearray(1)
    for most in (32767, -32767):
        selector.take(array("h", [most]), frame)
        assert abs(DEC[frame[0]]) == REACH
    assert abs(DEC[nn.encode(array("h", [32767]))[0]]) == REACH


# -- the loops that numba compiles, and their twins in NumPy


@pytest.mark.parametrize("threads", [0, 1, 2, 3], ids=["NumPy", "1", "2", "3"])
@pytest.mark.parametrize(("n", "d"), [(1, 1), (7, 1500), (255, 9), (256, 9), (700, 3), (3, 9000)])
def test_the_loops_in_numpy_and_compiled_are_equal_on_any_threads(n, d, threads, monkeypatch):
    if threads:
        monkeypatch.setattr(loops, "threads", threads)
        monkeypatch.setattr(loops, "LARGE", 1)
    else:
        monkeypatch.setenv("PAEBIRU_BACKEND", "plain")
    rng = np.random.default_rng(n)
    codes = rng.integers(0, 256, (n, d), dtype=np.uint8)
    few = rng.integers(0, 3, (n, d), dtype=np.uint8) * 127
    for ranks, k in product((codes, few), {0, n // 3, n - 1}):
        assert np.array_equal(columns.kth(ranks, k), np.sort(ranks, axis=0)[k])
    table = rng.integers(-(1 << 25), 1 << 25, 256)
    for weights in (None, rng.integers(0, 1 << 16, n)):
        expected = (np.ones(n, dtype=np.int64) if weights is None else weights) @ table[codes]
        assert np.array_equal(columns.table_sum(codes, table, weights), expected)
    for table in (ranges.ranking()[0], ranges.bounded().astype(np.float64)):
        found = np.empty((n, d), dtype=table.dtype)
        columns.look_up(codes, table, found)
        assert np.array_equal(found, table[codes])


@pytest.mark.parametrize("name", RULES)
def test_a_rule_without_numba_is_the_rule(name, monkeypatch):
    rng = np.random.default_rng(1)
    frames = rng.integers(0, 256, (11, 3000), dtype=np.uint8)
    samples = rng.integers(1, 65535, 11)
    found = RULES[name].apply(frames, samples, 2)
    monkeypatch.setenv("PAEBIRU_BACKEND", "plain")
    assert np.array_equal(RULES[name].apply(frames, samples, 2), found)


# -- at the limits of the ranges


def test_distances_are_exact_at_full_reach_over_several_spans():
    """The largest values there are, over more weights than one product in float64 may add."""
    d = geometric.SPAN + 5
    frames = np.zeros((3, d), dtype=np.uint8)
    frames[0], frames[1] = 0xF0, 0xF8
    frames[2, ::3] = 0x80
    found = geometric.squared_distances(frames)
    assert found[0, 1] == d * (2 * REACH) ** 2
    one, thirds = DEC[0x80], len(range(0, d, 3))
    assert found[0, 2] == thirds * (REACH - one) ** 2 + (d - thirds) * REACH**2
    assert np.array_equal(found, found.T)
    assert not found.diagonal().any()


@pytest.mark.parametrize("plain", [False, True])
@pytest.mark.parametrize("wide", [(), (0,), (3, 4), range(7)])
def test_distances_are_exact_whoever_is_wide(wide, plain, monkeypatch):
    """Some updates with weights that are not near zero, the others at the limit of what is."""
    if plain:
        monkeypatch.setenv("PAEBIRU_BACKEND", "plain")
    rng = np.random.default_rng(2)
    frames = rules.encoded(rng.integers(-3900, 3900, (7, 2500)))
    frames[1], frames[2] = 0x80, 0x88
    for i in wide:
        frames[i, 7 * i :: 50] = 0xF0
    rows = within(frames)
    expected = [[distance(a, b) for b in rows] for a in rows]
    assert geometric.squared_distances(frames).tolist() == expected


def test_fedavg_is_exact_with_the_largest_codes_and_samples():
    frames = np.full((3, 2), 0xF0, dtype=np.uint8)
    samples = np.array([ranges.SAMPLES - 3, 1, 1])
    assert rules.fedavg_aggregate(frames, samples).tolist() == [DEC[0xF0]] * 2


def test_sums_of_distances_may_exceed_int64():
    huge = np.full((8, 8), 1 << 60, dtype=np.int64)
    assert geometric._least_sums(huge, 8) == [8 << 60] * 8


# -- where float32 picks another one


def float_krum(values, f):
    """Return which one Krum picks in float32: |a|^2 + |b|^2 - 2ab, as federated engines do."""
    norms = np.square(values).sum(axis=1)
    distances = norms[:, None] + norms[None, :] - 2 * values @ values.T
    scores = [np.sort(row)[1 : len(values) - f - 1].sum() for row in distances]
    return int(np.argmin(scores))


def nearly_equal_models(seed):
    """Nine models with the same large weights and small ones that differ."""
    rng = np.random.default_rng(seed)
    small = np.rint(rng.normal(0, 160, (9, 2000))).astype(np.int64)
    frames = np.full((9, 4000), 0xA0, dtype=np.uint8)
    frames[:, ::2] = rules.encoded(small)
    return frames


def test_krum_picks_exactly_where_float32_does_not():
    """Large weights that all models share leave float32 no digits for what differs."""
    wrong = 0
    for seed in range(4):
        frames = nearly_equal_models(seed)
        scores = krum_scores(within(frames), 2)
        best = scores.index(min(scores))
        assert np.array_equal(geometric.krum_aggregate(frames, 2), frames[best])
        values = rules.decoded(frames).astype(np.float32) / np.float32(1 << 14)
        wrong += float_krum(values, 2) != best
    assert wrong >= 2


# -- what is refused


@pytest.mark.parametrize(
    ("call", "cause"),
    [
        (lambda c: coordinates.trimmed_mean(c, 3), "5 updates, but 7 are needed"),
        (lambda c: coordinates.trimmed_mean(c, -1), "f = -1"),
        (lambda c: geometric.krum_aggregate(c, 2), "but 7 are needed by Krum against 2 liars"),
        (lambda c: geometric.nnm_trimmed_mean(c, 3), "but 7 are needed"),
        (lambda c: geometric.multi_krum(c, 1, 0), "cannot keep 0 of 5"),
        (lambda c: coordinates.median(c.astype(np.int64)), "uint8 codes"),
        (lambda c: coordinates.median(c[0]), "uint8 codes"),
        (lambda c: coordinates.median(c[:0]), "0 updates, but 1 are needed"),
        (lambda c: coordinates.equal_mean(c[:, :0]), "1 to 16777216 weights"),
        (lambda c: clipping.clipped_sum(c, 0), "bound of 0"),
        (lambda c: clipping.clipped_mean(c[:0]), "0 updates, but 1 are needed"),
        (lambda c: rules.fedavg_aggregate(c, np.zeros(5, np.int64)), "0 samples in all"),
        (lambda c: rules.fedavg_aggregate(c, np.array([9, -1, 1, 1, 1])), "none negative"),
        (lambda c: rules.fedavg_aggregate(c, np.full(5, 1 << 62)), "a mean takes"),
        (lambda c: rules.fedavg_aggregate(c, np.ones(4, np.int64)), "one each"),
    ],
)
def test_a_round_that_no_rule_can_take_is_refused(call, cause):
    with pytest.raises(UsageError, match=cause):
        call(np.zeros((5, 3), dtype=np.uint8))


@given(rounds(least=5))
def test_the_originals_names_are_public(frames):
    assert np.array_equal(federated.krum_aggregate(frames, 1), geometric.krum_aggregate(frames, 1))
    assert federated.fedavg_aggregate is rules.fedavg_aggregate
    assert federated.model_average is rules.model_average
