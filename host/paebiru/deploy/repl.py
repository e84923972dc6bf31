"""A MicroPython board at its raw REPL, through mpremote: a running node is interrupted first.

    with Repl("/dev/ttyUSB0") as repl:
        print(repl.run("print(1 + 1)"))

Every wait ends; what goes wrong becomes one line that says what to do.
"""

import ast
import os
import struct
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from paebiru.errors import UsageError

PATIENCE = 25.0
"""Seconds for a node to let go: it hears Ctrl-C again ten after its hub's last frame."""
_ATTEMPT = 2.0  # s for one try
_QUIET = 0.2  # s
_KNOCK = 0.1  # s between two Ctrl-C
_MOST = 1 << 16  # bytes taken at once from a board that does not stop talking
_PIECE = 4096  # bytes of a file in one go; a board has room for that after its reset
_ANSWER = 10.0  # s between two bytes of an answer
_RESET = """
import time
time.sleep(0.1)
try:
    from machine import reset
except ImportError:
    from microcontroller import reset
reset()
"""
_CAN_RESET = """
try:
    from machine import reset
    print(True)
except ImportError:
    try:
        import microcontroller
        print(True)
    except ImportError:
        print(False)
"""
_WHAT = """
import gc, sys
gc.collect()
print((sys.implementation.name, "paebiru_node.start" in sys.modules))
"""
# A watchdog that a node has started cannot be stopped: let it wait for as long as work here takes.
_CALM = """
import machine
for t in (600000, 60000, 8000):
    try:
        machine.WDT(timeout=t)
        break
    except (AttributeError, ValueError, OSError):
        pass
"""


class ReplError(UsageError):
    """The board does not answer as it should."""


class BoardSays(ReplError):
    """Code on the board ended with an exception."""

    def __init__(self, trace: str) -> None:
        self.last = trace.strip().splitlines()[-1] if trace.strip() else "an error"
        super().__init__(f"the board answered: {self.last}")


