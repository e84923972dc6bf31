"""How much privacy the rounds of a run have cost, and a budget that stops the run.

What is protected is a board: with all of its samples, in every round.  The guarantee is
(epsilon, delta)-differential privacy of everything that is published, against adding or
removing one board, for sums whose noise `paebiru.federated.noise` draws.

Where every board may take part in every round, a round costs rho = (clip / sigma)**2 / 2 of
zero-concentrated privacy; that adds up, and is turned into epsilon by Canonne, Kamath and
Steinke ("The discrete Gaussian for differential privacy", 2020, corollary 13).  Where each
round draws each board by a coin of its own (Poisson sampling), dp-accounting counts.
It does so for the continuous Gaussian.  At whole orders k both cost the same, as for whole
shifts s the mean of exp(k s x / sigma**2) is exp(k**2 s**2 / 2 sigma**2) under both; at
broken orders that is not proved, so `ORDERS` are whole.  It makes epsilon 1 % larger.
"""

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass

from paebiru.errors import UsageError
from paebiru.federated.noise import MOST_SIGMA, check_sigma

RATE_ONE = 10000  # a sampling rate of 1, in parts of ten thousand
ORDERS: tuple[float, ...] = (*range(2, 65), 80, 96, 128, 192, 256, 512, 1024)
_VERSION = 1
_GOLDEN = (math.sqrt(5) - 1) / 2


@dataclass(frozen=True)
class Spend:
    """Rounds of one kind: noise of standard deviation `sigma` on a sum of parts up to `clip`.

    `rate` is the chance of a board to be in a round, in parts of 10000, decided by a coin for
    each board and round that nobody sees.  Any other way to choose boards counts as 10000.
    """

    sigma: int
    clip: int
    rate: int = RATE_ONE
    rounds: int = 1

    def check(self) -> "Spend":
        """Return the spend itself.

        Raises:
            UsageError: a field is outside of its domain.
        """
        check_sigma(self.sigma)
        if self.clip < 1:
            raise UsageError(f"a clip of {self.clip} lets nothing through: give 1 or more (Q14)")
        if not 1 <= self.rate <= RATE_ONE:
            raise UsageError(f"a sampling rate of {self.rate} is no part of {RATE_ONE}")
        if self.rounds < 1:
            raise UsageError(f"{self.rounds} rounds cost nothing: give 1 or more")
        return self


def zcdp_epsilon(rho: float, delta: float) -> float:
    """Return the epsilon at `delta` of rho zero-concentrated privacy: the least over all orders."""

    def bound(log_less_one: float) -> float:
        less_one = math.exp(log_less_one)  # the order, less 1
        order = 1 + less_one
        shrink = log_less_one - math.log(order)  # ln(1 - 1/order)
        return order * rho + shrink - math.log(delta * order) / less_one

    # Each order gives a valid epsilon; the best is found by golden section.
    low, high = -20.0, 30.0
    while high - low > 1e-9:
        step = _GOLDEN * (high - low)
        if bound(high - step) < bound(low + step):
            high = low + step
        else:
            low = high - step
    return max(0.0, bound((low + high) / 2))


def epsilon(spends: Sequence[Spend], delta: float, orders: Sequence[float] = ORDERS) -> float:
    """Return the epsilon at `delta` of all rounds together.

    Raises:
        UsageError: boards were sampled, and dp-accounting is not installed.
    """
    check_delta(delta)
    if all(spend.rate == RATE_ONE for spend in spends):
        rho = sum(s.rounds * (s.clip / s.sigma) ** 2 / 2 for s in spends)
        return zcdp_epsilon(rho, delta)
    return _sampled_epsilon(spends, delta, orders)


def _sampled_epsilon(spends: Sequence[Spend], delta: float, orders: Sequence[float]) -> float:
    try:  # here, since it takes seconds and SciPy, which most runs do without
        import dp_accounting
        from dp_accounting import rdp
    except ImportError as error:
        raise UsageError(
            "privacy of sampled boards is counted by dp-accounting, which is missing here:"
            ' pip install "paebiru[privacy]", or let every board into every round'
        ) from error
    accountant = rdp.RdpAccountant(list(orders))
    for spend in spends:
        event = dp_accounting.GaussianDpEvent(spend.sigma / spend.clip)
        if spend.rate < RATE_ONE:
            event = dp_accounting.PoissonSampledDpEvent(spend.rate / RATE_ONE, event)
        accountant.compose(event, spend.rounds)
    return float(accountant.get_epsilon(delta))


