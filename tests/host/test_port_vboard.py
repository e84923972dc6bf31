"""MicroPython's port on the virtual board: the contract over NVS, I2C, ADC, I2S, pins and watchdog.

The board runs the real VM; its `machine` and `esp32` answer as the ESP32 port's do.  The files go
onto it through mpremote.
"""

import json
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from paebiru.enrollment import enroll
from paebiru.keys import KeyStore
from paebiru.vboard import VirtualBoard
from port_contract import BOARD, CHECKS, WORLD
from targets import ROOT
from vboards import Line, mpremote, run

CORE = ("__init__", "compat", "errors", "kernels/__init__", "kernels/wire")
NODE = ("__init__", "errors", "port/__init__", "port/common", "port/pieces")
MP = ("mp", "mp_links", "mp_parts", "mp_radio", "mp_store")
TESTS = ("port_contract", "port_benches")


def stage(folder: Path) -> Path:
    """Lay what the port needs into a folder, as it shall lie on the board."""
    names = [f"shared/sil/{name}" for name in CORE]
    names += [f"firmware/paebiru_node/{name}" for name in NODE]
    names += [f"firmware/paebiru_node/port/{name}" for name in MP]
    for name in names:
        there = folder / "lib" / f"{name.partition('/')[2]}.py"
        there.parent.mkdir(parents=True, exist_ok=True)
        there.write_bytes((ROOT / f"{name}.py").read_bytes())
    for name in TESTS:
        (folder / "lib" / f"{name}.py").write_bytes(
            (ROOT / "tests" / "portable" / f"{name}.py").read_bytes()
        )
    return folder / "lib"


@pytest.fixture(scope="module")
def board(tmp_path_factory: pytest.TempPathFactory) -> Iterator[VirtualBoard]:
    folder = tmp_path_factory.mktemp("board")
    (folder / "hum.pcm").write_bytes(bytes(range(256)) * 8)
    (folder / "world.json").write_text(json.dumps({**WORLD, "i2s": {"0": "hum.pcm"}}))
    with VirtualBoard(folder / "flash", world=folder / "world.json") as virtual:
        mpremote(virtual, "fs", "cp", "-r", str(stage(folder)), ":")
        yield virtual


class AtRepl:
    """A board that runs code, as the enrolment takes it."""

    def __init__(self, board: VirtualBoard) -> None:
        self._board = board

    def run(self, code: str) -> str:
        return run(self._board, code)


def port_code(**more: object) -> str:
    return f"from paebiru_node.port.mp import Port\nport = Port({ {**BOARD, **more}!r})\n"


def test_the_contract_holds(board: VirtualBoard) -> None:
    code = "import port_benches, port_contract\n"
    code += "port_contract.run(port_benches.TcpBench(True, True))\n"
    said = mpremote(board, "exec", code)
    assert f"contract: all {len(CHECKS)} hold" in said
    assert [said.count(f"{check.__name__} holds") for check in CHECKS] == [1] * len(CHECKS)


def test_outputs_put_out_what_they_are_told(board: VirtualBoard) -> None:
    for level, relay, lamp in ((255, 1, 65535), (128, 1, 32896), (127, 0, 32639), (0, 0, 0)):
        code = f"port.output('relay').write({level})\nport.output('lamp').write({level})"
        run(board, port_code() + code)
        assert (board.outputs[2], board.outputs[4]) == (relay, lamp)


def test_the_id_and_the_key_are_those_of_the_enrolment(board: VirtualBoard, tmp_path: Path) -> None:
    assert board.id == run(board, port_code() + "print(port.unique_id().hex())").strip()
    device, key = enroll(AtRepl(board), KeyStore(tmp_path / "keys.db"))
    assert device.hex() == board.id
    assert run(board, port_code() + "print(port.load('key').hex())").strip() == key.pack().hex()


def test_what_was_saved_outlives_power_and_file_system(board: VirtualBoard) -> None:
    run(board, port_code() + "port.save('epoch', b'forty-two')")
    starts = board.starts
    board.kill()
    board.wait(starts + 1)
    assert run(board, port_code() + "print(port.load('epoch'))").strip() == "b'forty-two'"
    files = run(board, "import os; print(os.listdir())")
    assert "epoch" not in files  # in NVS, not beside it


def test_a_starved_watchdog_starts_the_board_over(board: VirtualBoard) -> None:
    code = port_code(watchdog_ms=700) + "port.feed()"
    starts = board.starts
    run(board, code)
    board.wait(starts + 1)
    assert run(board, port_code() + "print(port.cause())").strip() == "2"  # CAUSE_WATCHDOG
    starts = board.starts
    code += "\nfor _ in range(10):\n    port.idle(150)\n    port.feed()\nprint('fed')"
    assert run(board, code).strip() == "fed", "it was started over within these 1.5 s"
    board.wait(starts + 1)


def test_reset_and_its_cause(board: VirtualBoard) -> None:
    starts = board.starts
    with Line(board) as line:
        start(line, port_code() + "port.reset()")
        board.wait(starts + 1)
    assert run(board, port_code() + "print(port.cause())").strip() == "1"  # CAUSE_RESET


# -- the line that the REPL shares


def start(line: Line, code: str) -> None:
    """Start code in the raw REPL, and leave it running."""
    line.write(b"\r\x03")
    line.write(b"\r\x01")
    line.until(b"raw REPL; CTRL-B to exit\r\n>")
    line.write(code.encode() + b"\x04")
    line.until(b"OK")


def leave(line: Line) -> None:
    line.write(b"\r\x02")
    line.until(b">>> ")


STDIO = """
from paebiru_node.port.mp import Port
port = Port({"links": {"usb": {"kind": "stdio"}}})
link = port.link("usb")
link.open()
"""


def test_ctrl_c_is_data_while_frames_come_and_not_ten_seconds_later(board: VirtualBoard) -> None:
    code = STDIO + (
        "link.heard()\n"
        "print('ready')\n"
        "buf = bytearray(64)\n"
        "got = b''\n"
        "import time\n"
        "try:\n"
        "    while True:\n"
        "        n = link.readinto(buf)\n"
        "        if n:\n"
        "            got += bytes(buf[:n])\n"
        "            print('got', n)\n"
        "        port.idle(100)\n"
        "except KeyboardInterrupt:\n"
        "    print('interrupted', got)\n"
    )
    with Line(board) as line:
        start(line, code)
        line.until(b"ready")
        since = time.monotonic()
        line.write(b"a\x03b")
        got = line.until(b"got")
        assert b"interrupted" not in got
        while b"interrupted" not in got:
            assert time.monotonic() - since < 120
            line.write(b"\x03")
            time.sleep(0.5)
            got += line.take()
        assert time.monotonic() - since > 9
        if b"\x04>" not in got:
            got += line.until(b"\x04>")
        leave(line)
    assert b"a\\x03b" in got


def test_text_stays_out_of_frames(board: VirtualBoard) -> None:
    code = STDIO + (
        "frame = bytearray(b'\\xc0' + b'\\x10' * 300 + b'\\xc0')\n"
        "at = link.write(frame, 0, 100)\n"
        "port.log('in the\\nmiddle')\n"
        "while at < len(frame):\n"
        "    at += link.write(frame, at, len(frame))\n"
        "link.readinto(bytearray(1))\n"
    )
    with Line(board) as line:
        start(line, code)
        got = line.until(b"\x04>")
        leave(line)
    frame = b"\xc0" + b"\x10" * 300 + b"\xc0"
    assert frame in got
    assert got.index(b"in the middle") > got.index(frame)
