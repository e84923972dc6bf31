"""A board's clock on the hub's: an offset that no batch can have come before.

A batch that arrives at `a` (hub, ms) with a newest state of board time `b` was under way for
an unknown while, so the offset hub - board is at most a - b.  The least such bound is the
offset.  As the board's crystal may be slow against the hub's, a bound loosens with its age, by
`ppm` millionths: an old minimum cannot hold for ever.

All bounds loosen alike, so one number keeps the least of them, exactly and in any order:
1e6 * (a - b) - ppm * a.
"""

from sil.compat import ticks_add, ticks_diff

_MILLION = 1_000_000
DRIFT_PPM = 100
"""Two crystals of +-50 ppm, which is what modules with an ESP32 have or better."""


class BoardClock:
    """The clock of one life of a board: from a start to the next.

    Args:
        ppm: how much slower than the hub's it may run, in millionths.
    """

    __slots__ = ("_key", "_newest", "ppm")

    def __init__(self, ppm: int = DRIFT_PPM) -> None:
        self.ppm = ppm
        self._key: int | None = None
        self._newest = 0

    @property
    def is_set(self) -> bool:
        """Tell whether a batch was heard."""
        return self._key is not None

    def unwrap(self, time: int) -> int:
        """Return a board's 29-bit time as one that goes on, nearest to what was heard last."""
        if self._key is None:
            return time
        return self._newest + ticks_diff(time, ticks_add(self._newest, 0))

    def hear(self, newest: int, now: int) -> None:
        """Learn from a batch: `newest` is the unwrapped time of its last state."""
        key = _MILLION * (now - newest) - self.ppm * now
        if self._key is None or key < self._key:
            self._key = key
        self._newest = max(self._newest, newest)

    def offset(self, now: int) -> int:
        """Return hub - board in ms, as known at `now`; it only falls by what is heard."""
        assert self._key is not None
        return (self._key + self.ppm * now) // _MILLION
