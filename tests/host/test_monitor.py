"""`paebiru monitor`: a deployed node on a virtual board, its link answered as its hub would."""

import asyncio
import json
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from queue import Empty, Queue
from typing import Any

import pytest

from deployed import HEAP, PATIENCE, bundle, paebiru
from hub_process import free_port
from paebiru import monitor_show
from paebiru.coordinator import Coordinator
from paebiru.deploy.copy import copy
from paebiru.errors import UsageError
from paebiru.keys import KeyStore
from paebiru.monitor import _name
from paebiru.monitor_line import answer
from paebiru.vboard import VirtualBoard


@pytest.fixture(scope="module")
def board(tmp_path_factory: pytest.TempPathFactory) -> Iterator[VirtualBoard]:
    """A virtual board with a node on it that speaks by USB, and has a key in keys.sqlite."""
    folder = tmp_path_factory.mktemp("monitor")
    with VirtualBoard(folder / "board", heap=HEAP) as virtual:
        copy(virtual.port, bundle())
        assert "enrolled" in paebiru("enroll", virtual.port, "--keys", keys_of(virtual))
        yield virtual


def keys_of(board: VirtualBoard) -> Path:
    return board.folder.parent / "keys.sqlite"


class Monitor:
    """The command, running; its lines as they come."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self.process = process
        self._lines: Queue[str] = Queue()
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        assert self.process.stdout
        for line in self.process.stdout:
            self._lines.put(line)

    def line(self) -> str:
        try:
            return self._lines.get(timeout=PATIENCE)
        except Empty:
            pytest.fail("the monitor says nothing")

    def until(self, *events: str) -> dict[str, dict[str, Any]]:
        """Return the first record of each of the events."""
        found: dict[str, dict[str, Any]] = {}
        deadline = time.monotonic() + PATIENCE
        while set(events) - set(found):
            assert time.monotonic() < deadline, found
            record = json.loads(self.line())
            found.setdefault(record["event"], record)
        return found


@contextmanager
def monitor(*words: str | Path) -> Iterator[Monitor]:
    """Run the command; end it as Ctrl-C does, and see that it ends well."""
    process = subprocess.Popen(
        [sys.executable, "-m", "paebiru.cli", "monitor", *map(str, words)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield Monitor(process)
        process.send_signal(signal.SIGINT)
        assert process.wait(PATIENCE) == 0
        assert process.stderr
        assert process.stderr.read() == ""
    finally:
        process.kill()
        process.wait()


def test_what_a_board_says(board: VirtualBoard) -> None:
    with monitor(board.port, "--keys", keys_of(board), "--json") as shown:
        found = shown.until("up", "status", "states", "health")
        said = paebiru("enroll", board.port, "--keys", keys_of(board), code=2)
        assert "in use: end the program" in said
    assert found["up"]["device"] == board.id
    assert found["status"]["layers"] == ["photonic"]
    assert found["status"]["phase"] == "no model"
    states = [bytes.fromhex(state) for state in found["states"]["states"]]
    assert len(states) == 4
    assert all(len(state) == 16 and state[0] and not any(state[1:]) for state in states)
    assert found["states"]["period"] == 100
    assert found["health"]["cause"] == "reset"
    assert found["health"]["reasons"] == []
    assert found["health"]["free"] > 10_000


def test_plain_lines_then_a_node_that_hears_no_ctrl_c(board: VirtualBoard) -> None:
    """While its link is up Ctrl-C is data to the node: enroll waits until it lets go."""
    with monitor(board.port, "--keys", keys_of(board)) as shown:
        words = ""
        while "photonic" not in words:
            words += shown.line()
        assert f"{board.id} up\n" in words
    begun = time.monotonic()
    assert "epoch" in paebiru("enroll", board.port, "--keys", keys_of(board))
    assert time.monotonic() - begun > 4, "there was nothing to wait for"


def test_a_board_that_calls_by_tcp(tmp_path: Path) -> None:
    port = free_port()
    link = {"tcp": {"host": "127.0.0.1", "port": port}}
    keys = tmp_path / "keys.sqlite"
    with VirtualBoard(tmp_path / "board", heap=HEAP) as virtual:
        copy(virtual.port, bundle(links=["tcp"], link=link))
        paebiru("enroll", virtual.port, "--keys", keys)
        with monitor(f"tcp://127.0.0.1:{port}", "--keys", keys, "--json") as shown:
            found = shown.until("up", "states")
            assert found["up"]["device"] == virtual.id


def test_a_stranger_is_named_and_not_let_in(board: VirtualBoard, tmp_path: Path) -> None:
    with closing(KeyStore(tmp_path / "keys.sqlite")) as store:
        store.enroll(b"somebody", store.new_key(b"somebody"))
    with monitor(board.port, "--keys", tmp_path / "keys.sqlite", "--json") as shown:
        found = shown.until("stranger")
    assert found["stranger"]["device"] == board.id
    assert not found["stranger"]["known"]
    assert "up" not in found


def test_errors(board: VirtualBoard, tmp_path: Path) -> None:
    none = tmp_path / "keys.sqlite"
    assert "no board has a key in" in paebiru("monitor", board.port, "--keys", none, code=2)
    assert not none.exists()
    desk = Coordinator(lambda device, epoch: None)
    for port, message in (
        ("/dev/ttyNONE7", "there is no port /dev/ttyNONE7"),
        ("socket://127.0.0.1:9", "nothing answers at"),
        ("tcp://127.0.0.1", "is no address"),
        ("tcp://192.0.2.1:7353", "cannot listen on"),
    ):
        with pytest.raises(UsageError, match=message):
            asyncio.run(answer(port, desk))


def test_words_and_screen() -> None:
    state = bytearray(16)
    state[0], state[6] = 0x94, 0x70
    assert monitor_show.layer_text(bytes(state)) == "photonic +1∠90°, psychomotor -1∠0°"
    record = {
        "event": "states", "device": "ab", "at": 1000, "period": 200, "lost": 3,
        "states": [bytes(16).hex(), bytes(state).hex()],
    }  # fmt: skip
    lines = monitor_show.words(record)
    assert lines[0] == "ab states 1000 ms nothing, 3 lost before"
    assert lines[1].startswith("ab states 1200 ms photonic")
    with monitor_show.Screen() as screen:
        screen.record(record)
        screen.record({"event": "text", "device": "ab", "text": "[bold]not markup[/nor this]"})
        screen.say("the line is gone")


def test_a_device_is_named_as_people_type_it() -> None:
    for typed, device in (
        ("3c71bf8c1e2d", "3c71bf8c1e2d0000"),
        ("3c71bf8c1e00", "3c71bf8c1e000000"),  # a MAC that ends in zeros of its own
        ("626f6172642d3031", "626f6172642d3031"),
    ):
        assert _name(bytes.fromhex(device)) == typed
