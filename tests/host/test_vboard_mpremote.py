"""mpremote, unmodified, takes the virtual board for a real one: over a terminal and over TCP."""

import os
import pty
import random
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from paebiru.vboard import VirtualBoard
from vboards import PATIENCE, Line, mpremote, put

TCP = {"pty": "", "tcp": "127.0.0.1:0"}


@pytest.fixture(params=TCP, scope="module")
def board(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator:
    with VirtualBoard(tmp_path_factory.mktemp("board"), tcp=TCP[request.param]) as virtual:
        yield virtual


def test_exec_eval_run(board: VirtualBoard, tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    # Longer than the window of raw paste, with every kind of line end in it.
    script.write_text("x = '''a\nb'''\n" + "x += 'abc'\n" * 500 + "print(len(x))\n")
    said = mpremote(board, "exec", "print(1)", "+", "eval", "6 * 7", "+", "run", str(script))
    assert said == "1\n42\n1503\n"
    assert "ZeroDivisionError" in mpremote(board, "exec", "1 / 0", code=1)


def test_files(board: VirtualBoard, tmp_path: Path) -> None:
    data = random.Random(4).randbytes(3_000) + bytes(range(256))
    there, back = tmp_path / "data.bin", tmp_path / "back.bin"
    there.write_bytes(data)
    (tmp_path / "tree" / "deep").mkdir(parents=True)
    (tmp_path / "tree" / "deep" / "a.txt").write_text("deep down")
    said = chain(
        board,
        ("fs", "mkdir", ":dir"),
        ("fs", "cp", str(there), ":dir/b"),
        ("fs", "ls", ":dir"),
        ("fs", "cp", ":dir/b", str(back)),
        ("fs", "cp", "-r", str(tmp_path / "tree"), ":"),
        ("fs", "cat", ":tree/deep/a.txt"),
    )
    assert re.search(r"3256 +b", said)
    assert said.endswith("deep down")
    assert back.read_bytes() == data
    said = chain(
        board,
        ("fs", "rm", ":dir/b"),
        ("fs", "rmdir", ":dir"),
        ("fs", "rm", "-r", ":tree"),
        ("fs", "ls"),
        ("df",),
    )
    assert not re.search(r"^ +\d+ (dir|tree)/", said, re.MULTILINE)
    assert "2097152" in said


def test_mount(board: VirtualBoard, tmp_path: Path) -> None:
    (tmp_path / "here.py").write_text("print('from the host')\n")
    code = "import here\nwith open('out', 'w') as f: f.write('x')"
    assert "from the host" in mpremote(board, "mount", str(tmp_path), "exec", code)
    assert (tmp_path / "out").read_text() == "x"
    assert "out" not in mpremote(board, "fs", "ls")


def test_resets(board: VirtualBoard) -> None:
    cause = "import machine; print(machine.reset_cause())"
    said = chain(
        board,
        ("exec", "with open('kept', 'w') as f: f.write('yes ')"),
        ("soft-reset",),
        ("exec", cause),
        ("fs", "cat", ":kept"),
    )
    assert said == "5\nyes "
    starts = board.starts
    mpremote(board, "reset")
    board.wait(starts + 1)
    assert mpremote(board, "resume", "exec", cause, "+", "fs", "cat", ":kept") == "2\nyes "


def test_main_is_interrupted_and_runs_again(board: VirtualBoard) -> None:
    put(board, "main.py", "n = 1\nprint('in main')\nwhile True: n += 1\n")
    with Line(board) as line:
        line.write(b"\r\x03\x02import machine\rmachine.reset()\r")
        line.until(b"in main")
    assert int(mpremote(board, "resume", "eval", "n")) > 0  # interrupted in the middle of main.py
    assert "NameError" in mpremote(board, "exec", "n", code=1)  # a soft reset, without main.py
    mpremote(board, "fs", "rm", ":main.py")


def chain(board: VirtualBoard, *commands: tuple[str, ...]) -> str:
    """Run commands one after the other in one mpremote."""
    words = [word for command in commands for word in ("+", *command)]
    return mpremote(board, *words[1:])


def test_repl(tmp_path: Path) -> None:
    # Not over TCP: mpremote's repl waits on a serial port's descriptor, and its sockets have none.
    with VirtualBoard(tmp_path) as board:
        talk(board)


def talk(board: VirtualBoard) -> None:
    outer, inner = pty.openpty()
    command = [sys.executable, "-m", "mpremote", "connect", board.port, "repl"]
    with subprocess.Popen(command, stdin=inner, stdout=inner, stderr=inner) as terminal:
        os.close(inner)
        try:
            type_and_see(outer, b"", b"Ctrl-]")
            type_and_see(outer, b"\r", b">>> ")
            type_and_see(outer, b"print(6 * 7)\r", b"\r\n42\r\n>>> ")
            type_and_see(outer, b"while not print('b', 'egun'): pass\r\r\r", b"b egun")
            type_and_see(outer, b"\x03", b"KeyboardInterrupt")
            type_and_see(outer, b"\x04", b"MPY: soft reboot\r\n")
            type_and_see(outer, b"\r", b">>> ")
            os.write(outer, b"\x1d")
            assert terminal.wait(PATIENCE) == 0
        finally:
            terminal.kill()
            os.close(outer)


def type_and_see(terminal: int, keys: bytes, mark: bytes) -> None:
    os.write(terminal, keys)
    got = b""
    deadline = time.monotonic() + PATIENCE
    while mark not in got:
        assert time.monotonic() < deadline, (mark, got)
        got += os.read(terminal, 1000)
