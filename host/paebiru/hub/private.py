"""Rounds whose mean is private: clipped updates, equal weights, noise, and a budget that ends.

What is protected is a board with all of its samples, from whoever sees the models and not from
the hub itself.  Every board counts as taking part in every round: a sample of boards that is not
secret costs as much.
"""

import math

from paebiru.errors import UsageError
from paebiru.federated.accountant import RATE_ONE, BudgetSpent, Spend, epsilon, least_sigma
from paebiru.federated.noise import SecretWords
from paebiru.federated.privacy import PrivateSum
from paebiru.federated.rounds import Combine, Federation
from paebiru.federated.rules import Codes, Int64, decoded

_ONE = 1 << 14


class Private:
    """The privacy of a run.

    Args:
        limit: epsilon granted for all rounds.
        delta: the chance at which even that may fail.
        clip: L2 norm above which an update is scaled down.
        boards: of a round; the sum is divided by this, however many answer.
        rounds: for which the budget is to last.

    Raises:
        UsageError: a value is none, or no noise is enough.
    """

    def __init__(self, limit: float, delta: float, clip: float, boards: int, rounds: int) -> None:
        if not 0 < clip <= 64:
            raise UsageError(f"--clip {clip:g}: give more than 0 and at most 64, as 0.5")
        if boards < 2:
            raise UsageError("--epsilon needs --boards 2 or more: one board cannot hide in a sum")
        if not 0 < delta < 1 / boards:
            raise UsageError(f"--delta {delta:g}: give less than 1 / --boards, as 1e-3")
        norm = max(1, math.floor(clip * _ONE))
        self.limit = limit
        self.delta = delta
        self.sum = PrivateSum(norm, least_sigma(norm, limit, delta, rounds), boards)

    def after(self, rounds: int) -> float:
        """Return the epsilon of so many rounds."""
        spent = Spend(self.sum.noise, self.sum.clip, RATE_ONE, rounds)
        return epsilon([spent], self.delta) if rounds else 0.0

    def combine(self, federation: Federation) -> Combine:
        """Return what makes the update of a federation's rounds; it raises `BudgetSpent`."""

        def mean(frames: Codes, samples: Int64) -> Int64:
            cost = self.after(federation.number)
            if cost > self.limit:
                raise BudgetSpent(
                    f"the privacy budget is spent: round {federation.number} would make epsilon"
                    f" {cost:.3f} of {self.limit:g} granted; end the run here"
                )
            return self.sum.mean(decoded(frames), SecretWords(federation.secret))

        return mean
