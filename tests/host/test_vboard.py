"""The virtual board does what a board does: at its prompt, in its programs, and when it dies."""

import random
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import serial

from paebiru.errors import UsageError
from paebiru.vboard import BoardError, VirtualBoard
from vboards import PATIENCE, Line, Raised, put, run

FOREVER = "print('up')\nn = 0\nwhile True:\n    n += 1\n"
PUMP = """
import micropython, select, sys
micropython.kbd_intr(-1)
poll = select.poll()
poll.register(sys.stdin, select.POLLIN)
sys.stdout.buffer.write(b"<")
left = %d
buf = bytearray(256)
while left:
    at = 0
    while at < len(buf) and poll.poll(0 if at else 100):
        buf[at] = sys.stdin.buffer.read(1)[0]
        at += 1
    sys.stdout.buffer.write(memoryview(buf)[:at])
    left -= at
micropython.kbd_intr(3)
"""


@pytest.fixture(params={"pty": "", "tcp": "127.0.0.1:0"}.items(), ids=lambda item: item[0])
def board(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[VirtualBoard]:
    with VirtualBoard(tmp_path / "board", tcp=request.param[1]) as virtual:
        yield virtual


@pytest.fixture
def plain(tmp_path: Path) -> Iterator[VirtualBoard]:
    with VirtualBoard(tmp_path / "board") as virtual:
        yield virtual


def restart(board: VirtualBoard, line: Line, mark: bytes) -> bytes:
    """Reset it as a board's button does; return what it prints up to `mark`."""
    line.write(b"\r\x03\x02import machine\rmachine.reset()\r")
    line.until(b"rst:")
    return line.until(mark)


def test_start_up_as_a_board(board: VirtualBoard) -> None:
    put(board, "boot.py", "print('boot', __name__)\nx = 7\n")
    put(board, "main.py", "print('main', x)\n1 / 0\n")
    with Line(board) as line:
        said = restart(board, line, b">>> ")
        assert b"boot __main__\nmain 7\nTraceback (most recent call last):\r\n" in said
        assert b'  File "main.py", line 2, in <module>\r\nZeroDivisionError' in said
        assert b"startup" not in said
        line.write(b"print(x)\r")
        assert line.until(b">>> ").endswith(b"7\r\n>>> ")  # its names are there
        line.write(b"\x04")
        assert b"MPY: soft reboot\r\n" in line.until(b"main 7")


def test_soft_reset_in_the_raw_repl_stays_there(board: VirtualBoard) -> None:
    put(board, "boot.py", "print('boot')\n")
    put(board, "main.py", "print('main')\n")
    with Line(board) as line:
        line.write(b"\r\x01")
        line.until(b"raw REPL; CTRL-B to exit\r\n>")
        line.write(b"y = 1\x04")
        line.until(b"OK\x04\x04>")
        line.write(b"\x04")
        said = line.until(b"CTRL-B to exit\r\n>")
        assert said == b"OK\r\nMPY: soft reboot\r\nboot\nraw REPL; CTRL-B to exit\r\n>"
        line.write(b"print(y)\x04")
        assert b"NameError" in line.until(b"\x04>")
        line.write(b"\x02")
        line.until(b">>> ")
        line.write(b"\x04")
        assert b"main\n" in line.until(b">>> ")


def test_exit_of_main_is_a_soft_reset(plain: VirtualBoard) -> None:
    put(plain, "main.py", "import machine\nif machine.reset_cause() != 5: machine.soft_reset()\n")
    with Line(plain) as line:
        assert b"MPY: soft reboot\r\n" in restart(plain, line, b">>> ")


def test_ctrl_c_interrupts_main_again_and_again(board: VirtualBoard) -> None:
    put(board, "main.py", FOREVER)
    with Line(board) as line:
        restart(board, line, b"up")
        pid = board.pids
        for turn in range(20):
            time.sleep(random.Random(turn).random() / 50)
            # Several at once, as an impatient program sends them.
            line.write(b"\x03" * (1 + turn % 3))
            assert b"KeyboardInterrupt" in line.until(b">>> ")
            line.write(b"n = -1\r")
            line.until(b"n = -1\r\n>>> ")
            line.write(b"while True: n += 1\r\r")
            line.until(b"... \r\n")
        assert board.pids == pid


def test_ctrl_c_behind_what_nobody_reads(plain: VirtualBoard) -> None:
    put(plain, "main.py", FOREVER)
    with Line(plain) as line:
        restart(plain, line, b"up")
        line.write(b"x" * 300_000 + b"\x03")
        assert b"KeyboardInterrupt" in line.until(b">>> ")


@pytest.mark.parametrize("size", [120_000])
def test_every_byte_passes_both_ways(board: VirtualBoard, size: int) -> None:
    """As the node's link does it: polled, with Ctrl-C an ordinary byte."""
    data = (bytes(range(256)) * (size // 256 + 1))[:size]
    put(board, "main.py", PUMP % size)
    with Line(board) as line:
        restart(board, line, b"<")
        writer = threading.Thread(target=line.write, args=(data,))
        writer.start()
        back = b""
        deadline = time.monotonic() + PATIENCE
        while len(back) < size and time.monotonic() < deadline:
            back += line.take()
        writer.join()
        assert back[:size] == data
        assert b">>> " in back[size:] or line.until(b">>> ")


def test_binary_output_before_ctrl_c_is_kept(board: VirtualBoard) -> None:
    """A node that has heard nobody yet still listens to Ctrl-C, and its frames are bytes."""
    put(
        board,
        "main.py",
        "import sys\nfor _ in range(300): sys.stdout.buffer.write(bytes(range(256)))\n",
    )
    with Line(board) as line:
        said = restart(board, line, b">>> ")
    assert bytes(range(256)) * 300 in said


def test_output_without_a_listener_does_not_stop_it(board: VirtualBoard) -> None:
    put(board, "main.py", "for i in range(20000): print('0123456789')\nopen('done', 'w').close()\n")
    with Line(board) as line:
        restart(board, line, b"0123")
    deadline = time.monotonic() + PATIENCE
    while run(board, "import os; print('done' in os.listdir())").strip() != "True":
        # RawRepl interrupts main.py, so it is given time alone first.
        assert time.monotonic() < deadline
        starts = board.starts
        board.kill()
        board.wait(starts + 1)
        time.sleep(1)


def test_nothing_of_the_host_is_seen(plain: VirtualBoard, tmp_path: Path) -> None:
    (tmp_path / "board" / "outside.py").write_text("x = 1\n")
    code = """
import os, sys
print(os.getcwd(), os.listdir("/"), sys.path, sys.argv)
for path in ("/etc/passwd", "../lock", "/proc/self/exe", "lock", "identity"):
    try:
        open(path)
        print("opened", path)
    except OSError:
        pass
for name in ("outside", "startup", "line", "pins", "rom", "requests.__main__x"):
    try:
        __import__(name)
        print("imported", name)
    except ImportError:
        pass
print(sorted(name for name in globals() if name[0] != "_"))
"""
    seen = "/ [] ['', '.frozen', '/lib'] []\n['name', 'os', 'path', 'sys']\n"
    assert run(plain, code) == seen


@pytest.mark.parametrize("kib", [64, 160, 320])
def test_the_heap_is_what_a_program_finds(tmp_path: Path, kib: int) -> None:
    with VirtualBoard(tmp_path, heap=kib * 1024) as board:
        free = int(run(board, "import gc; gc.collect(); print(gc.mem_free())"))
        assert kib * 1024 <= free <= kib * 1024 * 1.05
        with pytest.raises(Raised, match="MemoryError"):
            run(board, f"b = bytearray({kib * 1024 + 4096})")


def test_two_boards(tmp_path: Path) -> None:
    with VirtualBoard(tmp_path / "a") as a, VirtualBoard(tmp_path / "b", tcp="127.0.0.1:0") as b:
        code = "import machine; print(machine.unique_id().hex())"
        assert [run(a, code).strip(), run(b, code).strip()] == [a.id, b.id]
        assert a.id != b.id
        with pytest.raises(UsageError, match="is running"):
            VirtualBoard(tmp_path / "a")
    with VirtualBoard(tmp_path / "a") as again:
        assert again.id == a.id


def test_tcp_serves_one_after_the_other(tmp_path: Path) -> None:
    with (
        VirtualBoard(tmp_path, tcp="127.0.0.1:0") as board,
        Line(board) as first,
        Line(board) as second,
    ):
        second.write(b"\r\x03print('second')\r")
        first.write(b"\r\x03print('first')\r")
        assert b"second" not in first.until(b"first\r\n>>> ")
        first.port.close()
        second.until(b"second\r\n>>> ")


def test_a_link_that_stays(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    with pytest.raises(UsageError, match="is a file"):
        VirtualBoard(tmp_path / "board", link=tmp_path / "file")
    link = tmp_path / "tty"
    with VirtualBoard(tmp_path / "board", link=link), serial.Serial(str(link), timeout=9) as port:
        port.write(b"\r")
        assert port.read_until(b">>> ").endswith(b">>> ")
    assert not link.is_symlink()


def test_what_cannot_come_up(tmp_path: Path) -> None:
    (tmp_path / "flash.img").write_bytes(b"\x55" * 262144)
    with pytest.raises(BoardError, match="holds no littlefs"), VirtualBoard(tmp_path):
        pass
    with pytest.raises(BoardError, match="memory allocation"), VirtualBoard(tmp_path / "b", heap=1):
        pass
    with pytest.raises(UsageError, match="256k, not 1024k"):
        VirtualBoard(tmp_path, size=1 << 20)
    (tmp_path / "identity").write_text("nobody")
    with pytest.raises(UsageError, match="identity"):
        VirtualBoard(tmp_path)


def test_a_full_flash(tmp_path: Path) -> None:
    code = """
kept = open('kept', 'w'); kept.write('k' * 1000); kept.close()
try:
    with open('big', 'wb') as f:
        while True:
            f.write(bytes(4096))
except OSError as error:
    print(error.errno)
"""
    with VirtualBoard(tmp_path, size=256 * 1024) as board:
        assert run(board, code).strip() == "28"
        code = "import os; os.remove('big'); print(len(open('kept').read()))"
        assert run(board, code).strip() == "1000"
