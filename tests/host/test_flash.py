"""`paebiru flash` against a mock bootloader: what is written is there, what is wrong is told."""

import grp  # before a test turns into somebody who may not read it
import os
import pty
import random
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
import serial

from flash_peer import Flash, Peer, real_image
from paebiru import boards, flashing
from paebiru.commands import flash as flash_command
from paebiru.errors import UsageError
from paebiru.flashing import chip as chip_side
from test_flash_image import made

OFFSET = 0x1000
VERSION = "MicroPython v1.16-237-g1613dc8a1-dirty"


def command(*words: object) -> subprocess.CompletedProcess[str]:
    """Run the real command, as a process of its own."""
    line = [sys.executable, "-m", "paebiru.cli", "flash", *map(str, words)]
    return subprocess.run(line, capture_output=True, text=True, timeout=180, check=False)


def told(done: subprocess.CompletedProcess[str]) -> str:
    """Return the one line of a refusal."""
    assert done.returncode == 2, done.stdout + done.stderr
    assert done.stdout == ""
    assert len(done.stderr.splitlines()) == 1, done.stderr
    assert "Traceback" not in done.stderr
    return done.stderr.removeprefix("paebiru: ").rstrip()


def refusal(port: str, board: str = "esp32_devkit", image: Path | None = None) -> str:
    """Return what flashing in this process is refused with."""
    found = boards.load(board)
    with pytest.raises(UsageError) as caught:
        flashing.flash(found, port, flashing.inspect(image or real_image(), found))
    message = str(caught.value)
    assert "\n" not in message
    return message


# It works


def test_a_real_image_is_written_and_verified() -> None:
    image = real_image().read_bytes()
    with Peer("esp32") as peer:
        peer.flash.data[0x300000] = 0x5A  # a file of the board's
        done = command("--board", "esp32_devkit", "--port", peer.port, "--image", real_image())
    assert done.returncode == 0, done.stderr
    assert done.stdout == (
        f"esp32_devkit (ESP32): {VERSION}, 1.6 MB at 0x1000, written and verified,"
        " press RESET (EN) to start it; its files are at 0x200000\n"
    )
    assert done.stderr == ""
    assert peer.flash.data[OFFSET : OFFSET + len(image)] == image
    assert peer.flash.data[:OFFSET].strip(b"\xff") == b""
    assert peer.flash.data[0x300000] == 0x5A, "files are kept"


def test_erase_removes_everything_else(tmp_path: Path) -> None:
    image = made(tmp_path, boards.load("esp32_devkit"))
    with Peer("esp32") as peer:
        peer.flash.data[0x300000] = 0x5A
        done = command(
            "--board", "esp32_devkit", "--port", peer.port, "--image", image, "--erase",
            "--baud", 115200,
        )  # fmt: skip
    assert done.returncode == 0, done.stderr
    data = image.read_bytes()
    assert peer.flash.data[OFFSET : OFFSET + len(data)] == data
    assert peer.flash.data[OFFSET + len(data) :].strip(b"\xff") == b""


@pytest.mark.parametrize("name", ["esp32s3_devkitc", "esp32c3_supermini", "qtpy_esp32s3"])
def test_other_chips_begin_at_zero(name: str, tmp_path: Path) -> None:
    board = boards.load(name)
    image = made(tmp_path, board)
    with Peer(board.chip) as peer:
        done = flashing.flash(board, peer.port, flashing.inspect(image, board))
    assert done.address == 0
    data = image.read_bytes()
    assert peer.flash.data[: len(data)] == data


def test_over_tcp_and_the_mocks_own_process(tmp_path: Path) -> None:
    image = made(tmp_path, boards.load("esp32_devkit"))
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    words = [sys.executable, "-m", "esp32_mock_bootloader.cli", "run", "--chip", "esp32"]
    words += ["--port", str(port), "--timeout", "50"]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as mock:
        try:
            assert mock.stdout is not None
            assert "listening" in mock.stdout.readline()
            url = f"socket://127.0.0.1:{port}"
            done = command("--board", "esp32_devkit", "--port", url, "--image", image)
        finally:
            mock.kill()
    assert done.returncode == 0, done.stderr
    assert "written and verified, press RESET" in done.stdout


def test_progress_goes_on_to_the_end(tmp_path: Path) -> None:
    board = boards.load("esp32_devkit")
    image = flashing.inspect(made(tmp_path, board, code=300_000), board)
    seen: list[tuple[int, int]] = []
    with Peer("esp32") as peer:
        flashing.flash(
            board, peer.port, image, progress=lambda now, total: seen.append((now, total))
        )
    assert len(seen) > 15
    assert seen == sorted(seen)
    assert seen[-1][0] == seen[-1][1] > 300_000


