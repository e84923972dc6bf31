"""Noise has the distribution that its proof speaks of, and no other."""

import math

import hypothesis
import numpy as np
import pytest
from hypothesis import strategies as st

from paebiru.errors import UsageError
from paebiru.federated import noise
from paebiru.rng import Rng

DRAWS = 400_000
# Of a statistic with that many degrees of freedom, passed by chance once in 10**5 or less
# (Wilson and Hilferty's cube); the draws are seeded, so a pass stays one.
Z = 4.3


def most(degrees: int) -> float:
    return degrees * (1 - 2 / (9 * degrees) + Z * math.sqrt(2 / (9 * degrees))) ** 3


def gaussian(sigma: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the integers within 12 sigma and their exact probabilities."""
    x = np.arange(-12 * sigma, 12 * sigma + 1)
    mass = np.exp(-(x.astype(float) ** 2) / (2 * sigma**2))
    return x, mass / mass.sum()


def laplace(scale: int) -> tuple[np.ndarray, np.ndarray]:
    x = np.arange(-40 * scale, 40 * scale + 1)
    mass = np.exp(-np.abs(x) / scale)
    return x, mass / mass.sum()


def chi_square(draws: np.ndarray, x: np.ndarray, chance: np.ndarray) -> tuple[float, int]:
    """Return the statistic and its degrees of freedom, over cells that expect 20 or more."""
    counts = np.bincount(draws - x[0], minlength=len(x))
    cells = np.minimum(np.cumsum(chance) * len(draws) // 40, len(draws) // 40 - 1)
    _, cell = np.unique(cells, return_inverse=True)
    expected = np.bincount(cell, weights=chance) * len(draws)
    seen = np.bincount(cell, weights=counts)
    good = expected >= 20
    rest = max(expected[~good].sum(), 1e-9), seen[~good].sum()
    statistic = float(((seen - expected)[good] ** 2 / expected[good]).sum())
    if rest[0] >= 20:
        statistic += (rest[1] - rest[0]) ** 2 / rest[0]
    return statistic, int(good.sum()) - 1


@pytest.mark.parametrize("sigma", [1, 2, 7, 100])
def test_draws_fit_the_exact_distribution(sigma: int) -> None:
    draws = noise.discrete_gaussian(sigma, DRAWS, Rng(sigma, "noise"))
    statistic, degrees = chi_square(draws, *gaussian(sigma))
    assert degrees >= 5
    assert statistic < most(degrees)


@pytest.mark.parametrize("scale", [1, 5, 60])
def test_laplace_fits_the_exact_distribution(scale: int) -> None:
    draws = noise.discrete_laplace(scale, DRAWS, Rng(scale, "laplace"))
    statistic, degrees = chi_square(draws, *laplace(scale))
    assert statistic < most(degrees)


@pytest.mark.parametrize("sigma", [1, 2, 7, 100])
def test_the_test_tells_other_distributions_apart(sigma: int) -> None:
    """A rounded float Gaussian of a hundredth less, and a shift by a hundredth, both fail."""
    x, chance = gaussian(sigma)
    floats = np.random.default_rng(sigma).normal(0, 0.98 * sigma, DRAWS)
    narrow = np.rint(floats).astype(np.int64)
    draws = noise.discrete_gaussian(sigma, DRAWS, Rng(sigma, "noise"))
    asymmetric = np.where(np.arange(DRAWS) % 40 == 0, np.abs(draws), draws)
    for wrong in (narrow, asymmetric):
        statistic, degrees = chi_square(wrong, x, chance)
        assert statistic > most(degrees)


@pytest.mark.parametrize("sigma", [8192, 71_234, 1 << 24])
def test_wide_noise_fits_by_kolmogorov_and_smirnov(sigma: int) -> None:
    """Where single integers are rare: the largest gap between the distribution functions."""
    draws = np.sort(noise.discrete_gaussian(sigma, 100_000, Rng(sigma, "wide")))
    exact = np.array([math.erfc(-(d + 0.5) / (sigma * math.sqrt(2))) / 2 for d in draws])
    steps = np.arange(1, len(draws) + 1) / len(draws)
    gap = max(np.abs(steps - exact).max(), np.abs(steps - 1 / len(draws) - exact).max())
    assert gap * math.sqrt(len(draws)) < 1.95  # by chance once in a thousand; seeded
    assert len(np.unique(draws % 8)) == 8  # no bit is stuck


def test_both_sources_agree_in_distribution() -> None:
    source = noise.SecretWords(bytes(range(32)))
    statistic, degrees = chi_square(noise.discrete_gaussian(3, DRAWS, source), *gaussian(3))
    assert statistic < most(degrees)


def test_a_key_repeats_its_noise_and_another_does_not() -> None:
    first, second = (bytes([k] * 32) for k in (1, 2))
    once, again, other = (
        noise.discrete_gaussian(1000, 500, noise.SecretWords(key)) for key in (first, first, second)
    )
    assert np.array_equal(once, again)
    assert not np.array_equal(once, other)
    assert noise.new_key() != noise.new_key()
    words = noise.SecretWords(first)
    assert not np.array_equal(words.words(8), words.words(8))  # it goes on, it does not repeat


@hypothesis.given(st.integers(1, (1 << 63) - 1), st.integers(0, 50), st.integers(0, 2**32))
def test_below_stays_below(n: int, count: int, seed: int) -> None:
    found = noise.below(n, count, Rng(seed))
    assert len(found) == count
    assert all(0 <= v < n for v in found.tolist())


def test_below_throws_away_the_words_that_do_not_divide() -> None:
    """Of 2**64 words, n = 2**63 - 1 leaves two over: they must not become 0 and 1."""

    given = [2**64 - 1, 2**64 - 2, 2**64 - 3]

    class Stuck:
        def words(self, n: int) -> np.ndarray:
            return np.array([given.pop(0) for _ in range(n)], dtype=np.uint64)

    assert noise.below(2**63 - 1, 1, Stuck()).tolist() == [2**63 - 2]


def test_wrong_arguments() -> None:
    for sigma in (0, -1, (1 << 24) + 1):
        with pytest.raises(UsageError, match="standard deviation"):
            noise.discrete_gaussian(sigma, 1, Rng(1))
    with pytest.raises(UsageError, match="32 bytes"):
        noise.SecretWords(b"short")
    assert len(noise.discrete_gaussian(5, 0, Rng(1))) == 0
