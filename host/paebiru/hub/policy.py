"""When a round begins, whom it asks, and when it is over."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from paebiru.errors import UsageError
from paebiru.rng import Rng


@dataclass(frozen=True)
class Policy:
    """How rounds are held.

    A round asks a sample of the boards that are there and have samples, more of them than it
    needs (`over`).  It is over as soon as it has as many updates as it wanted, or at the
    deadline with at least `least`; with fewer it goes on waiting, and says so.  Boards that
    answer later are refused: their changes stay with them and come with the next update.
    """

    rounds: int = 60
    boards: int = 1
    """Boards that must be there before a round begins."""
    fraction: float = 1.0
    """Share of the boards there that a round wants updates of."""
    over: float = 0.0
    """Share asked beyond that, for those that do not answer."""
    deadline: float = 120.0
    """Seconds."""
    least: int = 1
    """Updates without which a round is not closed."""

    def check(self) -> "Policy":
        """Return the policy itself.

        Raises:
            UsageError: a value is outside of its domain.
        """
        for name, value, low in (
            ("rounds", self.rounds, 1),
            ("boards", self.boards, 1),
            ("least", self.least, 1),
        ):
            if value < low:
                raise UsageError(f"--{name} {value} is too small: give {low} or more")
        if not 0 < self.fraction <= 1:
            raise UsageError(f"--fraction {self.fraction:g}: give more than 0 and at most 1")
        if not 0 <= self.over <= 10:
            raise UsageError(f"--over {self.over:g}: give 0 to 10 (0.2 asks a fifth more)")
        if not 1 <= self.deadline <= 86400:
            raise UsageError(f"--deadline {self.deadline:g}: give 1 to 86400 seconds")
        if self.least > self.boards:
            raise UsageError(f"--least {self.least} is more than --boards {self.boards}")
        return self

    def wanted(self, there: int) -> int:
        """Return how many updates a round wants when so many boards are there."""
        return max(self.least, math.ceil(there * self.fraction))

    def chosen(self, there: Sequence[bytes], number: int, seed: int) -> frozenset[bytes]:
        """Return whom round `number` asks of the boards there: the same seed, the same ones."""
        count = min(len(there), math.ceil(self.wanted(len(there)) * (1 + self.over)))
        if count == len(there):
            return frozenset(there)
        order = Rng(seed, "choose", number).permutation(len(there))
        return frozenset(there[i] for i in order[:count])
