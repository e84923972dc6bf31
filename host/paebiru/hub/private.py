"""Rounds whose mean is private: clipped updates, equal weights, noise, and a budget that ends.

What is protected is a board with all of its samples, from whoever sees the models and not from
the hub itself.  Every board counts as taking part in every round: a sample of boards that is not
secret costs as much.  A round costs what its noise and clip were, which the journal has; also
one in which no board answered, and one that failed: its noise decided that.
"""

import json
import math
from collections.abc import Iterable
from typing import Any

from paebiru.errors import UsageError
from paebiru.federated.accountant import RATE_ONE, BudgetSpent, Spend, epsilon, least_sigma
from paebiru.federated.noise import SecretWords
from paebiru.federated.privacy import PrivateSum
from paebiru.federated.rounds import Combine, Federation
from paebiru.federated.rules import Codes, Int64, decoded
from paebiru.federated.sums import Average
from paebiru.store import RoundRow

_ONE = 1 << 14
_BOARDS = 4  # Q14 of one step of the boards' clip, which is Q12
_PROMISED = ("rule", "liars", "noise", "clip")


class Private:
    """The privacy of a run.

    Args:
        limit: epsilon granted for all rounds.
        delta: the chance at which even that may fail.
        clip: L2 norm above which an update is scaled down.
        boards: of a round; the sum is divided by this, however many answer.
        rounds: for which the budget is to last.
        secure: the boards clip, in Q12: the noise is for a clip that they can keep to.

    Raises:
        UsageError: a value is none, or no noise is enough.
    """

    def __init__(
        self, limit: float, delta: float, clip: float, boards: int, rounds: int,
        *, secure: bool = False,
    ) -> None:  # fmt: skip
        if not 0 < clip <= 64:
            raise UsageError(f"--clip {clip:g}: give more than 0 and at most 64, as 0.5")
        if boards < 2:
            raise UsageError("--epsilon needs --boards 2 or more: one board cannot hide in a sum")
        if not 0 < delta < 1 / boards:
            raise UsageError(f"--delta {delta:g}: give less than 1 / --boards, as 1e-3")
        norm = max(1, math.floor(clip * _ONE))
        if secure:
            norm -= norm % _BOARDS
            if not norm:  # 0 is no clip at all on boards, and nothing would bound an update
                raise UsageError(
                    f"--clip {clip:g} is less than boards can clip to: give {_BOARDS / _ONE:g} or"
                    " more with --secure"
                )
        self.limit = limit
        self.delta = delta
        self.sum = PrivateSum(norm, least_sigma(norm, limit, delta, rounds), boards)
        self._spends: dict[int, Spend] = {}

    @property
    def settings(self) -> dict[str, Any]:
        """What the journal is to have of each round."""
        return {
            "epsilon": self.limit, "delta": self.delta, "noise": self.sum.noise,
            "clip": self.sum.clip,
        }  # fmt: skip

    def recall(self, rows: Iterable[RoundRow]) -> None:
        """Count the rounds that were held before.

        Raises:
            UsageError: one was held without noise.
        """
        for row in rows:
            held = json.loads(row.settings)
            if "noise" not in held:
                raise UsageError(
                    f"round {row.number} was held without --epsilon: what its model tells cannot be"
                    " taken back; begin a private run in another --dir"
                )
            if row.result is not None:
                self._spends[row.number] = Spend(held["noise"], held["clip"], RATE_ONE)

    def after(self, number: int) -> float:
        """Return the epsilon of all rounds held, and of round `number`."""
        spends = {number: self.sum.spend(RATE_ONE), **self._spends}
        return epsilon(list(spends.values()), self.delta)

    def terms(self) -> dict[str, float]:
        """Return what is told of the privacy before the rounds begin; clip and noise as 1.0."""
        spent = epsilon(list(self._spends.values()), self.delta) if self._spends else 0.0
        return {
            "epsilon": self.limit, "delta": self.delta, "clip": self.sum.clip / _ONE,
            "noise": round(self.sum.noise / _ONE, 4), "spent": round(spent, 3),
        }  # fmt: skip

    def told(self, number: int) -> float:
        """Return the same to three places, and no less than it is."""
        return math.ceil(1000 * self.after(number)) / 1000

    def over(self, number: int) -> str:
        """Return why round `number` may not be held; empty: it may."""
        cost = self.after(number)
        if cost <= self.limit:
            return ""
        return (
            f"the privacy budget is spent: round {number} would make epsilon {cost:.3f} of"
            f" {self.limit:g} granted"
        )

    def combine(self, federation: Federation) -> Combine:
        """Return what makes the update of a federation's rounds.

        It raises `BudgetSpent` where a round was opened all the same that may not be held.
        """

        def mean(frames: Codes, samples: Int64) -> Int64:
            self._pay(federation.number)
            return self.sum.mean(decoded(frames), SecretWords(federation.secret))

        return mean

    def average(self, federation: Federation) -> Average:
        """Return what makes the update of masked sums, whose parts the boards have clipped.

        It raises as `combine` does.  How many boards are in the sums is not told.
        """

        def mean(total: Int64, boards: int) -> Int64:
            self._pay(federation.number)
            return self.sum.divided(self.sum.noised(total, SecretWords(federation.secret)))

        return mean

    @property
    def clip_q12(self) -> int:
        """What boards are told to clip their parts of masked sums to."""
        return self.sum.clip // _BOARDS

    def _pay(self, number: int) -> None:
        if why := self.over(number):
            raise BudgetSpent(f"{why}; end the run here")
        self._spends[number] = self.sum.spend(RATE_ONE)


def check_resumed(rows: Iterable[RoundRow], settings: dict[str, Any]) -> None:
    """Hold a run that goes on to what was promised of its rounds.

    Raises:
        UsageError: rounds were private and the next would not be; or the one that is not over
            was begun by another rule, or with other noise.
    """
    for row in rows:
        held = json.loads(row.settings)
        if "noise" in held and "noise" not in settings:
            raise UsageError(
                f"round {row.number} was private, with --epsilon {held['epsilon']:g}: go on with"
                " --epsilon, or begin in another --dir"
            )
        if not row.is_unpublished():
            continue
        for name in _PROMISED:
            if name in held and held[name] != settings.get(name):
                raise UsageError(
                    f"round {row.number} is not over, and was begun with {_said(held)}:"
                    " --resume with the same until it is"
                )


def _said(held: dict[str, Any]) -> str:
    """Return the options that a round was begun with, as they are given."""
    said = f"--rule {held['rule']} --liars {held['liars']}"
    if "noise" in held:
        said += (
            f" --epsilon {held['epsilon']:g} --delta {held['delta']:g}"
            f" --clip {held['clip'] / _ONE:.17g} --boards {held['boards']}"
            f" --rounds {held['rounds']}"
        )
    return said
