"""Ctrl-C finds the virtual board listening, whatever it is doing at that moment.

MicroPython's own answer to SIGINT jumps out of its allocator, its littlefs, its imports; the board
then waited for ever in one case of twenty.  Here it is interrupted in the midst of all of them.
"""

import time
from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest

from paebiru.vboard import VirtualBoard
from vboards import Line, put, run

# Memory, files and the chip's answers, without an end.
BUSY = """
import esp32, machine
nvs = esp32.NVS("busy")
kept = []
def work():
    n = 0
    while True:
        n += 1
        kept.append(bytearray(n % 700))
        if len(kept) > 40: kept.clear()
        if n % 5 == 0:
            with open("f%d" % (n % 3), "w") as f: f.write("x" * (n % 900))
        if n % 7 == 0: machine.unique_id()
        if n % 11 == 0: nvs.set_i32("n", n)
        exec("a = [%d]" % n)
"""
BOOT = "import sys\nfor i in range(300): x = bytes(i)\n"
MAIN = "import busy\nbusy.work()\n"
RESET = b"\r\x03\x02import machine\rmachine.reset()\r"


@pytest.fixture
def board(tmp_path: Path) -> Iterator[VirtualBoard]:
    with VirtualBoard(tmp_path / "board") as virtual:
        put(virtual, "busy.py", BUSY)
        yield virtual


def test_at_any_moment_of_a_program(board: VirtualBoard) -> None:
    random = Random(3)
    pids = board.pids
    with Line(board) as line:
        line.write(b"\r\x03import busy\r")
        line.until(b"import busy\r\n>>> ")
        for turn in range(80):
            line.write(b"busy.work()\r")
            line.until(b"busy.work()\r\n")
            time.sleep(random.random() / 50)
            line.write(b"\x03" * random.randint(1, 3))
            assert b"KeyboardInterrupt" in line.until(b">>> "), turn
            line.write(b"print(%d * 2)\r" % turn)
            line.until(b"\n%d\r\n>>> " % (turn * 2))
    assert board.pids == pids


@pytest.mark.parametrize("times", [1, 3])
def test_at_any_moment_of_the_start(board: VirtualBoard, times: int) -> None:
    """Once is enough: also in boot.py, between it and main.py, and before both."""
    random = Random(times)
    put(board, "boot.py", BOOT)
    put(board, "main.py", MAIN)
    with Line(board) as line:
        for turn in range(20):
            line.write(RESET)
            line.until(b"rst:")
            time.sleep(random.random() / 4)
            line.write(b"\x03" * times)
            assert b"KeyboardInterrupt" in line.until(b">>> "), turn
            line.write(b"\r\x03print(%d * 2)\r" % turn)
            line.until(b"\n%d\r\n>>> " % (turn * 2))


def test_a_board_that_resets_at_once_is_stopped_by_one(board: VirtualBoard) -> None:
    """It has no other moment to hear it than the first one of boot.py."""
    put(board, "boot.py", "")
    put(board, "main.py", "import machine\nmachine.reset()\n")
    with Line(board) as line:
        for _ in range(5):
            line.write(RESET)
            for _ in range(2):
                line.until(b"rst:")
            line.write(b"\x03")
            assert b"KeyboardInterrupt" in line.until(b">>> ")


def test_no_main_behind_a_boot_that_failed(board: VirtualBoard) -> None:
    put(board, "boot.py", "print('boot')\n1 / 0\n")
    put(board, "main.py", "print('main')\n")
    with Line(board) as line:
        line.write(RESET)
        line.until(b"rst:")
        said = line.until(b">>> ")
        assert b"ZeroDivisionError" in said
        assert b"main\n" not in said


def test_an_answer_that_comes_late_is_no_other_questions(board: VirtualBoard) -> None:
    """Interrupted askers leave answers behind, several at once."""
    code = """
import machine
for size in range(1, 30):
    for _ in range(size):
        machine.tell("250? id")  # as one that was interrupted
    assert machine.reset_cause() == 1, size
    assert machine.unique_id().hex() == NAME, size
print("all")
"""
    assert run(board, f"NAME = {board.id!r}\n{code}").strip() == "all"
