"""Time that passes only when it is told to."""

from sil.compat import ticks_add


class VirtualClock:
    """Milliseconds since some start, and the 29-bit ticks that boards count."""

    def __init__(self, now: int = 0) -> None:
        self.now = now

    def advance(self, ms: int) -> int:
        """Let ``ms`` pass and return the new time."""
        self.now += ms
        return self.now

    def ticks(self) -> int:
        """Return the time as a board's ticks, which wrap at 2**29."""
        return ticks_add(0, self.now)