def test_a_terminal_is_shown_a_bar(tmp_path: Path) -> None:
    image = made(tmp_path, boards.load("esp32_devkit"), code=300_000)
    ours, theirs = pty.openpty()
    with Peer("esp32") as peer:
        words = ["--board", "esp32_devkit", "--port", peer.port, "--image", str(image)]
        with subprocess.Popen(
            [sys.executable, "-m", "paebiru.cli", "flash", *words],
            stdin=subprocess.DEVNULL, stdout=theirs, stderr=theirs,
            env={**os.environ, "TERM": "xterm-256color", "COLUMNS": "120"},
        ) as done:  # fmt: skip
            os.close(theirs)
            shown = b"".join(_until_closed(ours)).decode()
    assert done.returncode == 0, shown
    assert "kB" in shown and "━" in shown
    assert "written and verified" in shown
    assert "Hash of data" not in shown, "esptool is quiet"


def _until_closed(terminal: int) -> Iterator[bytes]:
    while True:
        try:
            data = os.read(terminal, 4096)
        except OSError:  # EIO: nobody has the other end any more
            break
        if not data:
            break
        yield data
    os.close(terminal)


# The chip is not right, or not well


@pytest.mark.parametrize(
    ("chip", "name"), [("esp32s3", "ESP32-S3"), ("esp32c3", "ESP32-C3"), ("esp32s2", "ESP32-S2")]
)
def test_another_chip_is_refused_unwritten(chip: str, name: str) -> None:
    with Peer(chip) as peer:
        said = refusal(peer.port)
    assert said == (
        f"the chip at {peer.port} is an {name}, and esp32_devkit has an ESP32: give its own"
        " --board (paebiru boards lists them), or another --port"
    )
    assert peer.flash.data.strip(b"\xff") == b""


def test_an_esp32_is_no_s3(tmp_path: Path) -> None:
    board = boards.load("esp32s3_devkitc")
    with Peer("esp32") as peer:
        said = refusal(peer.port, board.name, made(tmp_path, board))
    assert "is an ESP32, and esp32s3_devkitc has an ESP32-S3" in said
    assert peer.flash.data.strip(b"\xff") == b""


def test_flash_that_does_not_take_a_byte(tmp_path: Path) -> None:
    image = made(tmp_path, boards.load("esp32_devkit"))
    # Of all bytes one that the image wants otherwise.
    at = OFFSET + image.read_bytes().index(b"MicroPython v1.29")
    with Peer("esp32", Flash(stuck_at=at)) as peer:
        said = refusal(peer.port, image=image)
    assert "writing failed (MD5 of file does not match data in flash" in said
    assert "--baud 115200" in said


def test_less_flash_than_the_image_needs(tmp_path: Path) -> None:
    """The mock's chip has 4 MiB."""
    board = boards.load("esp32s3_devkitc")
    image = made(tmp_path, board, files=(0x200000, 0x600000))
    with Peer("esp32s3") as peer:
        said = refusal(peer.port, board.name, image)
    assert "has 4096 KiB of flash, and the image needs 8192" in said
    assert peer.flash.data.strip(b"\xff") == b""


# The port is not right


def test_a_port_that_is_not_there() -> None:
    done = command("--board", "esp32_devkit", "--port", "/dev/ttyUSB97", "--image", real_image())
    assert told(done).startswith("/dev/ttyUSB97 is not there: plug the board in")


def test_a_port_that_somebody_has() -> None:
    with Peer("esp32") as peer, serial.Serial(peer.port, exclusive=True):
        said = refusal(peer.port)
    assert said == (
        f"{peer.port} is in use: close the monitor, REPL or IDE that has it, and try again"
    )


def test_a_port_that_is_not_ours() -> None:
    """Opened by another user, since root may open everything."""
    with Peer("esp32") as peer:
        Path(peer.device).chmod(0)
        gid = Path(peer.device).stat().st_gid
        read, write = os.pipe()
        child = os.fork()
        if child == 0:
            try:
                if os.getuid() == 0:
                    os.setgroups([])
                    os.setgid(65534)
                    os.setuid(65534)
                chip_side._open(peer.device)
                said = "it was opened"
            except BaseException as error:
                said = f"{type(error).__name__} {error}"
            os.write(write, said.encode())
            os._exit(0)
        os.waitpid(child, 0)
        os.close(write)
        said = os.read(read, 4096).decode()
        os.close(read)
    group = grp.getgrgid(gid).gr_name
    assert said == (
        f"UsageError {peer.device} may not be opened by you: sudo usermod -aG"
        f" {'dialout' if group == 'root' else group} $USER, log out and in again"
    )


def test_a_file_is_no_port(tmp_path: Path) -> None:
    file = tmp_path / "port"
    file.write_bytes(b"")
    assert f"{file} is no serial port" in refusal(str(file))


def test_nobody_listens_there() -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    assert "cannot be reached" in refusal(f"socket://127.0.0.1:{port}")
    assert "cannot be reached" in refusal("nothing://x")


