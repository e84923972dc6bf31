"""The portable suite on every interpreter: one case for each target and test file."""

from pathlib import Path

import pytest

import harness
from targets import Target


@pytest.mark.parametrize("path", harness.test_files(), ids=lambda path: path.stem)
def test_portable_file(target: Target, path: Path) -> None:
    outcome = harness.run_file(target, path)
    assert not outcome.problem, f"{outcome.problem}\n{outcome.output}"
