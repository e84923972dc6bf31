"""Differential privacy of a round: clip each board's update, sum, add noise.

    clip     every decoded update to an L2 norm of at most C, in integers
    sum      with equal weights: one board more or less moves the sum by at most C
    noise    discrete Gaussian of sigma = z C on the integer sum, drawn once a round
    divide   by a fixed denominator: how many boards answered is not told

What it protects a board from is everybody who sees models, not the hub, which sees the
update (`paebiru.federated.secure` hides that).  What follows the noise, master, codes and
deltas, costs nothing more.  What else is published of a round is not covered: who took part,
samples, how often boards were right.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from paebiru.errors import UsageError
from paebiru.federated.accountant import Spend, check_delta, check_epsilon, zcdp_epsilon
from paebiru.federated.noise import (
    MOST_SIGMA,
    SecretWords,
    Source,
    check_sigma,
    discrete_gaussian,
    new_key,
)
from paebiru.rng import Rng

Int64 = NDArray[np.int64]

MOST_CLIP = 1 << 30
PRIVATE_RULE = "mean"
_BLOCK = 8192  # squares of decoded weights (below 2**25) that sum within 63 bits


def clip_updates(updates: Int64, clip: int) -> Int64:
    """Return updates [..., weights], each with an L2 norm of at most `clip`, in its own unit.

    norm = isqrt(sum of squares) + 1; where that is over `clip` every element becomes
    element * clip / norm, towards zero.  Elements stay below 2**25, as decoded codes do.

    Raises:
        UsageError: `clip` is not within 1..2**30, or an element is too large.
    """
    if not 1 <= clip <= MOST_CLIP:
        raise UsageError(f"a clip of {clip} is out of 1..{MOST_CLIP} (16384 is a norm of 1.0)")
    size = np.abs(updates)
    if size.size and int(size.max()) >= 1 << 25:
        raise UsageError("an update has an element of 2**25 or more: no ByteSil code stands for it")
    flat = size.reshape(math.prod(size.shape[:-1]), size.shape[-1])
    norms = _norms(flat).reshape(size.shape[:-1])[..., np.newaxis]
    scaled = size * clip // norms
    return np.where(norms > clip, np.where(updates < 0, -scaled, scaled), updates)


def _norms(rows: Int64) -> Int64:
    """Return isqrt(sum of squares) + 1 of each row; the sums can have more than 64 bits."""
    sums = [0] * len(rows)
    for at in range(0, rows.shape[1], _BLOCK):
        block = rows[:, at : at + _BLOCK]
        for i, value in enumerate(np.einsum("ij,ij->i", block, block)):
            sums[i] += int(value)
    return np.array([math.isqrt(total) + 1 for total in sums], dtype=np.int64)


@dataclass(frozen=True)
class PrivateSum:
    """The mean of a round, made private.  It takes the place of `rules.fedavg_aggregate`.

    Args:
        clip: C, the L2 norm in Q14 above which an update is scaled down.
        noise: sigma, the standard deviation in Q14 of the noise on the sum (z C);
            `accountant.least_sigma` finds it.
        denominator: what the sum is divided by: the boards expected in a round, set before
            the run and never counted from it.
    """

    clip: int
    noise: int
    denominator: int

    def __post_init__(self) -> None:
        check_sigma(self.noise)
        if not 1 <= self.clip <= MOST_CLIP:
            raise UsageError(f"a clip of {self.clip} is out of 1..{MOST_CLIP} (Q14)")
        if self.denominator < 1:
            raise UsageError(f"a denominator of {self.denominator}: give the boards of a round")

    def spend(self, rate: int) -> Spend:
        """Return what one round costs where boards take part at `rate` (see `Spend`)."""
        return Spend(self.noise, self.clip, rate)

    def total(self, updates: Int64, source: Source) -> Int64:
        """Return the noisy sum of updates [..., boards, weights], Q14; boards may be 0."""
        return self.noised(clip_updates(updates, self.clip).sum(axis=-2), source)

    def noised(self, exact: Int64, source: Source) -> Int64:
        """Return a sum, Q14, of updates that were clipped already, with noise.

        For masked sums, whose parts the boards clip: it holds as far as they do.
        """
        noise = discrete_gaussian(self.noise, exact.size, source)
        return np.asarray(exact + noise.reshape(exact.shape), dtype=np.int64)

    def mean(self, updates: Int64, source: Source) -> Int64:
        """Return the private mean of updates [boards, weights], half rounded up, Q14.

        A round without a single update has one as well: its absence would tell.
        """
        return self.divided(self.total(updates, source))

    def divided(self, total: Int64) -> Int64:
        """Return a noisy sum over the denominator, half rounded up."""
        n = self.denominator
        return (2 * total + n) // (2 * n)


def require_private_rule(rule: str) -> None:
    """Refuse to combine privacy with a rule that it is not proved for.

    Raises:
        UsageError: the rule is another than the mean.
    """
    if rule != PRIVATE_RULE:
        raise UsageError(
            f"--rule {rule} cannot be private: robust filters have another sensitivity, the proof"
            " covers clip-and-sum only; take --rule mean, or no privacy"
        )


@dataclass(frozen=True)
class DpConfig:
    """One release: epsilon, delta, and how far one board can move it (L2)."""

    epsilon: float
    delta: float
    sensitivity: float


def dp_config_create(epsilon: float, delta: float, sensitivity: float) -> DpConfig:
    """Return the terms of one release, checked.

    Raises:
        UsageError: epsilon is not above 0, delta not within 0..1, sensitivity not above 0.
    """
    check_epsilon(epsilon)
    check_delta(delta)
    if not 0 < sensitivity < math.inf:
        raise UsageError(f"sensitivity {sensitivity:g} is out of range: give more than 0")
    return DpConfig(epsilon, delta, sensitivity)


def gaussian_noise_scale(config: DpConfig) -> float:
    """Return the standard deviation of the noise for *one* release, in sensitivity's unit.

    Below epsilon 1 it is the classical sqrt(2 ln(1.25 / delta)) sensitivity / epsilon, proved
    there and nowhere else (Dwork and Roth 2014, appendix A).  From 1 on it is the least one
    that zero-concentrated privacy proves for the discrete Gaussian, at every epsilon and in
    every dimension.  The analytic one (Balle and Wang 2018) is about a tenth smaller at the
    deltas in use, but proved for the continuous Gaussian.  Several releases: `Budget`.
    """
    if config.epsilon < 1:
        return math.sqrt(2 * math.log(1.25 / config.delta)) * config.sensitivity / config.epsilon
    low, high = 0.0, 1.0
    while zcdp_epsilon(1 / (2 * high * high), config.delta) > config.epsilon:
        high *= 2
    while high - low > 1e-12 * high:
        middle = (low + high) / 2
        if zcdp_epsilon(1 / (2 * middle * middle), config.delta) > config.epsilon:
            low = middle
        else:
            high = middle
    return high * config.sensitivity


def add_gaussian_noise(model: Int64, sigma: float, seed: int | None = None) -> Int64:
    """Return a model (integers, any unit and shape) with discrete Gaussian noise added.

    Args:
        model: the values; they are not changed.
        sigma: standard deviation in the model's unit; a broken one is rounded up.
        seed: for noise that can be repeated. Who knows it can take the noise off again:
            only without it does the noise protect anything.

    Raises:
        UsageError: sigma is out of range, or the model has no integers.
    """
    if not np.issubdtype(model.dtype, np.integer):
        raise UsageError("noise goes onto integers: give the decoded model in Q14, no floats")
    if not 0 < sigma <= MOST_SIGMA:
        raise UsageError(f"sigma {sigma:g} is out of range: give more than 0, at most {MOST_SIGMA}")
    source: Source = SecretWords(new_key()) if seed is None else Rng(seed, "noise")
    noise = discrete_gaussian(math.ceil(sigma), model.size, source)
    return np.asarray(model.astype(np.int64) + noise.reshape(model.shape), dtype=np.int64)
