"""The harness cannot be fooled: what fails, or does not run, is never taken for passed."""

import re
from pathlib import Path

import pytest

import harness
from targets import SPECIMENS, Target

PASSING = "portable: ran=3 failed=0 skipped=0\n"


@pytest.mark.parametrize(
    ("output", "code", "problem"),
    [
        (PASSING, 0, ""),
        ("", 0, "no summary (exit code 0)"),
        ("Segmentation fault\n", -11, "no summary (exit code -11)"),
        (PASSING + PASSING, 0, "no summary (exit code 0)"),
        (PASSING, 1, "exit code 1"),
        ("portable: ran=3 failed=1 skipped=0\n", 0, "1 of 3 failed"),
        ("portable: ran=2 failed=0 skipped=0\n", 0, "2 tests ran, the file defines 3"),
    ],
)
def test_judge(output: str, code: int, problem: str) -> None:
    assert harness.judge(output, code, expected=3).problem == problem


def test_a_file_without_tests_is_refused(tmp_path: Path) -> None:
    empty = tmp_path / "test_empty.py"
    empty.write_text("import unittest\n\nclass Nothing(unittest.TestCase):\n    pass\n")
    with pytest.raises(harness.HarnessError, match="defines no test"):
        harness.count_tests(empty)


def test_a_suite_without_files_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(harness, "SUITES", (tmp_path,))
    with pytest.raises(harness.HarnessError, match="no test_"):
        harness.test_files()


@pytest.mark.parametrize(
    ("specimen", "problem"),
    [
        ("specimen_fails", "2 of 3 failed"),
        ("specimen_hides", "1 tests ran, the file defines 2"),
        ("specimen_exits", "no summary|1 of 1 failed"),
    ],
)
def test_a_bad_file_fails_on_every_target(target: Target, specimen: str, problem: str) -> None:
    outcome = harness.run_file(target, SPECIMENS / f"{specimen}.py")
    assert re.search(problem, outcome.problem), outcome.output
