"""A MicroPython board at its raw REPL, through mpremote: a running node is interrupted first.

    with Repl("/dev/ttyUSB0") as repl:
        print(repl.run("print(1 + 1)"))

Every wait ends; what goes wrong becomes one line that says what to do.
"""

import ast
import io
import os
import struct
import time
from collections.abc import Callable
from contextlib import redirect_stdout, suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from paebiru.errors import UsageError

PATIENCE = 25.0
"""Seconds for a node to let go: it hears Ctrl-C again ten after its hub's last frame."""
_ATTEMPT = 2.0  # s for one try
_ANSWER = 10.0  # s between two bytes of an answer
_RESET = "import time, machine\ntime.sleep_ms(100)\nmachine.reset()"
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
            raise UsageError(_why_closed(self.port, error)) from None
        try:
            self._enter()
            self._settle()
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

    def write(self, path: str, data: bytes, told: Callable[[int], None]) -> None:
        """Write a file; `told` is called with the bytes written so far.

        Raises:
            OSError: the board's file system refuses.
            ReplError: the board has stopped answering.
        """
        self._guarded(
            lambda: self._line.fs_writefile(
                path, data, chunk_size=1024, progress_callback=lambda done, all_: told(done)
            )
        )

    def _settle(self) -> None:
        """Leave nothing of the program that ran: its memory, its files, its watchdog."""
        try:
            self.runtime, has_run = ast.literal_eval(self.run(_WHAT))
        except BoardSays:  # no memory is left for a question
            self.runtime, has_run = "micropython", True
        if self.runtime != "micropython":
            return  # a soft reset of CircuitPython runs its program
        self._guarded(self._quietly_reset)
        if has_run:
            self.run(_CALM)

    def _quietly_reset(self) -> None:
        with redirect_stdout(io.StringIO()):  # mpremote prints what it does not understand
            self._line.enter_raw_repl(soft_reset=True, timeout_overall=_ANSWER)

    def reset(self) -> None:
        """Start the board over, with its program."""
        has_reset = self.run("import machine\nprint(hasattr(machine, 'reset'))").strip() == "True"
        if has_reset:
            self._guarded(lambda: self._line.exec_raw_no_follow(_RESET))
            time.sleep(0.2)
        else:
            self._guarded(self._line.exit_raw_repl)
            self._line.serial.write(b"\x04")

    def _enter(self) -> None:
        """Interrupt whatever runs, until the raw REPL answers."""
        deadline = time.monotonic() + self._patience
        self._line.serial.timeout = _ATTEMPT / 4
        while True:
            try:
                with redirect_stdout(io.StringIO()):
                    self._line.enter_raw_repl(soft_reset=False, timeout_overall=_ATTEMPT)
                break
            except Exception as error:
                if not _is_ours(error):
                    raise
                if not isinstance(error, _mpremote().TransportError):
                    raise UsageError(_gone(self.port, error)) from None
                if time.monotonic() > deadline:
                    raise UsageError(
                        f"no MicroPython answers on {self.port}: press the board's reset button"
                        " and try again; if it has none yet: paebiru flash"
                    ) from None
        self._line.serial.timeout = _ANSWER

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
    return isinstance(error, _mpremote().TransportError | OSError | struct.error | IndexError)


def _is_line(error: OSError) -> bool:
    import serial

    return isinstance(error, serial.SerialException)


def _gone(port: str, error: Exception) -> str:
    words = " ".join(str(error).split())[:120] or "it is silent"
    return f"the board on {port} stopped answering ({words}): check its cable, then try again"


def _why_closed(port: str, error: Exception) -> str:
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
    return transport_serial
