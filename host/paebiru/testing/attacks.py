"""What boards that lie send: pure functions, to try a rule of aggregation on.

Updates are codes [boards, weights].  An attack is told what the honest boards send in the round
and what the liars would have sent if they had been honest, and returns what they send instead.
The same arguments give the same bytes.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from paebiru.federated.ranges import Codes, Int64
from paebiru.federated.rules import decoded, encoded
from sil.bytesil import MAX

Labels = NDArray[np.uint8]
Attack = Callable[[Codes, Codes, int], Codes]
"""(honest [boards, weights], own [liars, weights], seed) -> [liars, weights]."""


def sign_flip(honest: Codes, own: Codes, seed: int = 0, times: int = 4) -> Codes:
    """Return the liars' own updates the other way round, `times` as long."""
    return encoded(-times * decoded(own))


def gaussian(honest: Codes, own: Codes, seed: int = 0, times: int = 10) -> Codes:
    """Return noise, `times` as strong as the liars' own updates (by their root mean square)."""
    noise = np.random.default_rng(seed).standard_normal(own.shape)
    spread = np.sqrt(np.mean(decoded(own).astype(np.float64) ** 2, axis=1, keepdims=True))
    return encoded(_whole(times * spread * noise))


def saturate(honest: Codes, own: Codes, seed: int = 0) -> Codes:
    """Return the largest code there is, for every weight."""
    return np.full_like(own, MAX)


def alie(honest: Codes, own: Codes, seed: int = 0, z: float = 1.5) -> Codes:
    """Return "a little is enough": the honest mean, off by z standard deviations of each weight.

    Small enough to pass for honest, and all liars pull alike (Baruch et al. 2019).
    """
    values = decoded(honest).astype(np.float64)
    return _repeated(values.mean(axis=0) - z * values.std(axis=0), own)


def ipm(honest: Codes, own: Codes, seed: int = 0, part: float = 0.5) -> Codes:
    """Return "inner product manipulation": the honest mean, backwards, `part` as long.

    It hides near 0, among short honest updates (Xie et al. 2019).
    """
    return _repeated(-part * decoded(honest).astype(np.float64).mean(axis=0), own)


def flipped_labels(y: Labels, classes: int) -> Labels:
    """Return labels with class c called classes - 1 - c: an attack by data, honestly trained."""
    return (classes - 1 - y.astype(np.int64)).astype(np.uint8)


ATTACKS: dict[str, Attack] = {
    "sign flip": sign_flip,
    "Gaussian": gaussian,
    "saturate": saturate,
    "ALIE": alie,
    "IPM": ipm,
}
"""Those that change updates; `flipped_labels` is the sixth."""


def _whole(values: NDArray[np.float64]) -> Int64:
    return np.rint(values).astype(np.int64)


def _repeated(value: NDArray[np.float64], own: Codes) -> Codes:
    return np.tile(encoded(_whole(value)), (len(own), 1))
