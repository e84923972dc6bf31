"""What the tests of the virtual board share."""

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import serial

from paebiru.rawrepl import RawRepl
from paebiru.vboard import VirtualBoard

PATIENCE = 30.0


def mpremote(board: VirtualBoard, *words: str, code: int | None = 0) -> str:
    """Run the real command; return what it printed."""
    done = subprocess.run(
        [sys.executable, "-m", "mpremote", "connect", board.port, *words],
        capture_output=True,
        timeout=PATIENCE,
        check=False,
    )
    said = (done.stdout + done.stderr).decode()
    assert code is None or done.returncode == code, said
    return said.replace("\r\n", "\n")


@contextmanager
def line(board: VirtualBoard) -> Iterator[serial.Serial]:
    """The board's line as a serial program opens it."""
    port = serial.serial_for_url(board.port, 115200, timeout=0.05)
    try:
        yield port
    finally:
        port.close()


def run(board: VirtualBoard, code: str) -> str:
    """Run code in the raw REPL; return what it printed."""
    with line(board) as port, RawRepl(port, PATIENCE) as repl:
        return repl.run(code)


def until(port: serial.Serial, mark: bytes, got: bytes = b"") -> bytes:
    """Return `got` and what arrives after it, up to `mark` or a little more."""
    deadline = time.monotonic() + PATIENCE
    while mark not in got:
        assert time.monotonic() < deadline, (mark, got)
        got += port.read(port.in_waiting or 1)
    return got


def put(board: VirtualBoard, name: str, text: str) -> None:
    """Write a file of the board's root."""
    run(board, f"with open({name!r}, 'w') as f: f.write({text!r})")


def is_running(pid: int) -> bool:
    """Return whether a process runs (a zombie does not)."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state not in "ZX"
