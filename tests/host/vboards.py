"""What the tests of the virtual board share."""

import subprocess
import sys
import time
from pathlib import Path

import serial

from paebiru.vboard import VirtualBoard

PATIENCE = 120.0


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


class Raised(Exception):
    """What the code on the board raised."""


class Line:
    """A board's line as a serial program opens it; what was read too far is kept."""

    def __init__(self, board: VirtualBoard) -> None:
        self.port = serial.serial_for_url(board.port, 115200, timeout=0.01)
        self._rest = b""

    def __enter__(self) -> "Line":
        return self

    def __exit__(self, *_: object) -> None:
        self.port.close()

    def write(self, data: bytes) -> None:
        self.port.write(data)

    def take(self) -> bytes:
        """Return what has arrived."""
        taken, self._rest = self._rest + self.port.read(4096), b""
        return taken

    def until(self, mark: bytes) -> bytes:
        """Return what arrives up to `mark` and with it."""
        got = self._rest
        deadline = time.monotonic() + PATIENCE
        while mark not in got:
            assert time.monotonic() < deadline, (mark, got)
            got += self.port.read(4096)
        before, _, self._rest = got.partition(mark)
        return before + mark


def run(board: VirtualBoard, code: str) -> str:
    """Run code in the raw REPL; return what it printed."""
    with Line(board) as line:
        line.write(b"\r\x03")
        line.write(b"\r\x01")
        line.until(b"raw REPL; CTRL-B to exit\r\n>")
        line.write(code.encode() + b"\x04")
        line.until(b"OK")
        said = line.until(b"\x04")[:-1]
        trace = line.until(b"\x04>")[:-2].decode()
        line.write(b"\r\x02")
        line.until(b">>> ")
    if trace:
        raise Raised(trace)
    return said.decode()


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
