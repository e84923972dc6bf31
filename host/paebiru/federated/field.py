"""Shamir's shares over GF(2**8), AES's field: joined by the hub, dealt by the boards."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

_MODULUS = 0x11B


def _tables() -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Return the powers of 3, twice around, and the logs to it."""
    powers = np.zeros(510, dtype=np.uint8)
    logs = np.zeros(256, dtype=np.int64)
    value = 1
    for k in range(255):
        powers[k] = powers[k + 255] = value
        logs[value] = k
        doubled = value << 1
        value ^= doubled ^ (_MODULUS if doubled & 256 else 0)  # times 3
    return powers, logs


_POWERS, _LOGS = _tables()


def times(values: NDArray[np.uint8], factor: int) -> NDArray[np.uint8]:
    """Return each of `values` times `factor`."""
    if factor == 0:
        return np.zeros_like(values)
    return np.where(values == 0, np.uint8(0), _POWERS[_LOGS[values] + _LOGS[factor]])


def at_zero(shares: Mapping[int, bytes]) -> bytes:
    """Return the polynomials' values at 0 from as many of their values as they have coefficients.

    Args:
        shares: by where each was taken, 1..255; one byte for each polynomial.
    """
    total: NDArray[np.uint8] | None = None
    for x, share in shares.items():
        power = 0
        for other in shares:
            if other != x:  # other / (other - x), and minus is plus
                power += int(_LOGS[other]) - int(_LOGS[other ^ x])
        part = times(np.frombuffer(share, dtype=np.uint8), int(_POWERS[power % 255]))
        total = part if total is None else total ^ part
    return b"" if total is None else total.tobytes()
