"""`paebiru hub` as a process, with boards that are real MicroPython processes of the firmware."""

import json
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any

import pytest

import light_boards
from paebiru import recordings
from paebiru.federated.rounds import Federation
from paebiru.hub.policy import Policy
from paebiru.keys import KeyStore
from paebiru.sim import plan
from paebiru.sim.board import SimBoard
from sil.protocol import Task

PAEBIRU = str(Path(sys.executable).with_name("paebiru"))
BOARDS = int(os.environ.get("PAEBIRU_BOARDS", "5"))
ROUNDS = int(os.environ.get("PAEBIRU_ROUNDS", "8"))

pytestmark = pytest.mark.skipif(light_boards.VM is None, reason="no micropython: make setup")


class HubProcess:
    """The command, and the events that it writes."""

    def __init__(self, folder: Path, *options: str, api: bool = False) -> None:
        command = [PAEBIRU, "hub", "--dir", str(folder), "--no-find", "--json", *options]
        if not api:
            command.append("--no-api")
        self.events: list[dict[str, Any]] = []
        self._queue: queue.Queue[dict[str, Any]] = queue.Queue()
        self.process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self._queue.put(json.loads(line))
        self._queue.put({"event": "end"})

    def until(self, done: Callable[[dict[str, Any]], bool], limit: float = 120) -> dict[str, Any]:
        """Return the first event from now on for which `done` holds."""
        end = time.monotonic() + limit
        while True:
            said = self._queue.get(timeout=max(end - time.monotonic(), 0.01))
            self.events.append(said)
            if done(said):
                return said
            if said["event"] == "end":
                assert self.process.stderr is not None
                raise AssertionError(f"the hub ended: {self.process.stderr.read()}")

    def event(self, name: str, limit: float = 120) -> dict[str, Any]:
        return self.until(lambda said: said["event"] == name, limit)

    def stop(self) -> int:
        self.process.send_signal(signal.SIGINT)
        return self.process.wait(20)


@contextmanager
def hub(folder: Path, *options: str) -> Iterator[HubProcess]:
    running = HubProcess(folder, *options)
    try:
        yield running
    finally:
        if running.process.poll() is None:
            running.process.kill()
        running.process.wait()


def make_boards(
    folder: Path, count: int, port: int, samples: int = 60
) -> list[light_boards.LightBoard]:
    """Make boards with their share of the digits, and the hub's keys for them."""
    world = plan.prepare(plan.Plan(clients=max(count, 10)))
    (folder / "hub").mkdir(exist_ok=True)
    keys = KeyStore(folder / "hub" / "keys.sqlite")
    made = []
    for number in range(count):
        rows = world.parts[number][:samples]
        recording = recordings.record(world.split.train_x[rows], world.split.train_y[rows])
        given = {
            "name": f"light-{number}",
            "links": ["tcp"],
            "link": {"tcp": {"host": "127.0.0.1", "port": port}},
            "watchdog_ms": 0,
            "sensors": [
                {
                    "driver": "replay", "layer": 0, "file": "d.jsil", "inputs": 64,
                    "labelled": True, "period": 1000,
                }
            ],
            "learn": {"sensor": 0, "capacity": samples, "preload": True},
        }  # fmt: skip
        files = {"d.jsil": recording}
        made.append(light_boards.make(folder / f"b{number}", number, given, files, keys))
    keys.close()
    return made


