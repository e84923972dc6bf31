"""Fixtures of the host's tests."""

import os

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
