"""`paebiru hub` as a process, with boards that are real MicroPython processes of the firmware."""

import asyncio
import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any

import pytest

import killed_fleet
import light_boards
from hub_process import PAEBIRU, free_port, hub
from paebiru import accel
from paebiru.errors import UsageError
from paebiru.hub.api import Api
from paebiru.hub.lines import Lines
from paebiru.hub.policy import Policy
from paebiru.hub.run import Options, serve
from paebiru.hub.tell import Telling
from paebiru.keys import KeyStore
from paebiru.store import Store

BOARDS = int(os.environ.get("PAEBIRU_BOARDS", "5"))
ROUNDS = int(os.environ.get("PAEBIRU_ROUNDS", "5"))

pytestmark = pytest.mark.skipif(light_boards.VM is None, reason="no micropython: make setup")


@pytest.fixture(autouse=True, scope="module")
def compiled() -> Iterator[None]:
    """Let simulated boards train fast: the bytes are the same (test_numba)."""
    accel.install("numba")
    yield
    accel.install("plain")


def make_boards(
    folder: Path, count: int, port: int, samples: int = 60
) -> list[light_boards.LightBoard]:
    """Make boards with their share of the digits, and the hub's keys for them."""
    (folder / "hub").mkdir(exist_ok=True)
    world = killed_fleet.world_of(count, samples=samples)
    with closing(KeyStore(folder / "hub" / "keys.sqlite")) as keys:
        bundles = killed_fleet.Bundles(world)
        return killed_fleet.by_tcp(folder, bundles, range(count), port, keys)


def test_a_fleet_of_vms_learns_while_boards_are_killed(tmp_path: Path) -> None:
    """By TCP and pty: kill -9 changes not one byte of the model, and no update is lost."""
    world = killed_fleet.world_of(BOARDS)
    found = killed_fleet.run(tmp_path, world, ptys=max(1, BOARDS // 3), rounds=ROUNDS, share=0.1)
    names = [member.device for member in found.members]
    model, accuracy = killed_fleet.undisturbed(world, names, ROUNDS)
    assert sum(member.kills for member in found.members) >= ROUNDS
    everybody = {name.hex() for name in names}
    assert found.rosters == dict.fromkeys(range(1, ROUNDS + 1), everybody)
    assert found.told == found.rosters
    assert found.lost() == 0
    assert found.model == model
    assert [said["accuracy"] for said in found.rounds] == accuracy
    assert accuracy[-1] > accuracy[0] + 0.1
    # The ledger has every board's line in every round, both ways, and no other line.
    lines = {member.device: member.line for member in found.members}
    assert {row[:2] for row in found.ledger} == set(lines.items())
    for number in range(1, ROUNDS + 1):
        some = {row[0:3:2] for row in found.ledger if row[3] == number}
        assert some == {(name, way) for name in names for way in ("up", "down")}
    payloads = sum(said["bytes_up"] for said in found.rounds)
    assert sum(found.bytes_of(name, "up") for name in names) > payloads


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
        boards[0].hold(1)  # it answers no round, however late it is killed
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
        running.event("revoked")
        running.event("down")
        assert running.stop() == 0


def test_a_hub_that_is_killed_goes_on_to_the_same_model(tmp_path: Path) -> None:
    """SIGKILL at seeded moments, then --resume: not one update is lost or counted twice.

    A board is held back from the last round, which no hub but the last one can close.
    """
    port, rounds = free_port(), 6
    boards = make_boards(tmp_path, 2, port, samples=30)
    options = ("--listen", f"127.0.0.1:{port}", "--boards", "2", "--rounds", str(rounds),
               "--least", "2", "--deadline", "60", "--no-api")  # fmt: skip
    random = Random(7)
    boards[1].hold(rounds)
    with ExitStack() as stack:
        for board in boards:
            stack.callback(board.kill)
            board.start()
        for start in range(4):
            again = ("--resume",) if start else ()
            with hub(tmp_path / "hub", *options, *again) as running:
                running.until(lambda said: said["event"] in ("update", "open", "status"))
                time.sleep(random.uniform(0, 0.3))
                assert running.process.poll() is None
                running.process.kill()
        boards[1].release()
        with hub(tmp_path / "hub", *options, "--resume") as running:
            stopped = running.event("finished")
    assert stopped["round"] == rounds
    names = [board.device for board in boards]
    model, _ = killed_fleet.undisturbed(killed_fleet.world_of(2, samples=30), names, rounds)
    assert stopped["model"] == model


def test_resume_and_its_absence_are_told(tmp_path: Path) -> None:
    def run(*options: str) -> str:
        done = subprocess.run(
            [PAEBIRU, "hub", "--dir", str(tmp_path), "--no-find", "--no-api", "--listen",
             "127.0.0.1:0", *options],
            capture_output=True, text=True, check=False, timeout=180,
        )  # fmt: skip
        assert done.returncode == 2
        return done.stderr

    assert "start without --resume" in run("--resume")
    with hub(tmp_path, "--listen", "127.0.0.1:0", "--no-api") as running:
        running.event("listening")
        assert running.stop() == 0
    assert "--resume" in run()
    assert "64-32-10" in run("--resume", "--hidden", "16")


def test_what_is_refused_begins_no_federation(tmp_path: Path) -> None:
    """The start with the right options is a first one: it needs no --resume."""
    places = tmp_path / "places.toml"
    places.write_text("[places]\nkitchen = 1\n")
    good = Options(tmp_path / "hub", port=0)
    wrong: list[tuple[dict[str, Any], str]] = [
        ({"api": Api("0.0.0.0", 7380)}, "--token-file"),
        ({"policy": Policy(least=5)}, "--least 5 is more than --boards 1"),
        ({"policy": Policy(deadline=0)}, "--deadline"),
        ({"places": places}, "places.toml: "),
        ({"places": tmp_path / "nowhere.toml"}, "nowhere.toml"),
    ]
    for changed, says in wrong:
        with pytest.raises(UsageError, match=says):
            asyncio.run(serve(replace(good, **changed), Telling()))
        with closing(Store(good.folder)) as store:
            assert not store.history.all(), changed
    with hub(good.folder, "--listen", "127.0.0.1:0", "--no-api") as running:
        running.event("listening")
        assert running.stop() == 0


def test_a_taken_port_is_one_clear_line(tmp_path: Path) -> None:
    import socket

    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        one.listen()
        port = one.getsockname()[1]
        done = subprocess.run(
            [PAEBIRU, "hub", "--dir", str(tmp_path), "--no-find", "--no-api",
             "--listen", f"127.0.0.1:{port}"],
            capture_output=True, text=True, check=False, timeout=180,
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


def test_a_fault_beside_the_rounds_ends_the_hub_and_is_not_kept_quiet(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fault(lines: Lines, paths: list[str], finds: bool) -> None:
        raise RuntimeError("a fault of its own")

    monkeypatch.setattr(Lines, "watch", fault)
    options = Options(tmp_path / "hub", port=0, api=None)
    with pytest.raises(RuntimeError, match="a fault of its own"):
        asyncio.run(asyncio.wait_for(serve(options, Telling()), 30))
