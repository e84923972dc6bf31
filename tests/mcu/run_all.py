"""Run the portable tests on every emulated board, and say in one line how it went.

    python tests/mcu/run_all.py [TARGET...]     # all of them when none is named

Writes LAST.md beside itself when all targets ran every file.
"""

import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "tests" / "interp"), str(ROOT / "shared"), str(ROOT / "host")]

import harness  # noqa: E402 - the folder is the interpreters' own
from targets import MCU_TARGETS, Target  # noqa: E402

LAST = Path(__file__).with_name("LAST.md")


def run(target: Target) -> tuple[str, bool]:
    """Run every portable file on `target`; return a line about it, and whether all passed."""
    started = time.perf_counter()
    ran = skipped = 0
    failed = []
    for path in harness.test_files():
        outcome = harness.run_file(target, path)
        ran += outcome.ran
        skipped += outcome.skipped
        if outcome.problem:
            failed.append(path.stem)
            print(f"{target.name} {path.stem}: {outcome.problem}\n{outcome.output}")
    spent = time.perf_counter() - started
    about = f"{target.name} ({target.what}): {ran} tests, {skipped} skipped"
    return f"{about}, failed: {', '.join(failed) or 'none'}, {spent:.0f} s", not failed


def main(names: list[str]) -> int:
    """Run the targets called `names`; return the exit code: 1 where a test failed."""
    names = names or list(MCU_TARGETS)
    lines = []
    good = True
    skipped = 0
    for name in names:
        reason = MCU_TARGETS[name].missing()
        line, passed = (f"{name}: skipped, {reason}", True) if reason else run(MCU_TARGETS[name])
        skipped += bool(reason)
        print(line, flush=True)
        lines.append(line)
        good = good and passed
    if good and not skipped and set(names) == set(MCU_TARGETS):
        LAST.write_text("# `make test-mcu`, last run\n\n" + "".join(f"- {x}\n" for x in lines))
    passed = f"{len(names) - skipped} passed, {skipped} skipped"
    print("emulated boards: " + (passed if good else "FAILED"))
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
