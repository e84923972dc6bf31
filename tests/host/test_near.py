"""The loops over codes near zero: integers equal to the definition's, on any processor."""

import os
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from paebiru import accel
from paebiru.federated import columns, geometric, loops, ranges
from paebiru.federated.registry import RULES, aggregate
from sil import tables

lanes = pytest.importorskip("paebiru.federated.lanes")
if not lanes.usable():
    pytest.skip("this processor has no AVX2", allow_module_level=True)
from paebiru.federated import near  # noqa: E402 - cannot be imported without

DEC = np.array(tables.dec(), dtype=np.int64)


def test_a_near_code_is_a_product():
    for code in range(near.FAR):
        product = near.LEVELS[code >> 4] * near.ANGLES[code & 15]
        assert (product + (1 << 14)) >> 15 == DEC[code]
    assert np.abs(DEC[: near.FAR]).max() == near.REACH
    assert np.abs(DEC[near.FAR :]).max() > near.REACH


def summed(codes, weights):
    out = np.arange(codes.shape[1])  # something is there already
    far = near.add_sum(codes, weights, out)
    return out - np.arange(codes.shape[1]), far


@settings(max_examples=60, deadline=None)
@given(
    n=st.integers(1, 70), d=st.integers(1, 200), top=st.sampled_from([16, 0x90, 0x91, 256]),
    most=st.sampled_from([1, 2000, near.WEIGHTS - 1]), seed=st.integers(0, 99),
)  # fmt: skip
def test_sums_are_exact_and_far_codes_told(n, d, top, most, seed):
    rng = np.random.default_rng(seed)
    codes = rng.integers(0, top, (n, d), dtype=np.uint8)
    weights = rng.integers(0, most + 1, n)
    found, far = summed(codes, weights)
    assert np.array_equal(found, weights @ np.where(codes < near.FAR, DEC[codes], 0))
    assert set(np.flatnonzero((codes >= near.FAR).any(axis=1))) <= set(far)
    assert top > near.FAR or not len(far)
    assert np.array_equal(columns.table_sum(codes, DEC, weights), weights @ DEC[codes])


@pytest.mark.parametrize("sign", [0x80, 0x88])
def test_the_largest_codes_and_weights_overflow_nothing(sign):
    codes = np.full((1001, 33), sign, dtype=np.uint8)
    weights = np.full(1001, near.WEIGHTS - 1)
    assert summed(codes, weights)[0].tolist() == [1001 * (near.WEIGHTS - 1) * DEC[sign]] * 33


def test_weights_beyond_those_go_another_way():
    codes = np.arange(6, dtype=np.uint8).reshape(2, 3) + 0x80
    for weights in (np.array([near.WEIGHTS, 1]), np.array([-1, 1])):
        assert np.array_equal(columns.table_sum(codes, DEC, weights), weights @ DEC[codes])


@pytest.mark.parametrize("threads", [1, 2, 3])
@pytest.mark.parametrize(("n", "d"), [(1, 1), (5, 31), (37, 64), (18, 5003)])
def test_products_and_distances_are_exact(n, d, threads, monkeypatch):
    monkeypatch.setattr(loops, "threads", threads)
    monkeypatch.setattr(loops, "LARGE", 1)
    rng = np.random.default_rng(n)
    for top, bound in ((0x50, 297), (0x70, 2193), (near.FAR, near.REACH)):
        codes = rng.integers(0, top, (n, d), dtype=np.uint8)
        codes[0] = top - 8  # the largest, all of one sign
        values, most = near.decode(codes)
        assert near.bound_of(int(most.max())) == bound
        assert np.array_equal(
            np.sort(values[:n, : d // 32 * 32]), np.sort(DEC[codes[:, : d // 32 * 32]])
        )
        assert np.array_equal(values[:n].sum(axis=1, dtype=np.int64), DEC[codes].sum(axis=1))
        assert not values[n:].any()
        products = np.zeros((len(values), len(values)), dtype=np.int64)
        near.add_gram(values, bound, products)
        exact = DEC[codes] @ DEC[codes].T
        assert np.array_equal(np.tril(products)[:n, :n], np.tril(exact))
        squares = exact.diagonal()
        distances = squares + squares[:, None] - 2 * exact
        assert np.array_equal(geometric.squared_distances(codes), distances)


def test_what_is_read_only_or_in_another_order_is_summed_all_the_same():
    codes = np.random.default_rng(1).integers(0, near.FAR, (8, 100), dtype=np.uint8)
    weights, expected = np.arange(8), np.arange(8) @ DEC[codes]
    fixed = codes.copy()
    fixed.flags.writeable = False
    for given_ in (fixed, np.asfortranarray(codes), np.repeat(codes, 2, axis=0)[::2]):
        assert np.array_equal(columns.table_sum(given_, ranges.dec(), weights), expected)


def test_a_hub_that_is_ready_compiles_nothing_more_for_its_rule():
    """Whatever updates are like: near or far, many samples or few, as they come or read-only."""
    rng = np.random.default_rng(3)
    mine = (columns._sum, columns._look_up, columns._kth,
            near._sum, near._decode, near._gram, near._distances)  # fmt: skip
    loaded = 0
    for name, rule in RULES.items():
        loops.compiled.cache_clear()
        accel.ready(name)
        before = [len(loops.compiled(loop).signatures) for loop in mine]
        loaded += sum(before)
        for n, d, top, most in ((9, 20, 256, 99), (8, 64, 64, 99), (12, 5000, 256, 65000)):
            frames = rng.integers(0, top, (n, d), dtype=np.uint8)
            for given_ in (frames, loops.fixed(frames), np.frombuffer(frames, np.uint8)):
                aggregate(rule, given_.reshape(n, d), rng.integers(1, most, n), int(rule.resists))
        assert [len(loops.compiled(loop).signatures) for loop in mine] == before, name
    assert loaded > len(mine)


@pytest.mark.parametrize("switch", ["NUMBA_DISABLE_JIT", "NUMBA_CPU_NAME"])
def test_what_numba_does_not_compile_for_is_left_alone(switch, monkeypatch):
    monkeypatch.setattr(lanes.config, switch.removeprefix("NUMBA_"), "1")
    assert not lanes.usable()


OTHERS = """
import numpy as np
from paebiru.federated import columns, lanes
from paebiru.federated.registry import RULES

assert not lanes.usable()
assert columns.near() is None
rng = np.random.default_rng(1)
frames = rng.integers(0, 0xA0, (11, 500), dtype=np.uint8)
samples = rng.integers(1, 65535, 11)
print({name: rule.apply(frames, samples, 2).tolist() for name, rule in RULES.items()})
"""


def test_a_processor_without_avx2_gives_the_same(tmp_path):
    """Compiled for the least of this architecture: the loops of `columns`, and BLAS."""
    rng = np.random.default_rng(1)
    frames = rng.integers(0, 0xA0, (11, 500), dtype=np.uint8)
    samples = rng.integers(1, 65535, 11)
    expected = {name: rule.apply(frames, samples, 2).tolist() for name, rule in RULES.items()}
    env = {**os.environ, "NUMBA_CPU_NAME": "generic", "NUMBA_CACHE_DIR": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", OTHERS], env=env, capture_output=True, text=True, timeout=120
    )
    assert done.stdout.strip() == str(expected), done.stderr
