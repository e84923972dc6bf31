"""CircuitPython's port on stand-ins for its modules: its own lines, not the hardware's.

`test_stubs.py` holds the same files to circuitpython-stubs; nothing here or there has run on a
CircuitPython board.
"""

import socket
import time
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import port_contract as contract
from circuitpython_fakes import Board, Data, Reset, installed
from paebiru.transport.console import LineSorter, to_lines
from paebiru_node.errors import PortError

BOARD: dict[str, Any] = {
    "buses": {"i2c0": {"scl": "SCL1", "sda": "SDA1", "freq": 400000}},
    "analog": {"ph": {"pin": "A2"}},
    "streams": {
        "microphone": {"kind": "i2s", "sck": "SCK", "ws": "MOSI", "sd": "MISO", "rate": 16000},
        "odd": {"kind": "telepathy"},
    },
    "outputs": {
        "relay": {"kind": "digital", "pin": "A0"},
        "lamp": {"kind": "pwm", "pin": "A1", "freq": 1000},
        "odd": {"kind": "telepathy"},
    },
    "links": {
        "odd": {"kind": "telepathy"},
        "usb": {"kind": "stdio"},
        "uart1": {"kind": "uart", "tx": "TX", "rx": "RX", "baud": 115200},
    },
    "watchdog_ms": 30000,
}


class Bench:
    """The fake board, and the other end of one of its lines."""

    parts = True
    has_watchdog = True
    link = "usb"

    def __init__(self, fake: Board, cp: ModuleType) -> None:
        self.fake = fake
        self.cp = cp
        self.board = {**BOARD, "links": dict(BOARD["links"])}
        self.start()
        self.port = cp.Port(self.board)

    def start(self) -> None:
        """Set the other end up."""

    def close(self) -> None:
        """Take it down."""

    def again(self) -> Any:
        return self.cp.Port(self.board)


class ConsoleBench(Bench):
    """The console, and a PC's terminal that sorts its lines."""

    def start(self) -> None:
        self._sorter = LineSorter()

    def say(self, data: bytes) -> None:
        self.fake.typed += "a line of noise\r\n" + to_lines(data).decode()

    def heard(self) -> bytes:
        said, self.fake.printed = self.fake.printed, ""
        return self._sorter.feed(said.encode())

    def hang_up(self) -> bool:
        return False


class DataBench(Bench):
    """The second USB port."""

    def start(self) -> None:
        assert self.fake.data
        self._data = self.fake.data

    def say(self, data: bytes) -> None:
        self._data.waiting += data

    def heard(self) -> bytes:
        sent = bytes(self._data.sent)
        self._data.sent.clear()
        return sent

    def hang_up(self) -> bool:
        self._data.gone_for = 3
        return True


class TcpBench(Bench):
    """A hub that listens."""

    link = "hub"

    def start(self) -> None:
        self._server = socket.create_server(("127.0.0.1", 0))
        self._server.setblocking(False)
        self._line: socket.socket | None = None
        host, number = self._server.getsockname()
        self.board["links"]["hub"] = {
            "kind": "tcp",
            "host": host,
            "port": number,
            "ssid": "home",
            "password": "secret",
        }

    def _accepted(self) -> socket.socket | None:
        try:
            self._line = self._server.accept()[0]
            self._line.setblocking(False)
        except BlockingIOError:
            pass
        return self._line

    def say(self, data: bytes) -> None:
        line = self._accepted()
        assert line
        line.sendall(data)

    def heard(self) -> bytes:
        line = self._accepted()
        try:
            return line.recv(4096) if line else b""
        except BlockingIOError:
            return b""

    def hang_up(self) -> bool:
        line = self._accepted()
        assert line
        line.close()
        self._line = None
        return True

    def close(self) -> None:
        self.port.link(self.link).close()
        self._server.close()
        if self._line:
            self._line.close()


BENCHES: dict[str, type[Bench]] = {"console": ConsoleBench, "data": DataBench, "tcp": TcpBench}


@pytest.fixture
def fake(tmp_path: Path) -> Board:
    return Board(tmp_path, contract.WORLD)


@pytest.fixture
def cp(fake: Board) -> Iterator[ModuleType]:
    with installed(fake) as module:
        yield module


