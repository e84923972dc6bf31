"""What the virtual board keeps when it dies: power cuts, the watchdog, its process killed."""

import os
import random
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from paebiru import cli
from paebiru.vboard import VirtualBoard
from vboards import PATIENCE, Line, Raised, is_running, put, run

# Counts up in a file that is written anew, in one that grows, and in NVS; says when each lasts.
COUNTER = """
import esp32, machine, os
wdt = machine.WDT(timeout=20000)
nvs = esp32.NVS("count")
try:
    n = nvs.get_i32("n")
except OSError:
    n = 0
buf = bytearray(200)
print("start", n, len(os.listdir()))
while True:
    n += 1
    with open("n.new", "w") as f:
        f.write(str(n) * 100)
    os.rename("n.new", "n")
    print("file", n)
    nvs.set_i32("n", n)
    nvs.set_blob("b", bytes([n & 255]) * 200)
    nvs.commit()
    print("nvs", n)
    wdt.feed()
"""
READ = """
import esp32
nvs = esp32.NVS("count")
buf = bytearray(256)
size = nvs.get_blob("b", buf)
text = open("n").read()
print(text[: len(text) // 100], text == text[: len(text) // 100] * 100)
print(nvs.get_i32("n"), buf[0], size, len(set(buf[:size])))
"""


@pytest.fixture
def board(tmp_path: Path) -> Iterator[VirtualBoard]:
    with VirtualBoard(tmp_path / "board") as virtual:
        yield virtual


def test_power_cuts_lose_nothing_that_was_done(board: VirtualBoard) -> None:
    put(board, "main.py", COUNTER)
    chance = random.Random(20)
    done = {b"file": 0, b"nvs": 0}
    with Line(board) as line:
        for cut in range(20):
            starts = board.starts
            board.kill()
            board.wait(starts + 1)
            line.until(b"start")
            said = line.until(b"\n")
            deadline = time.monotonic() + chance.random() / 5
            while time.monotonic() < deadline:
                said += line.take()
            # A number that was printed counts; the last line may be cut.
            first = int(said.split()[0])
            assert first >= done[b"nvs"], (cut, said)
            for kind in done:
                found = re.findall(rb"%s (\d+)\r?\n" % kind, said)
                done[kind] = max([done[kind], *map(int, found)])
    name, whole, n, value, size, kinds = run(board, READ).split()
    assert int(name) >= done[b"file"] > 20
    assert whole == "True"
    assert int(n) >= done[b"nvs"] > 20
    assert (int(size), int(kinds)) == (200, 1)
    assert (int(n) - int(value)) % 256 in (0, 1)  # the key that was set first may be ahead


def test_the_watchdog_bites_an_endless_loop(board: VirtualBoard) -> None:
    put(
        board,
        "main.py",
        "import machine\nprint('cause', machine.reset_cause())\n"
        "if machine.reset_cause() != machine.WDT_RESET:\n"
        "    wdt = machine.WDT(timeout=300)\n    while True: pass\n",
    )
    with Line(board) as line:
        line.write(b"\r\x03\x02import machine\rmachine.reset()\r")
        line.until(b"cause 2")
        said = line.until(b"cause 3")
        assert b"WDT_RESET" in said
        line.until(b">>> ")  # it bites once: that life never asked for one


def test_the_watchdog_outlives_a_soft_reset(board: VirtualBoard) -> None:
    with Line(board) as line:
        line.write(b"\r\x03\x02import machine\rwdt = machine.WDT(timeout=6000)\r\x04")
        assert b"WDT_RESET" not in line.until(b"MPY: soft reboot")
        line.until(b"WDT_RESET")
        line.until(b">>> ")
    assert run(board, "import machine; print(machine.reset_cause())").strip() == "3"


def test_a_fed_watchdog_is_quiet(board: VirtualBoard) -> None:
    code = """
import machine, time
wdt = machine.WDT(timeout=2000)
for i in range(25):
    time.sleep_ms(100)
    wdt.feed()
print("fed")
"""
    pids = board.pids
    assert run(board, code).strip() == "fed"
    assert board.pids == pids


def test_deep_sleep(board: VirtualBoard) -> None:
    with Line(board) as line:
        line.write(b"\r\x03\x02import machine\rmachine.deepsleep(300)\r")
        since = time.monotonic()
        line.until(b"DEEPSLEEP_RESET")
        line.until(b">>> ")
        assert time.monotonic() - since > 0.3
        line.write(b"print(machine.reset_cause())\r")
        assert b"NameError" in line.until(b">>> ")
        line.write(b"import machine\rprint(machine.reset_cause())\r")
        line.until(b"4\r\n>>> ")