def check_delta(delta: float) -> None:
    """Refuse a delta that promises nothing.

    Raises:
        UsageError: it is not within 0..1, both excluded.
    """
    if not 0 < delta < 1:
        raise UsageError(
            f"delta {delta:g} is no chance: give more than 0 and less than 1,"
            " best below 1 / number of boards (0.001)"
        )


def least_sigma(clip: int, target: float, delta: float, rounds: int, rate: int = RATE_ONE) -> int:
    """Return the least noise by which `rounds` rounds stay within epsilon `target` at `delta`.

    Raises:
        UsageError: no noise that can be drawn is enough.
    """
    check_epsilon(target)
    low, high = 1, MOST_SIGMA
    if epsilon([Spend(high, clip, rate, rounds).check()], delta) > target:
        raise UsageError(
            f"no noise keeps {rounds} rounds of clip {clip} within epsilon {target:g}:"
            " take fewer rounds, a smaller clip or a larger epsilon"
        )
    while low < high:
        middle = (low + high) // 2
        if epsilon([Spend(middle, clip, rate, rounds)], delta) <= target:
            high = middle
        else:
            low = middle + 1
    return low


def check_epsilon(value: float) -> None:
    """Refuse an epsilon that is none.

    Raises:
        UsageError: it is not above 0, or is infinite.
    """
    if not 0 < value < math.inf:
        raise UsageError(f"epsilon {value:g} is out of range: give more than 0, as 2, 4 or 8")


class BudgetSpent(UsageError):
    """The next round would cost more privacy than was granted; it was not counted."""


class Budget:
    """What may be spent, and what was.

    `spend` comes before a round's noisy sum is shown to anybody, and its `state` is durable
    by then: a sum that was shown and forgotten is the one mistake that cannot be mended.

    Args:
        limit: epsilon granted for the whole run.
        delta: the chance at which even that may fail; below 1 / number of boards.
    """

    def __init__(self, limit: float, delta: float):
        check_epsilon(limit)
        check_delta(delta)
        self.limit = float(limit)
        self.delta = float(delta)
        self.spends: list[Spend] = []
        self.epsilon = 0.0
        """Spent so far."""

    @property
    def rounds(self) -> int:
        """How many rounds were counted."""
        return sum(spend.rounds for spend in self.spends)

    def after(self, spend: Spend) -> float:
        """Return what epsilon would be with these rounds counted too."""
        return epsilon(self._with(spend.check()), self.delta)

    def spend(self, spend: Spend) -> float:
        """Count rounds; return the epsilon so far.

        Raises:
            BudgetSpent: they would cost more than is left; nothing was counted.
        """
        cost = self.after(spend)
        if cost > self.limit:
            raise BudgetSpent(
                f"the privacy budget is spent: after {self.rounds} rounds epsilon is"
                f" {self.epsilon:.3f}, the next would make it {cost:.3f} of {self.limit:g} granted"
                f" (delta {self.delta:g}); end the run here"
            )
        self.spends = self._with(spend)
        self.epsilon = cost
        return cost

    def _with(self, spend: Spend) -> list[Spend]:
        """Return the spends with one more; rounds alike in a row are counted, not listed."""
        if self.spends:
            last = self.spends[-1]
            if (last.sigma, last.clip, last.rate) == (spend.sigma, spend.clip, spend.rate):
                more = Spend(last.sigma, last.clip, last.rate, last.rounds + spend.rounds)
                return [*self.spends[:-1], more]
        return [*self.spends, spend]

    def state(self) -> str:
        """Return everything as JSON, for the store."""
        rows = [[s.sigma, s.clip, s.rate, s.rounds] for s in self.spends]
        fields = {"version": _VERSION, "limit": self.limit, "delta": self.delta, "spends": rows}
        return json.dumps(fields)

    @classmethod
    def restored(cls, state: str) -> "Budget":
        """Return the budget whose `state` this is.

        Raises:
            UsageError: it is none.
        """
        try:
            fields = json.loads(state)
            if fields["version"] != _VERSION:
                raise ValueError(fields["version"])
            budget = cls(float(fields["limit"]), float(fields["delta"]))
            for sigma, clip, rate, rounds in fields["spends"]:
                budget.spends.append(Spend(int(sigma), int(clip), int(rate), int(rounds)).check())
        except (ValueError, KeyError, TypeError) as error:
            raise UsageError(
                f"this is no state of a privacy budget ({error}): take it from a backup of the"
                " store; starting a new one would forget what was spent"
            ) from error
        if budget.spends:
            budget.epsilon = epsilon(budget.spends, budget.delta)
        return budget
