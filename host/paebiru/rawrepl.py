"""Runs code on a board through the raw REPL of MicroPython or CircuitPython."""

import time
from typing import Protocol

from paebiru.errors import UsageError

_INTERRUPT = b"\r\x03\x03"
_ENTER = b"\r\x01"
_LEAVE = b"\r\x02"
_RUN = b"\x04"
_BANNER = b"raw REPL; CTRL-B to exit\r\n>"
_PIECE = 128  # bytes at a time: boards without flow control hold 260


class Port(Protocol):
    """What of `serial.Serial` is needed."""

    def read(self, size: int = 1, /) -> bytes:
        """Read up to ``size`` bytes within the port's time-out."""

    def write(self, data: bytes, /) -> int | None:
        """Write bytes."""


class RawRepl:
    """A board that waits at its raw REPL: ``with RawRepl(port) as repl: repl.run(code)``."""

    def __init__(self, port: Port, patience: float = 5.0) -> None:
        self._port = port
        self._patience = patience

    def __enter__(self) -> "RawRepl":
        self._port.write(_INTERRUPT)
        self._port.write(_ENTER)
        self._until(_BANNER)
        return self

    def __exit__(self, *_: object) -> None:
        self._port.write(_LEAVE)

    def run(self, code: str) -> str:
        """Run code on the board; return what it printed."""
        data = code.encode()
        for at in range(0, len(data), _PIECE):
            self._port.write(data[at : at + _PIECE])
            time.sleep(0.005)
        self._port.write(_RUN)
        self._until(b"OK")
        printed = self._until(b"\x04")[:-1]
        trace = self._until(b"\x04>")[:-2]
        if trace:
            raise UsageError(
                f"the board answered: {trace.decode(errors='replace').splitlines()[-1]}"
            )
        return printed.decode(errors="replace")

    def _until(self, mark: bytes) -> bytes:
        got = b""
        deadline = time.monotonic() + self._patience
        while not got.endswith(mark):
            piece = self._port.read(1)
            if not piece and time.monotonic() > deadline:
                raise UsageError(
                    "no Python answers on this port; press the board's reset button, "
                    "and see that no other program has the port open"
                )
            got += piece
        return got
