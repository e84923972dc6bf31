"""Which rule of aggregation to take: what each needs, withstands and excludes.

`choose` refuses what cannot work and warns of what does not protect; the figures behind the
texts are those of `make bench-robust`.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from paebiru.errors import UsageError
from paebiru.federated import clipping, coordinates, geometric
from paebiru.federated.ranges import BOARDS, Codes, Int64, dec
from paebiru.federated.rules import model_average
from sil.update import SHARE_ONE, SPARSE


@dataclass(frozen=True)
class Rule:
    """One way to make one update of a round's many.

    Args:
        name: as users give it.
        says: what it does, in a line.
        apply: (codes [boards, weights], samples [boards], f) -> Q14 int64 [weights].
        least: f -> the fewest boards that it works with.
        resists: it bounds what f lying boards can do.
        sparse: it may be used where boards send a part of their changes only.
        secure: a sum over boards is all that it needs, so masks may hide the single updates.
        private: it sums clipped updates, each board once: what proofs of privacy are about.
        warning: what a user should know who takes it all the same.
    """

    name: str
    says: str
    apply: Callable[[Codes, Int64, int], Int64]
    least: Callable[[int], int]
    resists: bool = False
    sparse: bool = False
    secure: bool = False
    private: bool = False
    warning: str = ""


@dataclass(frozen=True)
class Setting:
    """What a federation is like, as far as a rule's choice depends on it.

    Args:
        boards: that a round waits for.
        f: how many of them may lie.
        share: of the weights that a board sends, in parts of 10000.
        secure: updates are masked, and the hub sees sums alone.
        private: noise for differential privacy is added.
    """

    boards: int
    f: int = 0
    share: int = SHARE_ONE
    secure: bool = False
    private: bool = False


def _log_mean(updates: Codes, samples: Int64, f: int) -> Int64:
    return dec()[model_average(updates)]


RULES = {
    rule.name: rule
    for rule in (
        Rule(
            "mean",
            "FedAvg: the mean, by samples",
            lambda u, samples, f: coordinates.mean_by_samples(u, samples),
            lambda f: 1,
            sparse=True,
            secure=True,
        ),
        Rule(
            "equal-mean",
            "the mean, every board once",
            lambda u, samples, f: coordinates.equal_mean(u),
            lambda f: 1,
            sparse=True,
            secure=True,
        ),
        Rule(
            "log-mean",
            "the mean of logs with the majority's sign: a geometric mean",
            _log_mean,
            lambda f: 1,
            warning="the mean of logs averages models; of updates it learns worse than mean",
        ),
        Rule(
            "clipped-mean",
            "the mean of updates clipped to the median of their norms, every board once",
            lambda u, samples, f: clipping.clipped_mean(u),
            lambda f: 2 * f + 1,
            resists=True,
            sparse=True,
            private=True,
        ),
        Rule(
            "median",
            "the median of each weight",
            lambda u, samples, f: coordinates.median(u),
            lambda f: 2 * f + 1,
            resists=True,
        ),
        Rule(
            "trimmed-mean",
            "the mean of each weight without its f smallest and f largest",
            lambda u, samples, f: coordinates.trimmed_mean(u, f),
            lambda f: 2 * f + 1,
            resists=True,
        ),
        Rule(
            "krum",
            "the one update nearest to its n - f - 2 neighbours",
            lambda u, samples, f: dec()[geometric.krum_aggregate(u, f)],
            lambda f: 2 * f + 3,
            resists=True,
            warning="krum keeps one update of a round and loses the others: multi-krum learns more",
        ),
        Rule(
            "multi-krum",
            "the mean of the n - f updates that krum rates best",
            lambda u, samples, f: geometric.multi_krum(u, f),
            lambda f: 2 * f + 3,
            resists=True,
            sparse=True,
        ),
        Rule(
            "nnm-trimmed",
            "updates mixed with their n - f nearest, then the trimmed mean",
            lambda u, samples, f: geometric.nnm_trimmed_mean(u, f),
            lambda f: 2 * f + 1,
            resists=True,
            sparse=True,
        ),
    )
}

DEFAULT = "mean"
ROBUST = "nnm-trimmed"
"""What is taken where boards may lie (f above 0)."""


def usual(setting: Setting) -> str:
    """Return the rule that is taken where none is named."""
    return "clipped-mean" if setting.private else ROBUST if setting.f else DEFAULT


def choose(name: str | None, setting: Setting) -> tuple[Rule, list[str]]:
    """Return the rule of that name, or the default, and warnings to show.

    Raises:
        UsageError: the rule is unknown, or cannot do what the setting asks of it.
    """
    if setting.f < 0 or not 1 <= setting.boards <= BOARDS:
        raise UsageError(
            f"{setting.boards} boards of which {setting.f} may lie: give 1 to {BOARDS} boards and"
            " f of 0 or more"
        )
    name = usual(setting) if name is None else name
    if name not in RULES:
        raise UsageError(f"rule {name!r} is unknown: take one of {', '.join(RULES)}")
    rule = RULES[name]
    for refusal in (_boards, _liars, _secure, _private, _sparse):
        refusal(rule, setting)
    return rule, _warnings(rule, setting)


def _boards(rule: Rule, setting: Setting) -> None:
    least, f = rule.least(setting.f), setting.f
    if setting.boards < least:
        raise UsageError(
            f"rule {rule.name} needs {least} boards a round against {f} that lie, not"
            f" {setting.boards}: add boards or lower f"
        )


def _liars(rule: Rule, setting: Setting) -> None:
    if setting.f and not rule.resists:
        raise UsageError(
            f"rule {rule.name} follows a single lying board anywhere, here {setting.f} may lie:"
            f" take {ROBUST}"
        )


def _secure(rule: Rule, setting: Setting) -> None:
    if setting.secure and not rule.secure:
        raise UsageError(
            f"rule {rule.name} looks at single updates, which secure sums hide from the hub:"
            " take mean or equal-mean, or leave secure sums out"
        )


def _private(rule: Rule, setting: Setting) -> None:
    if setting.private and not rule.private:
        raise UsageError(
            f"rule {rule.name} has no proved sensitivity: differential privacy is proved for"
            " clip-and-sum only; take clipped-mean"
        )


def _sparse(rule: Rule, setting: Setting) -> None:
    if setting.share <= SPARSE and not rule.sparse:
        raise UsageError(
            f"rule {rule.name} breaks on sparse updates: most boards send nothing for a weight;"
            " send dense ones (share 1) or take another rule"
        )


def _warnings(rule: Rule, setting: Setting) -> list[str]:
    found = [rule.warning] if rule.warning else []
    if not setting.f:
        return found
    if setting.private:
        found.append(
            "noise and clipping are proved for privacy; against lying boards they only bound what"
            " each can do: do not claim both guarantees of one run"
        )
    found.append(
        "where data differ much by board, boards that imitate the others while they lie cost"
        " points under every rule (make bench-robust)"
    )
    return found


def aggregate(rule: Rule, updates: Codes, samples: Int64, f: int = 0) -> Int64:
    """Return what `rule` makes of a round's updates, Q14, shapes as in `Rule.apply`.

    Raises:
        UsageError: too few updates for f, or none that a rule can take.
    """
    _boards(rule, Setting(len(updates), f))
    return rule.apply(updates, np.asarray(samples, dtype=np.int64), f)
