"""Layer 6: what a place does, by its rules, and by what layer 5's model found.

A rule goes on when its conditions hold.  It goes off when they do not hold even with its slack
(hysteresis), and not before its hold is over.  The first rule of the table that is on decides;
so what must not wait stands first, for a rule that is kept on only by its hold gives way to it.

While no rule is on, the class of layer 5 decides, where the place says how classes act.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from paebiru.fusion.forms import Acts, Rule, When
from sil import bytesil, layers

CLASS = "class:"
"""Before a class's name, it is the name of what decided."""


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


class ByClass:
    """What the class of layer 5 does.

    Args:
        form: how sure a class must be, and how long it holds.
        acts: by class, what it is called and its byte of layer 6.
        rest: the byte of the other classes.
    """

    def __init__(self, form: Acts, acts: Mapping[int, tuple[str, int]], rest: int) -> None:
        self._form = form
        self._acts = acts
        self._rest = rest
        self._now = (rest, "")
        self._since: int | None = None  # the tick of the last change

    def decide(self, byte: int, found: int, tick: int) -> tuple[int, str]:
        """Return layer 6 for layer 5's byte and class, and what decided."""
        is_sure = byte == bytesil.NULL or bytesil.rho(byte) >= self._form.rho_min
        is_free = self._since is None or tick - self._since >= self._form.hold_ms
        if is_sure and is_free:
            name, act = self._acts.get(found, ("", self._rest))
            wanted = act, name and CLASS + name
            if wanted != self._now:
                self._now, self._since = wanted, tick
        return self._now


class Psychomotor:
    """Who decides at a place.

    Args:
        rules: in the order of their rank, each with its tests.
        rest: the byte while nothing else is decided.
        by_class: what the classes of layer 5 do, if anything.
    """

    def __init__(
        self,
        rules: Sequence[tuple[Rule, Sequence[Test]]],
        rest: int,
        by_class: ByClass | None = None,
    ) -> None:
        self._rules = rules
        self._rest = rest
        self._by_class = by_class
        self._since: dict[str, int] = {}  # rules that are on: since which tick

    @property
    def acts(self) -> bool:
        """Tell whether anything is ever decided."""
        return bool(self._rules) or self._by_class is not None

    def decide(self, raw: bytes, found: int, tick: int) -> tuple[int, str]:
        """Return layer 6 and the name of what decided it: a rule, `CLASS` and a class, or none."""
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
        by_class = (self._rest, "")
        if self._by_class is not None:  # also while a rule is on: it goes on behind it
            by_class = self._by_class.decide(raw[layers.ELECTRONIC], found, tick)
        return (chosen.then.byte, chosen.name) if chosen else by_class
