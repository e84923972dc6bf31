"""A board that crashes over and over: whoever sits before it gets in at once."""

import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

import deployed
from paebiru import boards
from paebiru.deploy.copy import copy
from paebiru.deploy.repl import Repl
from paebiru.vboard import VirtualBoard
from vboards import Line

# It hears its hub, so that Ctrl-C is a byte as any other, and crashes.
CRASH = """
from paebiru_node.app import Node
def crash(self, now):
    line = self.port.link("usb")
    line.open()
    line.heard()
    raise ValueError("crash")
Node.step = crash
"""
# The second before it starts over is a minute, lest this machine be too busy to press Ctrl-C in it.
PATIENT = """
rest = Port.rest
def longer(self, ms):
    rest(self, 60 * ms)
Port.rest = longer
"""
WITHIN = 60.0  # s; on an idle machine 0.6


@pytest.fixture(scope="module")
def flash(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the flash of a board that was deployed to, and changed."""
    home = tmp_path_factory.mktemp("first")
    with VirtualBoard(home, heap=deployed.HEAP) as virtual:
        copy(virtual.port, deployed.bundle(boards.load("vm"), twin=False))
        change(virtual, CRASH)
    return home / "flash.img"


def change(board: VirtualBoard, code: str) -> None:
    """Let code run before the node starts."""
    with Repl(board.port) as repl:
        before, run, after = repl.read("main.py").decode().rpartition("run(Port)")
        repl.write("main.py", (before + code + run + after).encode(), lambda size: None)


@pytest.fixture(params={"pty": "", "tcp": "127.0.0.1:0"}.items(), ids=lambda item: item[0])
def board(request: pytest.FixtureRequest, tmp_path: Path, flash: Path) -> Iterator[VirtualBoard]:
    shutil.copyfile(flash, tmp_path / "flash.img")
    with VirtualBoard(tmp_path, tcp=request.param[1], heap=deployed.HEAP) as virtual:
        yield virtual


def test_one_ctrl_c_behind_a_crash_stops_the_loop(board: VirtualBoard) -> None:
    change(board, PATIENT)
    with Line(board) as line:
        line.write(b"\r\x03\x02import machine\rmachine.reset()\r")
        for _ in range(3):
            line.until(b"ValueError: crash")
            starts = board.starts
            line.write(b"\x03")
            assert b"KeyboardInterrupt" in line.until(b">>> ")
            assert board.starts == starts, "it had no time to start over"
            line.write(b"import machine\rmachine.reset()\r")


def test_the_loop_goes_on_with_nobody_there(board: VirtualBoard) -> None:
    board.wait(board.starts + 3)


def test_deploy_and_monitor_get_in(board: VirtualBoard) -> None:
    for wait in (0.0, 0.4, 0.8, 1.2):
        time.sleep(wait)
        since = time.monotonic()
        with Repl(board.port) as repl:
            assert time.monotonic() - since < WITHIN
            assert repl.run("print(6 * 7)").strip() == "42"
            repl.reset()
