"""Fixtures of the host's tests."""

import os
from collections.abc import Callable
from random import Random

import pytest

from targets import TARGETS, Target


@pytest.fixture(params=TARGETS.values(), ids=lambda target: target.name)
def target(request: pytest.FixtureRequest) -> Target:
    """Each interpreter in turn.

    One that cannot run here skips with its reason; in CI (``CI=true``) it fails,
    since a skipped interpreter would be a claim that nobody checked.
    """
    found: Target = request.param
    reason = found.missing()
    if reason and os.environ.get("CI") == "true":
        pytest.fail(f"{found.name} must run in CI: {reason}")
    if reason:
        pytest.skip(f"{found.name}: {reason}")
    return found


@pytest.fixture(scope="module")
def chosen(request: pytest.FixtureRequest) -> Callable[[int, int], list[int]]:
    """Return the points to try: all of them in nightly runs, else a share, drawn by seed."""
    nightly = bool(request.config.getoption("--nightly"))

    def points(total: int, one_of: int) -> list[int]:
        every = range(1, total + 1)
        return [at for at in every if nightly or Random(at).randrange(one_of) == 0]

    return points