def test_nobody_answers() -> None:
    ours, theirs = pty.openpty()
    began = time.monotonic()
    try:
        said = refusal(os.ttyname(theirs))
    finally:
        os.close(ours)
        os.close(theirs)
    assert "no ESP32 answers (Failed to connect" in said
    assert "hold BOOT" in said
    assert time.monotonic() - began < 120


CHATTER = [b"MicroPython v1.29 on ESP32\r\n>>> ", b"\xc0", random.Random(3).randbytes(64)]


@pytest.mark.parametrize("chatter", CHATTER, ids=["repl", "frames", "noise"])
def test_something_else_answers(chatter: bytes) -> None:
    """A REPL, noise: it is no bootloader, and the call ends."""
    ours, theirs = pty.openpty()
    child = os.fork()
    if child == 0:
        try:
            while os.read(ours, 4096):
                os.write(ours, chatter)
        finally:
            os._exit(0)
    try:
        said = refusal(os.ttyname(theirs))
    finally:
        os.kill(child, 9)
        os.waitpid(child, 0)
        os.close(ours)
        os.close(theirs)
    assert "no ESP32 answers" in said


def test_a_port_that_goes_away_while_writing(tmp_path: Path) -> None:
    image = made(tmp_path, boards.load("esp32_devkit"), code=300_000)
    with Peer("esp32", pulled_after=200_000) as peer:
        said = refusal(peer.port, image=image)
        assert peer.flash.data.strip(b"\xff") != b"", "it had begun"
    assert said.startswith(f"{peer.port} went away while writing (")
    assert said.endswith("run the command again; the board has half an image until then")


def test_a_port_that_goes_away_at_once() -> None:
    with Peer("esp32", pulled_after=1) as peer:
        said = refusal(peer.port)
    assert said.startswith(f"{peer.port} went away while looking for the chip (")
    assert said.endswith("run the command again")


@pytest.mark.parametrize("fails", [True, False])
def test_a_restart_that_fails_is_no_failure(
    fails: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The image is there and verified by then: the user is told to press RESET."""

    def reset(esp: object, mode: str = "") -> None:
        if fails:
            raise serial.SerialException("the chip took its USB port with it")

    monkeypatch.setattr("esptool.cmds.reset_chip", reset)
    monkeypatch.setattr(chip_side, "_can_reset", lambda line: True)
    board = boards.load("esp32_devkit")
    with Peer("esp32") as peer:
        done = flashing.flash(board, peer.port, flashing.inspect(made(tmp_path, board), board))
    assert done.restarted is not fails


def test_the_port_is_let_go_whatever_happens() -> None:
    with Peer("esp32s3") as peer:
        refusal(peer.port)
        with serial.Serial(peer.port, exclusive=True):
            pass


# The command line is not right


def wrong(**words: object) -> str:
    """Return what the command, called in this process, is refused with."""
    with pytest.raises(UsageError) as caught:
        flash_command.flash(**words)  # type: ignore[arg-type]
    return str(caught.value)


def test_without_an_image_it_says_where_to_get_one() -> None:
    assert wrong(board="esp32c3_supermini", port="/dev/ttyUSB97") == (
        "give --image: the newest .bin for esp32c3_supermini is at"
        " https://micropython.org/download/ESP32_GENERIC_C3/"
    )


def test_what_is_not_flashed() -> None:
    image = real_image()
    assert wrong(board="vm").startswith("vm is not flashed")
    assert "no board is called 'none'" in wrong(board="none")
    assert "--baud 5 cannot be" in wrong(board="esp32_devkit", image=image, baud=5)
    assert "cannot be read" in wrong(board="esp32_devkit", image=Path("none.bin"))
    assert "is for ESP32, and" in wrong(board="qtpy_esp32s3", image=image)


class Found(NamedTuple):
    device: str
    vid: int | None
    pid: int | None


@pytest.mark.parametrize(
    ("ports", "said"),
    [
        ([], "name the port with --port (ports that may be esp32_devkit: none)"),
        ([Found("/dev/ttyS0", None, None), Found("/dev/ttyACM0", 0x303A, 0x1001)], "none)"),
        ([Found("/dev/a", 0x10C4, 0xEA60), Found("/dev/b", 0x1A86, 0x7523)], "/dev/a, /dev/b)"),
        ([Found("/dev/ttyUSB97", 0x10C4, 0xEA60)], "/dev/ttyUSB97 is not there: plug"),
    ],
    ids=["none", "others", "two", "one"],
)
def test_the_port_is_found_by_the_boards_usb_ids(
    ports: list[Found], said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("serial.tools.list_ports.comports", lambda: ports)
    monkeypatch.setattr("paebiru.transport.serial.discover", list)
    assert said in wrong(board="esp32_devkit", image=real_image())


def test_without_esptool(monkeypatch: pytest.MonkeyPatch) -> None:
    image = real_image()
    monkeypatch.setitem(sys.modules, "esptool", None)
    with pytest.raises(UsageError, match=r"needs esptool: pip install 'paebiru\[deploy\]'"):
        flashing.inspect(image, boards.load("esp32_devkit"))