def test_nvs_as_on_the_chip(board: VirtualBoard) -> None:
    code = """
import esp32
nvs = esp32.NVS("a")
def fails(f, *args):
    try:
        f(*args)
        print("no error")
    except OSError as error:
        print(error.args)
nvs.set_i32("k", -7)
print(nvs.get_i32("k"))
fails(nvs.get_blob, "k", bytearray(4))
fails(nvs.get_i32, "other")
fails(esp32.NVS("b").get_i32, "k")
nvs.set_blob("k", b"12345")
fails(nvs.get_blob, "k", bytearray(4))
fails(nvs.set_i32, "k" * 16, 1)
fails(nvs.erase_key, "other")
nvs.commit()
nvs.erase_key("k")
nvs.commit()
fails(nvs.get_i32, "k")
for i in range(4):
    nvs.set_blob(str(i), bytes(4000))
nvs.commit()
nvs.set_blob("last", bytes(4000))
fails(nvs.commit)
nvs = esp32.NVS("a")
nvs.set_i32("never", 1)  # and not committed
"""
    assert run(board, code).splitlines() == [
        "-7",
        "(-4354, 'ESP_ERR_NVS_NOT_FOUND')",
        "(-4354, 'ESP_ERR_NVS_NOT_FOUND')",
        "(-4354, 'ESP_ERR_NVS_NOT_FOUND')",
        "(-4364, 'ESP_ERR_NVS_INVALID_LENGTH')",
        "(-4361, 'ESP_ERR_NVS_KEY_TOO_LONG')",
        "(-4354, 'ESP_ERR_NVS_NOT_FOUND')",
        "(-4354, 'ESP_ERR_NVS_NOT_FOUND')",
        "(-4357, 'ESP_ERR_NVS_NOT_ENOUGH_SPACE')",
    ]
    code = "import esp32; print(esp32.NVS('a').get_blob('3', bytearray(4000)))"
    assert run(board, code).strip() == "4000"
    with pytest.raises(Raised, match="NOT_FOUND"):
        run(board, "import esp32; esp32.NVS('a').get_i32('never')")


def command(*words: str) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-m", "paebiru.cli", "board", *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_the_command(tmp_path: Path) -> None:
    folder = tmp_path / "board"
    with command("--vm", "--dir", str(folder), "--link", str(tmp_path / "tty")) as running:
        try:
            said = running.stdout.readline() if running.stdout else ""
            assert re.fullmatch(
                rf"virtual board 3c71bf\w{{6}} on {tmp_path}/tty \(state in {folder}\); "
                "Ctrl-C ends it\n",
                said,
            )
            done = subprocess.run(
                [sys.executable, "-m", "mpremote", "connect", str(tmp_path / "tty"), "eval", "1"],
                capture_output=True,
                timeout=PATIENCE,
                check=True,
            )
            assert done.stdout.strip() == b"1"
            with command("--vm", "--dir", str(folder)) as other:
                _, error = other.communicate(timeout=PATIENCE)
                assert other.returncode == 2
                assert "is running" in error
                assert len(error.splitlines()) == 1
            running.send_signal(signal.SIGTERM)
            assert running.wait(PATIENCE) == 0
        finally:
            running.kill()
    assert not (tmp_path / "tty").is_symlink()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "add --vm"),
        (["--vm", "--tcp", "here"], "HOST:PORT"),
        (["--vm", "--tcp", "127.0.0.1:99999"], "HOST:PORT"),
        (["--vm", "--tcp", "127.0.0.1:0", "--pty"], "one line"),
        (["--vm", "--heap", "1k"], "32k at least"),
        (["--vm", "--heap", "lots"], "320k"),
        (["--vm", "--size", "100001"], "4k"),
        (["--vm", "--world", "no/such.json"], "No such file"),
    ],
)
def test_wrong_words(
    tmp_path: Path,
    words: list[str],
    message: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr("sys.argv", ["paebiru", "board", "--dir", str(tmp_path), *words])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    error = capsys.readouterr().err
    assert ended.value.code == 2
    assert message in error
    assert len(error.splitlines()) == 1


def test_the_vm_dies_with_its_command(tmp_path: Path) -> None:
    with VirtualBoard(tmp_path) as board:  # a program that would not see that its line is gone
        put(board, "main.py", "while True: pass\n")
    with command("--vm", "--dir", str(tmp_path), "--tcp", "127.0.0.1:0") as running:
        said = running.stdout.readline() if running.stdout else ""
        assert "socket://127.0.0.1:" in said
        children = Path(f"/proc/{running.pid}/task").glob("*/children")
        pids = [int(pid) for names in children for pid in names.read_text().split()]
        assert pids
        os.kill(running.pid, signal.SIGKILL)
        running.wait(PATIENCE)
    deadline = time.monotonic() + PATIENCE
    while any(is_running(pid) for pid in pids):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    with VirtualBoard(tmp_path) as board:  # its lock is free
        assert run(board, "print(1)").strip() == "1"
