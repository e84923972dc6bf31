"""Privacy is counted as the oracle counts it, never below, and the budget holds."""

import json
import math
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from paebiru.errors import UsageError
from paebiru.federated.accountant import (
    ORDERS,
    RATE_ONE,
    Budget,
    BudgetSpent,
    Spend,
    epsilon,
    least_sigma,
    zcdp_epsilon,
)

DELTA = 1e-5
# dp_accounting.rdp.RdpAccountant's values at its own orders, T = 100.
ORACLE = [(1000, 1, 7.904), (1000, 2, 2.581), (RATE_ONE, 4, 14.132)]


def library_orders() -> list[float]:
    from dp_accounting.rdp import rdp_privacy_accountant

    return list(rdp_privacy_accountant.DEFAULT_RDP_ORDERS)


@pytest.mark.parametrize(("rate", "z", "expected"), ORACLE)
def test_equal_to_the_oracle(rate: int, z: int, expected: float) -> None:
    """At the library's orders its values; at those proved for integers at most 1 % above."""
    spend = [Spend(5000 * z, 5000, rate, 100)]
    ours = epsilon(spend, DELTA)
    if rate < RATE_ONE:
        assert epsilon(spend, DELTA, library_orders()) == pytest.approx(expected, abs=5e-4)
        assert expected - 5e-4 <= ours <= 1.01 * expected
    else:  # all real orders are tried, the library has steps of a tenth
        assert expected - 2e-3 <= ours <= expected + 5e-4


@pytest.mark.parametrize("z", [0.8, 1.5, 4, 9, 30])
@pytest.mark.parametrize("delta", [1e-2, 1e-3, 1e-7])
def test_full_participation_as_the_library_counts_it(z: float, delta: float) -> None:
    import dp_accounting
    from dp_accounting import rdp

    fine = rdp.RdpAccountant([1 + 1.01**k / 50 for k in range(1200)])
    fine.compose(dp_accounting.GaussianDpEvent(z), 20)
    ours = zcdp_epsilon(20 / (2 * z * z), delta)
    assert ours == pytest.approx(fine.get_epsilon(delta), rel=1e-4)


@given(st.floats(1e-6, 100), st.floats(1e-12, 0.5))
def test_epsilon_of_rho_lies_between_known_bounds(rho: float, delta: float) -> None:
    """Below Bun and Steinke's rho + 2 sqrt(rho ln 1/delta); above what no conversion can beat.

    The Gaussian itself has rho: its exact (epsilon, delta) curve (Balle and Wang 2018) is
    the least that is true.
    """
    found = zcdp_epsilon(rho, delta)
    assert 0 <= found <= rho + 2 * math.sqrt(rho * math.log(1 / delta)) + 1e-9
    assert analytic_delta(math.sqrt(1 / (2 * rho)), found) <= delta * (1 + 1e-6) + 1e-13


def analytic_delta(sigma: float, eps: float) -> float:
    def phi(x: float) -> float:
        return math.erfc(-x / math.sqrt(2)) / 2

    right = phi(-1 / (2 * sigma) - eps * sigma)
    return phi(1 / (2 * sigma) - eps * sigma) - (math.exp(eps) * right if right else 0.0)


def test_orders_are_those_that_are_proved() -> None:
    assert all(order == int(order) and order > 1 for order in ORDERS)


def test_kinds_of_rounds_add_up() -> None:
    """Two kinds together cost less than the sum of their epsilons, more than either."""
    first, second = Spend(9000, 3000, rounds=5), Spend(20000, 3000, rounds=9)
    both = epsilon([first, second], DELTA)
    alone = [epsilon([s], DELTA) for s in (first, second)]
    assert max(alone) < both < sum(alone)
    assert epsilon([first], DELTA) < epsilon([first, Spend(9000, 3000, 500, 5)], DELTA) < both + 5
    assert epsilon([], DELTA) == 0


@pytest.mark.parametrize("rate", [RATE_ONE, 2000])
def test_least_sigma_is_the_least(rate: int) -> None:
    sigma = least_sigma(8192, 4, 1e-3, 20, rate)
    assert epsilon([Spend(sigma, 8192, rate, 20)], 1e-3) <= 4
    assert epsilon([Spend(sigma - 1, 8192, rate, 20)], 1e-3) > 4


def test_the_budget_stops_the_run() -> None:
    """Exactly the planned rounds fit; the next is refused, and nothing was counted for it."""
    sigma = least_sigma(8192, 2, 1e-3, 20)
    budget = Budget(2, 1e-3)
    seen = [budget.spend(Spend(sigma, 8192)) for _ in range(20)]
    assert seen == sorted(seen)
    assert seen[-1] == budget.epsilon == pytest.approx(2, abs=1e-3)
    assert seen[0] < 0.6
    before = budget.state()
    for _ in range(2):
        with pytest.raises(BudgetSpent, match=r"after 20 rounds epsilon is 2\.000.* end the run"):
            budget.spend(Spend(sigma, 8192))
    assert budget.state() == before
    assert budget.rounds == 20
    with pytest.raises(BudgetSpent):  # one large spend as well
        Budget(2, 1e-3).spend(Spend(sigma, 8192, rounds=21))


@pytest.mark.parametrize("rate", [RATE_ONE, 3000])
def test_a_restored_budget_goes_on_to_the_bit(rate: int) -> None:
    whole, part = Budget(50, 1e-4), Budget(50, 1e-4)
    spends = [Spend(9000 + 1000 * (k // 2), 4000, rate) for k in range(5)]
    for spend in spends:
        whole.spend(spend)
        part = Budget.restored(part.state())
        part.spend(spend)
    assert part.epsilon == whole.epsilon == Budget.restored(whole.state()).epsilon
    assert part.state() == whole.state()
    assert len(json.loads(whole.state())["spends"]) == 3  # rounds alike are one row


@pytest.mark.parametrize(
    "state",
    ["", "{}", "[]", '{"version": 2, "limit": 1, "delta": 0.1, "spends": []}',
     '{"version": 1, "limit": 1, "delta": 0.1, "spends": [[1, 2]]}',
     '{"version": 1, "limit": 1, "delta": 0.1, "spends": [[0, 2, 1, 1]]}'],
)  # fmt: skip
def test_a_damaged_state_is_no_new_budget(state: str) -> None:
    with pytest.raises(UsageError):
        Budget.restored(state)


def test_without_the_library(monkeypatch: pytest.MonkeyPatch) -> None:
    """Sampling needs it, and says so; full participation does without."""
    monkeypatch.setitem(sys.modules, "dp_accounting", None)
    with pytest.raises(UsageError, match=r"paebiru\[privacy\]"):
        epsilon([Spend(9000, 3000, 500)], DELTA)
    assert Budget(3, 1e-3).spend(Spend(30000, 3000)) < 1


def test_wrong_arguments() -> None:
    for limit, delta in ((0, 0.1), (-1, 0.1), (math.inf, 0.1), (math.nan, 0.1), (1, 0), (1, 1)):
        with pytest.raises(UsageError):
            Budget(limit, delta)
    budget = Budget(5, 1e-3)
    wrong = (Spend(0, 5), Spend(5, 0), Spend(5, 5, 0), Spend(5, 5, 10001), Spend(5, 5, 1, 0))
    for spend in wrong:
        with pytest.raises(UsageError):
            budget.spend(spend)
    with pytest.raises(UsageError, match="no noise keeps"):
        least_sigma(1 << 24, 0.1, 1e-9, 1000)