def free_port() -> int:
    import socket

    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def test_a_fleet_of_vms_learns_while_boards_are_killed(tmp_path: Path) -> None:
    port = free_port()
    boards = make_boards(tmp_path, BOARDS, port)
    random = Random(1)
    options = ("--listen", f"127.0.0.1:{port}", "--boards", str(max(2, BOARDS * 2 // 3)))
    with ExitStack() as stack:
        for board in boards:
            stack.callback(board.kill)
        running = stack.enter_context(
            hub(tmp_path / "hub", *options, "--rounds", str(ROUNDS), "--deadline", "20", "--no-api")
        )
        running.event("listening")
        for board in boards:
            board.start()
        summaries = []
        for number in range(1, ROUNDS + 1):
            running.until(lambda said, n=number: said["event"] == "open" and said["round"] == n)  # type: ignore[misc]
            for _ in range(max(1, BOARDS // 10)):
                board = random.choice(boards)
                board.kill()
                board.start()
            summaries.append(running.event("round"))
        stopped = running.event("stopped")
        assert running.process.wait(20) == 0
    assert summaries[-1]["accuracy"] > summaries[0]["accuracy"] + 0.1
    assert all(summary["updates"] >= 1 for summary in summaries)
    assert sum(summary["updates"] for summary in summaries) >= ROUNDS * len(boards) * 0.6
    assert stopped["round"] == ROUNDS
    assert (tmp_path / "hub" / "model.jsil").stat().st_size > 500
    assert not any(said["event"] == "refused" for said in running.events)


def test_a_missing_board_does_not_hold_the_round_and_a_revoked_one_is_hung_up_on(
    tmp_path: Path,
) -> None:
    port = free_port()
    boards = make_boards(tmp_path, 2, port, samples=20)
    with ExitStack() as stack:
        for board in boards:
            stack.callback(board.kill)
        running = stack.enter_context(
            hub(
                tmp_path / "hub", "--listen", f"127.0.0.1:{port}", "--boards", "2", "--rounds",
                "50", "--deadline", "3", "--no-api",
            )
        )  # fmt: skip
        running.event("listening")
        for board in boards:
            board.start()
        running.event("open")
        boards[0].kill()
        missing = running.until(lambda said: said["event"] == "round" and bool(said["missing"]))
        assert missing["missing"] == [boards[0].device.hex()]
        done = subprocess.run(
            [PAEBIRU, "keys", "revoke", boards[1].device.hex(), "--keys",
             str(tmp_path / "hub" / "keys.sqlite")],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        running.event("revoked", 20)
        running.until(lambda said: said["event"] == "down", 20)
        assert running.stop() == 0


def undisturbed(boards: int, rounds: int, samples: int) -> str:
    """Return the name of the model of the same boards where nothing goes wrong."""
    world = plan.prepare(plan.Plan(clients=max(boards, 10)))
    fed = Federation(Task(world.sizes, world.split.signed, 500), seed=0)
    model = fed.model()
    fewer = replace(world, parts=[part[:samples] for part in world.parts])
    fleet = [(b"light%03d" % i, SimBoard(fewer, i, model)) for i in range(boards)]
    for number in range(rounds):
        before = fed.before if number else fed.name
        fed.open()
        for name, board in fleet:
            fed.take(name, board.round(fed.order(name, before, board.samples)))
        fed.close()
    return fed.name.hex()


def test_a_hub_that_is_killed_goes_on_to_the_same_model(tmp_path: Path) -> None:
    """SIGKILL at seeded moments, then --resume: not one update is lost or counted twice."""
    port, rounds = free_port(), 6
    boards = make_boards(tmp_path, 2, port, samples=30)
    options = ("--listen", f"127.0.0.1:{port}", "--boards", "2", "--rounds", str(rounds),
               "--least", "2", "--deadline", "60", "--no-api")  # fmt: skip
    random = Random(7)
    starts = 0
    with ExitStack() as stack:
        for board in boards:
            stack.callback(board.kill)
            board.start()
        while True:
            starts += 1
            again = ("--resume",) if starts > 1 else ()
            with hub(tmp_path / "hub", *options, *again) as running:
                running.event("listening")
                if starts <= 4:
                    running.until(lambda said: said["event"] in ("update", "open"), 60)
                    time.sleep(random.uniform(0, 0.3))
                    running.process.kill()
                    continue
                stopped = running.event("finished")
                break
    assert stopped["round"] == rounds
    assert stopped["model"] == undisturbed(2, rounds, 30)


def test_resume_and_its_absence_are_told(tmp_path: Path) -> None:
    def run(*options: str) -> str:
        done = subprocess.run(
            [PAEBIRU, "hub", "--dir", str(tmp_path), "--no-find", "--no-api", "--listen",
             "127.0.0.1:0", *options],
            capture_output=True, text=True, check=False, timeout=60,
        )  # fmt: skip
        assert done.returncode == 2
        return done.stderr

    assert "start without --resume" in run("--resume")
    with hub(tmp_path, "--listen", "127.0.0.1:0", "--no-api") as running:
        running.event("listening")
        assert running.stop() == 0
    assert "--resume" in run()
    assert "64-32-10" in run("--resume", "--hidden", "16")


def test_a_taken_port_is_one_clear_line(tmp_path: Path) -> None:
    import socket

    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        one.listen()
        port = one.getsockname()[1]
        done = subprocess.run(
            [PAEBIRU, "hub", "--dir", str(tmp_path), "--no-find", "--no-api",
             "--listen", f"127.0.0.1:{port}"],
            capture_output=True, text=True, check=False, timeout=60,
        )  # fmt: skip
    assert done.returncode == 2
    assert "cannot listen" in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


@pytest.mark.parametrize(
    ("option", "value"),
    [("rounds", 0), ("boards", 0), ("fraction", 0), ("fraction", 2), ("over", -1),
     ("deadline", 0), ("least", 0), ("least", 5)],
)  # fmt: skip
def test_a_wrong_policy_names_the_option(option: str, value: Any) -> None:
    from paebiru.errors import UsageError

    with pytest.raises(UsageError, match=option):
        Policy(**{option: value}).check()


def test_the_sample_of_boards_is_seeded_and_large_enough() -> None:
    there = [bytes([i]) * 8 for i in range(20)]
    policy = Policy(fraction=0.5, over=0.2)
    first = policy.chosen(there, 1, 7)
    assert first == policy.chosen(there, 1, 7)
    assert len(first) == 12
    assert first != policy.chosen(there, 2, 7)
    assert Policy().chosen(there, 1, 7) == frozenset(there)