@pytest.mark.parametrize("check", contract.CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize("name", BENCHES)
def test_the_contract_holds(name: str, check: Any, fake: Board) -> None:
    if name == "data":
        fake.data = Data()
    with installed(fake) as cp:
        bench = BENCHES[name](fake, cp)
        try:
            check(bench)
        finally:
            bench.close()


def test_a_console_without_a_terminal_is_not_up(cp: ModuleType, fake: Board) -> None:
    link = cp.Port(BOARD).link("usb")
    fake.has_terminal = False
    assert not link.open()
    fake.has_terminal = True
    assert link.open()


def test_the_uart_takes_pieces(cp: ModuleType) -> None:
    link = cp.Port(BOARD).link("uart1")
    assert link.open()
    assert link.write(bytearray(b"..loop" + bytes(600)), 2, 606) == 256
    assert link.has_bytes()
    buf = bytearray(4)
    assert link.readinto(buf) == 4
    assert buf == b"loop"
    link.close()
    assert link.readinto(buf) == 0


def test_levels_reach_the_pins(cp: ModuleType, fake: Board) -> None:
    port = cp.Port(BOARD)
    for level, relay, lamp in ((255, True, 65535), (127, False, 32639), (128, True, 32896)):
        port.output("relay").write(level)
        port.output("lamp").write(level)
        assert fake.written == {"pin A0": relay, "pin A1": lamp}


def test_samples_are_signed_and_little_endian(cp: ModuleType) -> None:
    buf = bytearray(1000)
    assert cp.Port(BOARD).stream("microphone").readinto(buf) == 512
    assert buf[:6] == b"\xff\xff\xfe\xff\xfd\xff"
    assert cp.Port(BOARD).stream("microphone").readinto(bytearray(5)) == 4


def test_the_watchdog_counts_in_whole_seconds(cp: ModuleType, fake: Board) -> None:
    port = cp.Port({**BOARD, "watchdog_ms": 1500})
    assert fake.watchdog.mode is None
    port.feed()
    port.feed()
    assert (fake.watchdog.timeout, fake.watchdog.mode) == (2, "reset mode")
    assert fake.watchdog.fed == 2


def test_causes_and_reset(cp: ModuleType, fake: Board) -> None:
    port = cp.Port(BOARD)
    for reason, cause in (("POWER_ON", 0), ("RESET_PIN", 1), ("WATCHDOG", 2), ("UNKNOWN", 6)):
        fake.cpu.reset_reason = reason
        assert port.cause() == cause
    with pytest.raises(Reset):
        port.reset()


def test_a_drive_that_the_pc_holds(cp: ModuleType, fake: Board) -> None:
    fake.pc_holds_the_drive = True
    port = cp.Port(BOARD)
    with pytest.raises(PortError, match=r"disable_usb_drive\(\), or eject"):
        port.open("model", "wb")
    port.save("key", b"is in nvm")  # which is no part of the drive
    assert cp.Port(BOARD).load("key") == b"is in nvm"


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        ({"ssid": "hoem", "password": "secret"}, "the Wi-Fi 'hoem': No network with that ssid"),
        ({"ssid": "home", "password": "secert"}, "the Wi-Fi 'home': Authentication failure"),
    ],
)
def test_a_wrong_network_is_named(cp: ModuleType, entry: dict[str, str], words: str) -> None:
    hub = {"kind": "tcp", "host": "127.0.0.1", "port": 7353, **entry}
    link = cp.Port({**BOARD, "links": {"wifi": hub}}).link("wifi")
    with pytest.raises(PortError, match=words):
        link.open()


def test_a_hub_that_is_not_there(cp: ModuleType) -> None:
    hub = {"kind": "tcp", "host": "127.0.0.1", "port": 1, "ssid": "home", "password": "secret"}
    link = cp.Port({**BOARD, "links": {"wifi": hub}}).link("wifi")
    assert not link.open()  # joined
    with pytest.raises(ConnectionRefusedError):
        link.open()
    with pytest.raises(OSError, match="107"):
        link.write(bytearray(4), 0, 4)


def test_a_wrong_pin_is_named(cp: ModuleType) -> None:
    board = {**BOARD, "analog": {"ph": {"pin": "A9"}}}
    with pytest.raises(PortError, match="no pin 'A9'"):
        cp.Port(board).analog("ph")
    with pytest.raises(PortError, match="its description lacks 'scl'"):
        cp.Port({**BOARD, "buses": {"i2c0": {"sda": "SDA1"}}}).bus("i2c0")


def test_idle_without_lines_waits(cp: ModuleType) -> None:
    start = time.monotonic()
    cp.Port(BOARD).idle(30)
    assert time.monotonic() - start >= 0.029
