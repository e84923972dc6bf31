"""Run the portable tests on one interpreter.

    python tests/interp/run.py --target viper            # everything
    python tests/interp/run.py --target wasm test_rho    # one file
    python tests/interp/run.py --list                    # what there is, and what is missing here

Exit code 0: all passed; 1: something failed; 2: it could not be run.
"""

import argparse
import sys
import time

import harness
from targets import MCU_TARGETS, ROOT, TARGETS, Target

# The twin is built by `paebiru`, from this tree even when another one is installed.
sys.path[:0] = [str(ROOT / "shared"), str(ROOT / "host")]


ALL = TARGETS | MCU_TARGETS


def show_targets() -> int:
    """Print every target, and why it is missing where it is."""
    for target in ALL.values():
        print(f"{target.name:18} {target.what:44} {target.missing() or 'ready'}")
    return 0


def run(target: Target, names: list[str]) -> int:
    """Run the test files called `names` on `target`; return the exit code."""
    failures = 0
    for path in harness.chosen_files(names):
        started = time.perf_counter()
        outcome = harness.run_file(target, path)
        spent = time.perf_counter() - started
        skipped = f", {outcome.skipped} skipped" if outcome.skipped else ""
        print(
            f"{path.stem:32} {outcome.problem or f'{outcome.ran} passed{skipped}'}  {spent:.1f} s"
        )
        if outcome.problem:
            failures += 1
            print(outcome.output)
    return 1 if failures else 0


def main() -> int:
    """Parse the command line and run; return the exit code."""
    parser = argparse.ArgumentParser(description="Run the portable tests on one interpreter.")
    parser.add_argument("--target", choices=ALL, default="cpython")
    parser.add_argument("--list", action="store_true", help="show the targets")
    parser.add_argument("names", nargs="*", help="test files; all when none is named")
    options = parser.parse_args()
    if options.list:
        return show_targets()
    target = ALL[options.target]
    reason = target.missing()
    if reason:
        print(f"{target.name} cannot run here: {reason}", file=sys.stderr)
        return 2
    try:
        return run(target, options.names)
    except harness.HarnessError as error:
        print(error, file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())
