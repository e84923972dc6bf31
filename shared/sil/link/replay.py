"""Which counters a receiver still takes: each one once.

On a line that keeps order a counter must exceed the last one.  Datagrams
overtake each other, so there the last 64 counters are remembered one by one.
"""

from ..compat import const

_WIDTH = const(64)


class ReplayWindow:
    """Accept every counter at most once, in 8 bytes."""

    def __init__(self, in_order: bool) -> None:
        self.newest = 0  # counters start at 1
        self._in_order = in_order
        self._seen = bytearray(_WIDTH // 8)  # bit (counter % 64)

    def reset(self) -> None:
        """Start a new session."""
        self.newest = 0
        for i in range(_WIDTH // 8):
            self._seen[i] = 0

    def is_fresh(self, counter: int) -> bool:
        """Tell whether ``counter`` would be accepted (asked before the MAC is checked)."""
        if counter > self.newest:
            return True
        if self._in_order or counter <= 0 or self.newest - counter >= _WIDTH:
            return False
        return not self._seen[(counter & 63) >> 3] & (1 << (counter & 7))

    def accept(self, counter: int) -> None:
        """Remember ``counter``, whose frame was fresh and authentic."""
        if counter > self.newest:
            skipped = min(counter - self.newest, _WIDTH)
            for i in range(1, skipped + 1):
                self._mark(self.newest + i, 0)
            self.newest = counter
        self._mark(counter, 1)

    def _mark(self, counter: int, seen: int) -> None:
        i = (counter & 63) >> 3
        bit = 1 << (counter & 7)
        self._seen[i] = (self._seen[i] & ~bit) | (bit if seen else 0)
