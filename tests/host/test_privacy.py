"""Clip, sum, noise: the bound holds for every input, and a canary is not told beyond epsilon."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from paebiru.errors import UsageError
from paebiru.federated import privacy, rules
from paebiru.federated.accountant import Spend, epsilon, least_sigma, zcdp_epsilon
from paebiru.federated.privacy import PrivateSum, clip_updates
from paebiru.rng import Rng

LARGEST = 17_772_769  # of the decoded weights
rounds_of = st.tuples(st.integers(0, 5), st.integers(1, 40)).flatmap(
    lambda shape: arrays.arrays(np.int64, shape, elements=st.integers(-LARGEST, LARGEST))
)
clips = st.one_of(st.integers(1, 300), st.integers(1, privacy.MOST_CLIP))


def square(row: np.ndarray) -> int:
    return sum(int(v) ** 2 for v in row)


@given(rounds_of, clips)
def test_no_update_is_longer_than_the_clip(updates: np.ndarray, clip: int) -> None:
    """||clip(u)|| <= C exactly; signs stay; nothing grows; what is short enough stays whole."""
    clipped = clip_updates(updates, clip)
    for before, after in zip(updates, clipped, strict=True):
        assert square(after) <= clip**2
        assert np.all(np.abs(after) <= np.abs(before))
        assert np.all(after * before >= 0)
        if math.isqrt(square(before)) < clip:
            assert np.array_equal(after, before)


@given(rounds_of, clips)
def test_clipping_is_its_definition(updates: np.ndarray, clip: int) -> None:
    """Element by element, in unbounded integers, truncated towards zero."""
    for before, after in zip(updates, clip_updates(updates, clip), strict=True):
        norm = math.isqrt(square(before)) + 1
        scaled = [abs(int(v)) * clip // norm * (1 if v > 0 else -1) for v in before]
        assert after.tolist() == (scaled if norm > clip else before.tolist())


def test_clipping_the_largest_update_of_the_largest_model() -> None:
    """60000 elements of the largest code: their squares sum to more than 64 bits."""
    updates = np.full((2, 60_000), LARGEST, dtype=np.int64)
    updates[1, ::2] *= -1
    for row in clip_updates(updates, 1 << 30):
        assert (1 << 60) * 99 // 100 < square(row) <= 1 << 60


@given(rounds_of, clips, st.integers(0, 5))
def test_one_board_moves_the_sum_by_at_most_the_clip(
    updates: np.ndarray, clip: int, place: int
) -> None:
    """The same noise on the sums with and without a board: they differ by at most C."""
    if not len(updates):
        return
    private = PrivateSum(clip, 1000, 3)
    without = np.delete(updates, place % len(updates), axis=0)
    moved = private.total(updates, Rng(1)) - private.total(without, Rng(1))
    assert square(moved) <= clip**2


@given(rounds_of, st.integers(1, 9))
def test_without_clip_and_noise_it_is_the_mean(updates: np.ndarray, n: int) -> None:
    """The fixed denominator and rounding are those of fedavg_aggregate; noise is taken off."""
    private = PrivateSum(1 << 30, 1, n)
    noise = private.total(np.zeros_like(updates), Rng(5))
    total = private.total(updates, Rng(5))
    assert np.array_equal(total - noise, updates.sum(axis=0))
    assert np.array_equal(private.mean(updates, Rng(5)), (2 * total + n) // (2 * n))
    if len(updates):
        exact = rules.fedavg_aggregate(updates, np.ones(len(updates), dtype=np.int64))
        own = PrivateSum(1 << 30, 1, len(updates)).mean(updates, Rng(5))
        assert np.all(np.abs(own - exact) <= 8)


def test_an_empty_round_is_noise() -> None:
    empty = np.zeros((0, 500), dtype=np.int64)
    total = PrivateSum(10, 300, 4).total(empty, Rng(2))
    assert 250 < total.std() < 350


# -- the canary: a linear federation of which one board is or is not a member

BOARDS, WEIGHTS, ROUNDS, TRIALS, DELTA = 5, 8, 5, 8000, 1e-2


def attack(noise: int | None, clip: int = 8192, seed: int = 1) -> float:
    """Return the epsilon that the best attacker proves, at 99.9 % confidence.

    A linear regression is trained by `BOARDS` boards; in every second of `TRIALS` runs by the
    canary too, whose sample points elsewhere.  The attacker knows all data and sees every
    model; the likelihood ratio of what each round added is the best test there is.  Its
    threshold is chosen in half of the runs and judged in the other.
    """
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(BOARDS + 1, WEIGHTS))
    y = x @ rng.normal(size=WEIGHTS)
    y[-1] = 40.0  # the canary
    member = np.arange(TRIALS) % 2 == 0
    model = np.zeros((TRIALS, WEIGHTS), dtype=np.int64)  # Q14
    score = np.zeros(TRIALS)
    source = Rng(seed, "canary")
    for _ in range(ROUNDS):
        error = y - (model / 2**14) @ x.T
        updates = np.rint(error[..., None] * x * 0.3 * 2**14).astype(np.int64)
        clipped = clip_updates(updates, clip)
        taken = updates * np.append(np.ones(BOARDS, dtype=np.int64), 0)[:, None]
        taken[member, -1] = updates[member, -1]
        if noise is None:
            total = clip_updates(taken, clip).sum(axis=1)
        else:
            total = PrivateSum(clip, noise, BOARDS).total(taken, source)
        canary = clipped[:, -1].astype(float)
        seen = total - clipped[:, :-1].sum(axis=1) - canary / 2
        score += (seen * canary).sum(axis=1) / clip**2
        model += (2 * total + BOARDS) // (2 * BOARDS)
    half = np.arange(TRIALS) < TRIALS // 2
    limits = np.quantile(score[half], np.linspace(0.005, 0.995, 199))
    best = max(limits, key=lambda limit: proved(score[half], member[half], limit))
    return proved(score[~half], member[~half], best)


def proved(score: np.ndarray, member: np.ndarray, limit: float) -> float:
    """Return the epsilon below which this test's two error rates cannot be (Kairouz 2015)."""
    hits, false = int((score[member] > limit).sum()), int((score[~member] > limit).sum())
    n, m = int(member.sum()), int((~member).sum())
    found = [0.0]
    for more, of_more, less, of_less in ((hits, n, false, m), (m - false, m, n - hits, n)):
        at_least, at_most = clopper_pearson(more, of_more)[0], clopper_pearson(less, of_less)[1]
        if at_least > DELTA:
            found.append(math.log((at_least - DELTA) / at_most))
    return max(found)


