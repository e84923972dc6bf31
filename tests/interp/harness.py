"""Runs a portable test file on a target, and proves that all of it ran.

The tests of a file are counted in its source by CPython's `ast`; a run whose
summary names another number failed, whatever its exit code.  So a test that an
interpreter silently leaves out (a name defined twice, a class its loader did not
see) cannot pass for one that ran.
"""

import ast
import os
import re
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from targets import ROOT, SUITES, Target

TIMEOUT_S = 900
_SUMMARY = re.compile(r"^portable: ran=(\d+) failed=(\d+) skipped=(\d+)$", re.MULTILINE)


class HarnessError(Exception):
    """A suite that cannot be run as it is; says which file and why."""


@dataclass(frozen=True)
class Outcome:
    """What came of one test file on one target."""

    ran: int
    failed: int
    skipped: int
    problem: str
    """Why this run does not count as passed; empty when it does."""
    output: str


def test_files() -> list[Path]:
    """Return every portable test file, by name.

    Raises:
        HarnessError: there is none, or two share a module name.
    """
    found = sorted(path for suite in SUITES for path in suite.glob("test_*.py"))
    if not found:
        raise HarnessError(f"no test_*.py in {', '.join(str(suite) for suite in SUITES)}")
    names = [path.stem for path in found]
    twice = {name for name in names if names.count(name) > 1}
    if twice:
        raise HarnessError(f"two files of one name: {', '.join(sorted(twice))}")
    return found


def chosen_files(names: Iterable[str]) -> list[Path]:
    """Return the test files called `names` (stem, or the path as typed); all when empty.

    Raises:
        HarnessError: a name is no portable test file.
    """
    files = {path.stem: path for path in test_files()}
    stems = [Path(name).stem for name in names]
    for stem in stems:
        if stem not in files:
            raise HarnessError(f"{stem} is no portable test file; there are: {', '.join(files)}")
    return [files[stem] for stem in stems] or list(files.values())


def count_tests(path: Path) -> int:
    """Return how many tests the source of `path` defines.

    Raises:
        HarnessError: none, or a class whose tests cannot be counted from its body.
    """
    tree = ast.parse(path.read_text(encoding="utf-8"), str(path))
    count = 0
    for case in [node for node in tree.body if isinstance(node, ast.ClassDef)]:
        tests = [
            node
            for node in case.body
            if isinstance(node, ast.FunctionDef) and node.name.startswith("test")
        ]
        if tests and [ast.unparse(base) for base in case.bases] != ["unittest.TestCase"]:
            raise HarnessError(f"{path.name}: {case.name} must derive from unittest.TestCase alone")
        count += len(tests)
    if not count:
        raise HarnessError(f"{path.name} defines no test")
    return count


def run_file(target: Target, path: Path) -> Outcome:
    """Run test file `path` on `target` in a process of its own."""
    expected = count_tests(path)
    command, extra = target.command(path.stem)
    try:
        done = subprocess.run(
            command,
            env={**os.environ, **extra},
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=TIMEOUT_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return Outcome(0, 0, 0, f"no end after {TIMEOUT_S} s", "")
    return judge(done.stdout.decode(errors="replace"), done.returncode, expected)


def judge(output: str, code: int, expected: int) -> Outcome:
    """Return what the `output` and exit `code` of a run mean, given the tests `expected`."""
    summaries = _SUMMARY.findall(output)
    if len(summaries) != 1:
        return Outcome(0, 0, 0, f"no summary (exit code {code})", output)
    ran, failed, skipped = (int(number) for number in summaries[0])
    problem = ""
    if failed:
        problem = f"{failed} of {ran} failed"
    elif code:
        problem = f"exit code {code}"
    elif ran != expected:
        problem = f"{ran} tests ran, the file defines {expected}"
    return Outcome(ran, failed, skipped, problem, output)
