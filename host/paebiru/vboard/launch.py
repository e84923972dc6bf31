"""The VM's process: ``python -I launch.py [VM option …] FILE ARGUMENT …``."""

import sys


def main() -> int:
    """Run the VM; it ends with the process that started it, however that one ends."""
    import ctypes
    import signal

    _PR_SET_PDEATHSIG = 1
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    # CPython's own handler would hide whether the program listens to Ctrl-C.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    from micropython_run import run_main

    return int(run_main(["micropython", *sys.argv[1:]]))


if __name__ == "__main__":
    sys.exit(main())