def clopper_pearson(hits: int, n: int, alpha: float = 1e-3) -> tuple[float, float]:
    from scipy.stats import beta

    low = float(beta.ppf(alpha / 2, hits, n - hits + 1)) if hits else 0.0
    high = float(beta.ppf(1 - alpha / 2, hits + 1, n - hits)) if hits < n else 1.0
    return low, high


@pytest.mark.parametrize("claimed", [1.0, 2.0, 4.0])
def test_a_canary_is_not_told_beyond_what_epsilon_allows(claimed: float) -> None:
    sigma = least_sigma(8192, claimed, DELTA, ROUNDS)
    assert epsilon([Spend(sigma, 8192, rounds=ROUNDS)], DELTA) <= claimed
    assert 0.1 * claimed < attack(sigma) <= claimed  # it attacks well, and not too well


@pytest.mark.parametrize("claimed", [1.0, 2.0, 4.0])
def test_the_same_attack_sees_a_canary_under_too_little_noise(claimed: float) -> None:
    """A quarter of the noise breaks the claim; none at all tells every member."""
    assert attack(least_sigma(8192, claimed, DELTA, ROUNDS) // 4) > claimed
    assert attack(None) > 5


# -- the original names


def test_the_classical_scale_is_used_where_it_is_proved() -> None:
    config = privacy.dp_config_create(0.5, 1e-5, 3.0)
    assert privacy.gaussian_noise_scale(config) == pytest.approx(
        math.sqrt(2 * math.log(1.25 / 1e-5)) * 3 / 0.5
    )


@given(st.floats(0.01, 60), st.floats(1e-12, 0.3), st.floats(0.01, 1000))
@settings(max_examples=60)
def test_every_scale_keeps_its_promise(eps: float, delta: float, sensitivity: float) -> None:
    """By the discrete Gaussian's own proof, below 1 as well; and by the continuous one's."""
    config = privacy.dp_config_create(eps, delta, sensitivity)
    z = privacy.gaussian_noise_scale(config) / sensitivity
    assert zcdp_epsilon(1 / (2 * z * z), delta) <= eps * (1 + 1e-9)
    if eps >= 1:
        assert zcdp_epsilon(1 / (2 * (0.999 * z) ** 2), delta) > eps


def test_noise_on_a_model() -> None:
    model = np.arange(6000, dtype=np.int64).reshape(2, 3000)
    noisy = privacy.add_gaussian_noise(model, 499.5, seed=3)
    assert noisy.shape == model.shape
    assert 480 < (noisy - model).std() < 520
    assert np.array_equal(noisy, privacy.add_gaussian_noise(model, 500, seed=3))
    assert not np.array_equal(noisy, privacy.add_gaussian_noise(model, 500, seed=4))
    secret = [privacy.add_gaussian_noise(model, 500) for _ in range(2)]
    assert not np.array_equal(*secret)
    assert np.array_equal(model, np.arange(6000).reshape(2, 3000))


def test_wrong_arguments() -> None:
    for bad in ((0, 1e-5, 1), (math.nan, 1e-5, 1), (1, 0, 1), (1, 1, 1), (1, 1e-5, 0)):
        with pytest.raises(UsageError):
            privacy.dp_config_create(*bad)
    model = np.zeros(3, dtype=np.int64)
    for sigma in (0, -1, math.nan, 1e9):
        with pytest.raises(UsageError, match="sigma"):
            privacy.add_gaussian_noise(model, sigma)
    with pytest.raises(UsageError, match="floats"):
        privacy.add_gaussian_noise(np.zeros(3), 5)  # type: ignore[arg-type]
    for fields in ((0, 5, 3), (5, 0, 3), (5, 5, 0), (1 << 31, 5, 3)):
        with pytest.raises(UsageError):
            PrivateSum(*fields)
    with pytest.raises(UsageError, match="clip"):
        clip_updates(np.zeros((1, 3), dtype=np.int64), 0)
    with pytest.raises(UsageError, match=r"2\*\*25"):
        clip_updates(np.full((1, 3), 1 << 25, dtype=np.int64), 5)


@pytest.mark.parametrize("rule", ["krum", "multi-krum", "trimmed", "median", "nnm", "norm-clip"])
def test_robust_rules_are_refused(rule: str) -> None:
    with pytest.raises(UsageError, match="another sensitivity"):
        privacy.require_private_rule(rule)
    privacy.require_private_rule("mean")
