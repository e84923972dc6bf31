"""Layer 6: what a place does, by its rules.

A rule goes on when its conditions hold.  It goes off when they do not hold even with its slack
(hysteresis), and not before its hold is over.  The first rule of the table that is on decides;
so what must not wait stands first, for a rule that is kept on only by its hold gives way to it.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from paebiru.fusion.forms import Rule, When
from sil import bytesil


@dataclass(frozen=True)
class Test:
    """A condition, with its class as a number; -1 for any."""

    when: When
    found: int

    def holds(self, raw: bytes, found: int, slack: int) -> bool:
        """Tell whether it is fulfilled by a state whose layer 5 is the class `found`."""
        byte = raw[self.when.layer]
        if byte == bytesil.NULL:
            return self.when.missing
        if self.when.missing or (self.found >= 0 and self.found != found):
            return False
        if self.when.theta and bytesil.phase(byte) not in self.when.theta:
            return False
        return self.when.rho_min - slack <= bytesil.rho(byte) <= self.when.rho_max + slack


class Psychomotor:
    """The rules of a place at work.

    Args:
        rules: in the order of their rank, each with its tests.
        rest: the byte while no rule is on.
    """

    def __init__(self, rules: Sequence[tuple[Rule, Sequence[Test]]], rest: int) -> None:
        self._rules = rules
        self._rest = rest
        self._since: dict[str, int] = {}  # rules that are on: since which tick

    @property
    def acts(self) -> bool:
        """Tell whether there are rules at all."""
        return bool(self._rules)

    def decide(self, raw: bytes, found: int, tick: int) -> tuple[int, str]:
        """Return layer 6 and the name of the rule that decided it, empty for none."""
        chosen: Rule | None = None
        for rule, tests in self._rules:
            since = self._since.get(rule.name)
            slack = 0 if since is None else rule.slack
            if all(test.holds(raw, found, slack) for test in tests):
                self._since.setdefault(rule.name, tick)
            elif since is not None and tick - since >= rule.hold_ms:
                del self._since[rule.name]
            if chosen is None and rule.name in self._since:
                chosen = rule
        return (chosen.then.byte, chosen.name) if chosen else (self._rest, "")
