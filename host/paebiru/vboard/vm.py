"""The VM as a process: its pipes, and Ctrl-C as an interrupt of the program that wants it."""

import fcntl
import os
import secrets
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

from paebiru.vboard.launch import INTERRUPT

_HERE = Path(__file__).parent
_SIGINT_BIT = 1 << (signal.SIGINT - 1)

# What the VM and the board's own modules take of the heap (a test measures it), so that `heap`
# is what a program finds free, as on a chip that keeps them in its ROM.
_ROM = 28 * 1024
_WAITING = 16 * 1024  # bytes that wait in a pipe
_TABLES = 64  # a part of so many is the collector's own


class Vm:
    """One life of the VM, from its start to its end.

    Its pipes are plain ones, not a terminal: every byte passes, none is echoed, and none is
    thrown away when the VM goes from its prompt to a program.
    """

    def __init__(self, flash: int, heap: int, is_raw: bool, kept: tuple[int, ...] = ()) -> None:
        self.mark = secrets.token_hex(16).encode()
        stdin, self.stdin = os.pipe()
        self.stdout, stdout = os.pipe()
        self.tells, tells = os.pipe()
        answers, self.answers = os.pipe()
        os.set_blocking(answers, False)
        for pipe in (self.stdin, self.stdout):
            fcntl.fcntl(pipe, fcntl.F_SETPIPE_SZ, _WAITING)
        heapsize = heap + heap // _TABLES + _ROM
        command = [
            *(sys.executable, "-I", str(_HERE / "launch.py")),
            *("-i", "-X", f"heapsize={heapsize}", str(_HERE / "silicon" / "rom.py")),
            *(str(flash), str(tells), str(answers), self.mark.decode()),
            *(["raw"] if is_raw else []),
        ]
        try:
            self._process = subprocess.Popen(
                command,
                stdin=stdin,
                stdout=stdout,
                stderr=stdout,
                env={},
                pass_fds=(flash, tells, answers, *kept),
                start_new_session=True,
            )
        finally:
            for fd in (stdin, stdout, tells, answers):
                os.close(fd)
        self.pid = self._process.pid
        self.ended = os.pidfd_open(self.pid)
        for fd in (self.stdin, self.stdout, self.tells):
            os.set_blocking(fd, False)

    def listens(self) -> bool:
        """Return whether Ctrl-C is an interrupt at this moment, and not a byte as any other."""
        try:
            status = Path(f"/proc/{self.pid}/status").read_text()
        except OSError:
            return False
        caught = status.partition("SigCgt:")[2].split(maxsplit=1)[:1]
        return bool(caught) and bool(int(caught[0], 16) & _SIGINT_BIT)

    def interrupt(self) -> bool:
        """Interrupt the program if it listens to Ctrl-C; return whether it does.

        The VM stands still meanwhile: had it stopped listening between the look and the signal,
        a program that takes 03 for a byte would be interrupted.
        """
        if not self.listens():
            return False
        try:
            os.kill(self.pid, signal.SIGSTOP)
            found = os.waitid(os.P_PID, self.pid, os.WSTOPPED | os.WEXITED | os.WNOWAIT)
            if found is None or found.si_code != os.CLD_STOPPED:
                return False
            listens = self.listens()
            if listens:
                os.kill(self.pid, INTERRUPT)
            os.kill(self.pid, signal.SIGCONT)
        except (ProcessLookupError, ChildProcessError):
            return False  # killed meanwhile
        return listens

    def kill(self) -> None:
        """End it as a loss of power does."""
        with suppress(ProcessLookupError):
            self._process.kill()

    def wait(self) -> int:
        """Return its exit code, negative for a signal; its pipes may still hold bytes."""
        return self._process.wait()

    def close(self) -> None:
        """Close its pipes, once it has ended."""
        for fd in (self.stdin, self.stdout, self.tells, self.answers, self.ended):
            os.close(fd)