class Repl:
    """A board that waits for code.

    Args:
        port: a serial port's path, or what pyserial opens by its URL (``socket://HOST:PORT``).
        patience: seconds that a running program has to let go.

    Raises:
        UsageError: no such port, busy, no permission, or no Python answers.
    """

    def __init__(self, port: str, patience: float = PATIENCE) -> None:
        self.port = port
        self.runtime = ""
        """What answers: micropython or circuitpython."""
        self._patience = patience
        self._line: Any = None

    def __enter__(self) -> Self:
        transports = _mpremote()
        try:
            self._line = transports.SerialTransport(self.port, timeout=_ANSWER)
        except (transports.TransportError, OSError, ValueError) as error:
            raise UsageError(why_closed(self.port, error)) from None
        try:
            self._enter()
        except BaseException:
            self._close()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        with suppress(Exception):
            self._line.exit_raw_repl()
        self._close()

    def _close(self) -> None:
        with suppress(Exception):
            self._line.close()

    def run(self, code: str) -> str:
        """Run code on the board; return what it printed.

        Raises:
            BoardSays: it ended with an exception.
            ReplError: the board has stopped answering.
        """
        printed, trace = self._guarded(lambda: self._line.exec_raw(code, timeout=_ANSWER))
        if trace:
            raise BoardSays(trace.decode(errors="replace"))
        return str(printed.decode(errors="replace"))

    def read(self, path: str) -> bytes:
        """Return what a file holds."""
        return bytes(self._guarded(lambda: self._line.fs_readfile(path, chunk_size=1024)))

    def write(self, path: str, data: bytes, told: Callable[[int], None]) -> None:
        """Write a file; `told` is called with the bytes written so far.

        Raises:
            OSError: the board's file system refuses.
            ReplError: the board has stopped answering.
        """
        self._guarded(
            lambda: self._line.fs_writefile(
                path, data, chunk_size=_PIECE, progress_callback=lambda done, all_: told(done)
            )
        )

    def reset(self) -> None:
        """Start the board over, with its program."""
        if self.run(_CAN_RESET).strip() == "True":
            self._guarded(lambda: self._line.exec_raw_no_follow(_RESET))
            self._wait_for_reset()
        else:
            self._guarded(self._line.exit_raw_repl)
            self._line.serial.write(b"\x04")

    def _wait_for_reset(self) -> None:
        """Wait until the board is gone or says something new: what comes now would be lost."""
        deadline = time.monotonic() + _ATTEMPT
        with suppress(OSError):  # its USB goes away with it
            while time.monotonic() < deadline and not self._line.serial.in_waiting:
                time.sleep(0.02)

    def _enter(self) -> None:
        """Interrupt whatever runs until the REPL answers, and leave nothing of it behind."""
        deadline = time.monotonic() + self._patience
        self._line.serial.timeout = _ATTEMPT / 4
        while True:
            try:
                has_run = self._attempt()
                break
            except Exception as error:
                if not _is_ours(error):
                    raise
                if isinstance(error, OSError):
                    raise UsageError(_gone(self.port, error)) from None
                if time.monotonic() > deadline:
                    raise UsageError(
                        f"no MicroPython answers on {self.port}: press the board's reset button"
                        " and try again; if it has none yet: paebiru flash"
                    ) from None
        self._line.serial.timeout = _ANSWER
        if self.runtime == "micropython":  # a soft reset of CircuitPython runs its program
            self._guarded(lambda: self._raw(_ANSWER, soft_reset=True))
            if has_run:
                self.run(_CALM)

    def _attempt(self) -> bool:
        """Try to get an answer; tell whether a node has run."""
        self._knock()
        self._raw(_ATTEMPT)
        self._drain()  # what earlier attempts have asked for may come only now
        self._raw(_ATTEMPT)
        self._line.use_raw_paste = True
        printed, trace = self._line.exec_raw(_WHAT, timeout=_ATTEMPT)
        if trace:  # no memory is left for a question
            self.runtime = "micropython"
            return True
        self.runtime, has_run = ast.literal_eval(printed.decode())
        return bool(has_run)

    def _knock(self) -> None:
        """Send Ctrl-C until there is a prompt: a board that starts over and over hears one."""
        said = b""
        deadline = time.monotonic() + _ATTEMPT
        while time.monotonic() < deadline and not said.rstrip().endswith(b">"):
            self._line.serial.write(b"\x03")
            time.sleep(_KNOCK)
            said = (said + self._take())[-16:]

    def _raw(self, patience: float, soft_reset: bool = False) -> None:
        self._line.enter_raw_repl(soft_reset=soft_reset, timeout_overall=patience)

    def _take(self) -> bytes:
        """Return what has come; pyserial's sockets tell of one byte at a time."""
        taken = b""
        while len(taken) < _MOST and (count := self._line.serial.in_waiting):
            taken += self._line.serial.read(count)
        return taken

    def _drain(self) -> None:
        """Throw away what comes, until nothing does."""
        now = time.monotonic()
        end, quiet = now + _ATTEMPT, now + _QUIET
        while now < min(end, quiet):
            if self._take():
                quiet = now + _QUIET
            time.sleep(0.01)
            now = time.monotonic()

    def _guarded(self, act: Callable[[], Any]) -> Any:
        try:
            return act()
        except Exception as error:
            if type(error) is OSError and error.errno is not None and not _is_line(error):
                raise
            if not _is_ours(error):
                raise
            raise ReplError(_gone(self.port, error)) from None


def _is_ours(error: Exception) -> bool:
    """Tell whether an error is of the line: mpremote's, pyserial's, or an answer cut short."""
    kinds = (_mpremote().TransportError, OSError, struct.error, ValueError, SyntaxError)
    return isinstance(error, kinds)


def _is_line(error: OSError) -> bool:
    import serial

    return isinstance(error, serial.SerialException)


def _gone(port: str, error: Exception) -> str:
    words = " ".join(str(error).split())[:120] or "it is silent"
    return f"the board on {port} stopped answering ({words}): check its cable, then try again"


def why_closed(port: str, error: Exception) -> str:
    """Say why a port cannot be opened."""
    if "://" in port:
        return f"nothing answers at {port}: start the board there, or give another port"
    path = Path(port)
    if not path.exists():
        return f"there is no port {port}: plug the board in; paebiru doctor lists the ports"
    if not os.access(path, os.R_OK | os.W_OK):
        return (
            f"you may not use {port}: join its group (sudo usermod -aG dialout $USER),"
            " then log in anew"
        )
    if not path.is_char_device():
        return f"{port} is no serial port: give one, as /dev/ttyUSB0"
    return f"{port} is in use: end the program that has it open ({error})"


def _mpremote() -> Any:
    try:
        from mpremote import transport_serial
    except ImportError:
        raise UsageError("mpremote is not installed: pip install 'paebiru[deploy]'") from None
    # It prints what it does not understand before it raises; the error says it in one line.
    transport_serial.__dict__["print"] = lambda *words: None
    return transport_serial
