"""What every test of the host shares: Hypothesis profiles and the long runs' switches."""

import os

import pytest
from hypothesis import HealthCheck, settings

# `ci` draws the same examples every time: a red run can be repeated, and a green one
# does not turn red by luck.  `nightly` looks for what `ci` has not met.
settings.register_profile("ci", derandomize=True, deadline=None, max_examples=100, database=None)
settings.register_profile(
    "nightly",
    deadline=None,
    max_examples=5000,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci"))


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--nightly", action="store_true", help="also run tests marked nightly")
    parser.addoption(
        "--fuzz-inputs", type=int, default=200_000, help="random inputs that a fuzz test throws"
    )


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave the nightly tests out, unless asked: deselected, so that no skip hides among them."""
    if config.getoption("--nightly"):
        return
    nightly = [item for item in items if item.get_closest_marker("nightly")]
    if nightly:
        config.hook.pytest_deselected(items=nightly)
        items[:] = [item for item in items if item not in nightly]


@pytest.fixture
def fuzz_inputs(request: pytest.FixtureRequest) -> int:
    """How many random inputs a test marked ``fuzz`` throws at its decoder."""
    return int(request.config.getoption("--fuzz-inputs"))
