"""What runs on the interpreter under test: one portable test file, then a summary line.

    boot.py MODULE [--numba]

The search path is the caller's business (`harness.py`), so that the same lines
serve CPython, MicroPython's VM, WebAssembly and a board.  The summary is the last
line; `harness.py` holds its counts against those that CPython reads in the source.
"""

import sys
import unittest


def run_module(module):
    """Run every test of `module`; return how many ran, failed and were skipped."""
    if sys.implementation.name != "cpython":
        return unittest.run_module(module)

    ended = set()

    class Result(unittest.TextTestResult):
        """Counts what came to an end; `testsRun` of CPython 3.12.1 leaves skipped tests out."""

        def addSuccess(self, test):
            ended.add(test.id())
            super().addSuccess(test)

        def addSkip(self, test, reason):
            ended.add(test.id())
            super().addSkip(test, reason)

    suite = unittest.defaultTestLoader.loadTestsFromModule(module)
    result = unittest.TextTestRunner(stream=sys.stdout, resultclass=Result).run(suite)
    bad = {test.id() for test, _ in result.failures + result.errors}
    return len(ended | bad), len(bad), len(result.skipped)


def main(name, *options):
    """Run test module `name`; return 0 when nothing failed."""
    if "--numba" in options:
        from paebiru import accel

        if accel.install("numba") != "numba":
            raise RuntimeError("numba was asked for and did not take the kernels")
    ran, failed, skipped = run_module(__import__(name))
    print("portable: ran=%d failed=%d skipped=%d" % (ran, failed, skipped))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
