"""The VM's process: ``python -I launch.py [VM option …] FILE ARGUMENT …``.

The VM's own answer to SIGINT is a jump out of whatever it is doing, also out of its allocator
with the lock held: after one in about twenty the VM waited for ever.  A board's Ctrl-C only leaves
a note, and the program is interrupted between two of its steps.  The VM has that function too,
and here another signal calls it; SIGINT is not sent.
"""

import signal
import sys

INTERRUPT = signal.SIGUSR1
"""What is Ctrl-C to the VM; to be sent while it listens for SIGINT."""
_PR_SET_PDEATHSIG = 1


def main() -> int:
    """Run the VM; it ends with the process that started it, however that one ends."""
    import ctypes

    libc = ctypes.CDLL(None)
    libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    # CPython's own handler would hide whether the program listens to Ctrl-C.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    import micropython_run

    note = ctypes.CDLL(micropython_run.__file__).mp_sched_keyboard_interrupt
    libc.signal.argtypes = (ctypes.c_int, ctypes.c_void_p)
    libc.signal(INTERRUPT, ctypes.cast(note, ctypes.c_void_p))
    signal.siginterrupt(INTERRUPT, True)  # a read that waits must not go on waiting
    return int(micropython_run.run_main(["micropython", *sys.argv[1:]]))


if __name__ == "__main__":
    sys.exit(main())
