"""Discrete Gaussian noise, drawn exactly: integers in, integers out, no float decides anything.

Floats would: noise of a rounded sampler has gaps that tell what it was added to (Mironov
2012).  The method is that of Canonne, Kamath and Steinke ("The discrete Gaussian for
differential privacy", 2020): draw from a discrete Laplace distribution of the same scale,
keep a draw with the probability by which the two differ.  Each coin is a comparison of
random integers.  The distribution's (alpha, alpha * (shift / sigma)**2 / 2) Renyi divergence
is the continuous Gaussian's own, in any dimension, which differences of Poisson draws
(Skellam) reach only nearly; a sum of several draws, for which Skellam is made, is not needed
where one end adds the noise.
"""

import secrets
from hashlib import shake_256
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from paebiru.errors import UsageError

Int64 = NDArray[np.int64]
Bits = NDArray[np.bool_]
Words64 = NDArray[np.uint64]

MOST_SIGMA = 1 << 24
KEY_SIZE = 32
# Beyond it a square would leave 63 bits; the chance of a draw so far out is below e**-180.
_FARTHEST = 3_037_000_499


class Source(Protocol):
    """Where random bits come from: `paebiru.rng.Rng` (repeatable) or `SecretWords`."""

    def words(self, n: int) -> Words64:
        """Return the next `n` words of 64 random bits."""


class SecretWords:
    """Random bits that follow from a secret key: SHAKE-256 of it and a counter.

    A hub stores the key with the round before it uses it and forgets it behind it: a round
    that is finished after a crash then has the same noise, to the bit.  Fresh noise for a
    sum of which somebody has seen another noisy form would be a second release.
    """

    def __init__(self, key: bytes):
        if len(key) != KEY_SIZE:
            raise UsageError(f"a key of noise has {KEY_SIZE} bytes, not {len(key)}: take new_key()")
        self._key = key
        self._count = 0

    def words(self, n: int) -> Words64:
        """Return the next `n` words of 64 random bits."""
        stream = shake_256(b"paebiru noise 1 " + self._key + self._count.to_bytes(8, "little"))
        self._count += 1
        return np.frombuffer(stream.digest(8 * n), dtype="<u8").astype(np.uint64)


def new_key() -> bytes:
    """Return a key for `SecretWords` from the operating system's randomness."""
    return secrets.token_bytes(KEY_SIZE)


def discrete_gaussian(sigma: int, n: int, source: Source) -> Int64:
    """Return `n` integers, each x with a probability proportional to exp(-x**2 / (2 sigma**2)).

    Raises:
        UsageError: `sigma` is not within 1..2**24.
    """
    check_sigma(sigma)
    found: list[Int64] = []
    missing = n
    while missing > 0:
        # About 0.76 of the draws are kept.
        draws = discrete_laplace(sigma, missing + missing // 3 + 16, source)
        off = np.abs(draws) - sigma
        if len(off) and int(np.abs(off).max()) > _FARTHEST:
            raise ArithmeticError("a draw beyond 180 standard deviations: the source is broken")
        kept = draws[_coin_exp(off * off, 2 * sigma * sigma, source)][:missing]
        found.append(kept)
        missing -= len(kept)
    return np.concatenate(found) if found else np.zeros(0, dtype=np.int64)


def check_sigma(sigma: int) -> None:
    """Refuse a standard deviation that cannot be drawn exactly.

    Raises:
        UsageError: it is not within 1..2**24 (1024.0 in Q14).
    """
    if not 1 <= sigma <= MOST_SIGMA:
        raise UsageError(
            f"noise of a standard deviation of {sigma} cannot be drawn: take 1 to {MOST_SIGMA}"
            " (in steps of 2**-14), by another clip or budget"
        )


def discrete_laplace(scale: int, n: int, source: Source) -> Int64:
    """Return `n` integers, each x with a probability proportional to exp(-abs(x) / scale)."""
    found: list[Int64] = []
    missing = n
    while missing > 0:
        low = below(scale, 2 * missing + 16, source)
        low = low[_coin_exp(low, scale, source)]
        size = low + scale * _geometric(len(low), source)
        negative = below(2, len(size), source) == 1
        # -0 is 0 once more, so it is drawn again.
        signed = np.where(negative, -size, size)[~(negative & (size == 0))][:missing]
        found.append(signed)
        missing -= len(signed)
    return np.concatenate(found) if found else np.zeros(0, dtype=np.int64)


def below(n: int, count: int, source: Source) -> Int64:
    """Return `count` integers of 0..n-1, 1 <= n < 2**63, all exactly as likely."""
    last = (1 << 64) - (1 << 64) % n - 1  # of the longest run of words that n divides
    words = source.words(count)
    wrong = np.flatnonzero(words > np.uint64(last))
    while len(wrong):
        words[wrong] = source.words(len(wrong))
        wrong = wrong[words[wrong] > np.uint64(last)]
    return (words % np.uint64(n)).astype(np.int64)


def _geometric(count: int, source: Source) -> Int64:
    """Return how often in a row a coin of probability 1/e says yes, `count` times."""
    runs = np.zeros(count, dtype=np.int64)
    going = np.arange(count)
    while len(going):
        going = going[_coin_exp_small(np.ones(len(going), dtype=np.int64), 1, source)]
        runs[going] += 1
    return runs


def _coin_exp(numerator: Int64, denominator: int, source: Source) -> Bits:
    """Return coins that say yes with probability exp(-numerator / denominator)."""
    whole = numerator // denominator
    said: Bits = whole == 0
    large = np.flatnonzero(~said)
    said[large] = _geometric(len(large), source) >= whole[large]  # e**-whole
    going = np.flatnonzero(said)
    rest = numerator[going] - whole[going] * denominator
    said[going] = _coin_exp_small(rest, denominator, source)
    return said


def _coin_exp_small(numerator: Int64, denominator: int, source: Source) -> Bits:
    """Return such coins where the fraction is within 0..1 (algorithm 1 of the paper).

    Coins of probability g/1, g/2, g/3 ... are thrown until the first no; that it is at an odd
    place has probability 1 - g + g**2/2! - ... = e**-g.
    """
    said = np.zeros(len(numerator), dtype=np.bool_)
    going = np.arange(len(numerator))
    place = 1
    while len(going):
        yes = below(denominator * place, len(going), source) < numerator[going]
        said[going[~yes]] = place % 2 == 1
        going = going[yes]
        place += 1
    return said
