"""Seeded randomness whose values are ours, the same on every machine and for good.

NumPy may change what a `Generator`'s methods return between releases (NEP 19 promises
that for its bit streams alone), and `random` says the same of everything but `random()`.
A split or a partition decides the hash of the model that is trained on it, so every draw
is made here, in integers: SplitMix64 (Steele, Lea, Flood 2014) over a counter, started at
the hash of a key.  Floats never enter, so no mathematical library has a say.
"""

from hashlib import sha256

import numpy as np
import numpy.typing as npt

_GAMMA = 0x9E3779B97F4A7C15


class Rng:
    """A stream of random numbers named by a key, such as ``Rng(seed, "split")``.

    Streams of different keys are independent, so that a new consumer of randomness
    leaves what the others draw as it was.
    """

    def __init__(self, *key: int | str) -> None:
        # repr tells 1 from "1"; the comma keeps (1, 23) apart from (12, 3).
        name = ",".join(map(repr, key)).encode()
        self._state = int.from_bytes(sha256(name).digest()[:8], "little")

    def words(self, n: int) -> npt.NDArray[np.uint64]:
        """Return the next `n` words of 64 random bits."""
        steps = np.arange(1, n + 1, dtype=np.uint64) * np.uint64(_GAMMA)
        z = steps + np.uint64(self._state)
        self._state = (self._state + n * _GAMMA) % (1 << 64)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return z ^ (z >> np.uint64(31))

    def below(self, n: int) -> int:
        """Return an integer of 0..n-1; each is as likely as another up to n / 2**64."""
        return (int(self.words(1)[0]) * n) >> 64

    def permutation(self, n: int) -> npt.NDArray[np.intp]:
        """Return 0..n-1 in random order."""
        return np.argsort(self.words(n), kind="stable")
