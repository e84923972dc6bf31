"""One byte of several: what a place perceives in a layer that more than one of its boards has.

Three rules, each integer and blind to the order of the readings:

* mean: the complex mean.  Strong readings count more than weak ones, opposite ones cancel.
* strongest: the greatest rho; among equals the greatest theta.
* newest: the latest time stamp; among equals the strongest.

NULL readings are no readings.  Where there are readings the result is never NULL.
"""

from collections.abc import Sequence
from math import isqrt
from typing import Literal, NamedTuple

from sil import bytesil

Rule = Literal["mean", "strongest", "newest"]
RULES: tuple[Rule, ...] = ("mean", "strongest", "newest")
ONE = 32768
"""Full agreement, Q15."""
_LEAST = 0x10  # the weakest byte that is not NULL: readings that cancel are not none


class Reading(NamedTuple):
    """A byte and its time stamp, ms."""

    stamp: int
    byte: int


class Merged(NamedTuple):
    """A layer of a place; `agreement` is |sum z| / sum |z|, Q15, 0 where nothing was read."""

    byte: int
    agreement: int
    boards: int


def merge(readings: Sequence[Reading], rule: Rule = "mean") -> Merged:
    """Return the layer's byte by `rule`, how much the readings agree, and how many they were."""
    there = [r for r in readings if r.byte != bytesil.NULL]
    if not there:
        return Merged(bytesil.NULL, 0, 0)
    values = [r.byte for r in there]
    re, im, size, top = _sums(values)
    agreement = min(isqrt(re * re + im * im) * ONE // size, ONE)
    if len(set(values)) == 1:
        return Merged(values[0], ONE, len(values))
    if rule == "strongest":
        byte = max(values)
    elif rule == "newest":
        byte = max(there).byte
    else:
        n = len(values)
        mean = bytesil.from_complex(_rounded(re, n), _rounded(im, n))
        byte = bytesil.make(bytesil.rho(mean) + top, mean) if mean else _LEAST
    return Merged(byte or _LEAST, agreement, len(values))


def _sums(values: list[int]) -> tuple[int, int, int, int]:
    """Return the sums of re, im and |z| of `values` over e**top, Q14, and the greatest rho, top.

    Relative to the strongest, so that weak readings keep their phase; what is over e**8 weaker
    than that does not count.
    """
    top = max(map(bytesil.rho, values))
    scaled = [bytesil.make(bytesil.rho(b) - top, b) for b in values if bytesil.rho(b) - top >= -8]
    re = sum(map(bytesil.real, scaled))
    im = sum(map(bytesil.imag, scaled))
    return re, im, sum(map(bytesil.magnitude, scaled)), top


def _rounded(total: int, n: int) -> int:
    """Return total / n, half away from zero: turning all readings turns their mean."""
    half = (2 * abs(total) + n) // (2 * n)
    return half if total >= 0 else -half
