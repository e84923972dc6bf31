"""Layer 7: the slow context of a place, a moving complex mean of all that it perceives.

Each tick gives one complex number, the mean of the layers L0-L4 that are there; a tick without
any leaves the context as it is.  The mean moves by 1/k of the difference a tick, where k is the
time constant in ticks: a step is followed to 1 - 1/e (63 %) after k ticks, for k over 10 within
5 %.  The first k ticks are averaged evenly, so that it begins with what is there.
"""

from sil import bytesil

_FINE = 16  # bits beside Q14: a difference of k/2 units of them still moves the mean
_LEAST = 0x10


class Environmental:
    """The context of a place.

    Args:
        ticks: the time constant, 1 or more.
    """

    def __init__(self, ticks: int) -> None:
        self.ticks = ticks
        self.seen = 0
        """Ticks with something to perceive, at most `ticks`."""
        self._re = 0
        self._im = 0

    def add(self, perception: bytes) -> int:
        """Take a tick's L0-L4; return the byte of layer 7, NULL before the first reading."""
        there = [b for b in perception if b != bytesil.NULL]
        if there:
            self.seen = min(self.seen + 1, self.ticks)
            re = (sum(map(bytesil.real, there)) << _FINE) // len(there)
            im = (sum(map(bytesil.imag, there)) << _FINE) // len(there)
            self._re += _share(re - self._re, self.seen)
            self._im += _share(im - self._im, self.seen)
        return self.byte

    @property
    def byte(self) -> int:
        """The context as it is."""
        if not self.seen:
            return bytesil.NULL
        half = 1 << (_FINE - 1)
        mean = bytesil.from_complex((self._re + half) >> _FINE, (self._im + half) >> _FINE)
        return mean or _LEAST


def _share(difference: int, k: int) -> int:
    """Return difference / k rounded half away from zero."""
    size = (2 * abs(difference) + k) // (2 * k)
    return size if difference >= 0 else -size
