"""rho_sil: how complex a vector of ByteSil is, and where to compute on it (SPEC.md section 7).

rho_sil = 0.4*T + 0.3*H + 0.3*V, in Q15 (32768 is 1.0), where T is the share of neighbours
whose |z| differ by more than 0.1, H the Shannon entropy of the bytes over ln n, and V the
variance of |z| capped at 1.  Integers only, within 2**-9 of the float formula.
"""

from array import array

from . import tables
from .compat import Buf
from .errors import RangeError
from .intmath import log2, muldiv
from .kernels import measure as _measure

ONE = 32768
MAX_LENGTH = 1 << 20

ULTRA_LOCAL = 0
LOCAL = 1
NEAR = 2
FAR = 3
HPC = 4

ZONE_NAMES = ("ultra-local", "local", "near", "far", "hpc")
ZONE_LIMITS = (3277, 9830, 16384, 26214)  # 0.1, 0.3, 0.5 and 0.8 in Q15

_GAP = 1638  # 0.1 in Q14


class RhoMeter:
    """rho_sil of everything fed so far, kept by counts: 1 KB however long the stream."""

    def __init__(self) -> None:
        self._counts = array("i", bytes(1024))
        self._magnitudes = tables.magnitudes()
        self._log2 = tables.log2_fractions()
        self.length = 0
        self._changes = 0
        self._last = -1

    def reset(self) -> None:
        """Forget everything fed."""
        counts = self._counts
        i = 0
        while i < 256:
            counts[i] = 0
            i += 1
        self.length = 0
        self._changes = 0
        self._last = -1

    def feed(self, buf: Buf, start: int, end: int) -> int:
        """Count buf[start:end], behind what was fed before; return the length so far.

        Raises:
            RangeError: the range is not in the buffer, or over 2**20 bytes would be counted.
        """
        if not 0 <= start <= end <= len(buf):
            raise RangeError("range %d..%d is outside of %d bytes" % (start, end, len(buf)))
        if self.length + end - start > MAX_LENGTH:
            raise RangeError("a vector longer than 2**20 bytes: reset the meter before")
        if end > start:
            self._changes += _measure.count(
                buf, start, end, self._last, self._magnitudes, _GAP, self._counts
            )
            self._last = buf[end - 1]
            self.length += end - start
        return self.length

    def transitions(self) -> int:
        """Return T, Q15: the share of neighbours whose |z| differ by more than 0.1."""
        return muldiv(ONE, self._changes, self._pairs())

    def entropy(self) -> int:
        """Return H, Q15: the Shannon entropy of the bytes over ln n."""
        self._pairs()
        n = self.length
        # H/ln n = 1 - sum(c log2 c) / (n log2 n); both scaled to fit where n is large.
        down = 0 if n < 8192 else 7
        bits = log2(n)
        whole = ((n >> 10) * bits << (10 - down)) + ((n & 1023) * bits >> down)
        part = _measure.entropy_sum(self._counts, self._log2, down)
        return ONE - muldiv(ONE, part if part < whole else whole, whole)

    def variance(self) -> int:
        """Return V, Q15: the variance of |z|, at most 1."""
        self._pairs()
        return _measure.variance(self._counts, self._magnitudes, self.length)

    def value(self) -> int:
        """Return rho_sil, Q15, 0..32768.

        Raises:
            RangeError: fewer than two bytes were fed.
        """
        return (4 * self.transitions() + 3 * (self.entropy() + self.variance()) + 5) // 10

    def _pairs(self) -> int:
        if self.length < 2:
            raise RangeError("rho_sil needs two bytes or more, not %d" % self.length)
        return self.length - 1


def rho_sil(vector: Buf) -> int:
    """Return rho_sil of a vector of 2 to 2**20 ByteSil, Q15.

    Raises:
        RangeError: another length.
    """
    meter = RhoMeter()
    meter.feed(vector, 0, len(vector))
    return meter.value()


def rho_critical(base: int, cpu: int, mem: int, battery: int) -> int:
    """Return base * (1 - cpu/2) * (1 - 0.3*mem) * clamp(battery, 0.1, 1), all Q15.

    Above it a node should hand its work on: the busier, the fuller, the emptier, the sooner.

    Raises:
        RangeError: an argument is not within 0..32768.
    """
    if not (0 <= base <= ONE and 0 <= cpu <= ONE and 0 <= mem <= ONE and 0 <= battery <= ONE):
        raise RangeError(
            "base %d, cpu %d, mem %d, battery %d: each must be 0..32768 (0.0 to 1.0 in Q15)"
            % (base, cpu, mem, battery)
        )
    if battery < 3277:
        battery = 3277
    free_cpu = ONE - (cpu >> 1)
    free_mem = ONE - (3 * mem + 5) // 10
    # Products of two Q15 reach 2**30 at 1.0 * 1.0: halve one factor first.
    value = base * (free_cpu >> 1) >> 14
    value = value * (free_mem >> 1) >> 14
    return value * (battery >> 1) >> 14


def should_offload(rho: int, critical: int) -> bool:
    """Tell whether work of complexity `rho` should leave a node whose limit is `critical`."""
    return rho > critical


def zone(rho: int) -> int:
    """Return the zone of a complexity, Q15: ULTRA_LOCAL, LOCAL, NEAR, FAR or HPC."""
    z = 0
    while z < 4 and rho >= ZONE_LIMITS[z]:
        z += 1
    return z
