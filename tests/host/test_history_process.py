"""A hub that goes back, forks and merges, as commands; its boards are MicroPython processes."""

import sys
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

import killed_fleet
import light_boards
from hub_process import PATIENCE, HubProcess, free_port, hub
from paebiru import cli, console
from paebiru.federated import branches
from paebiru.federated.durable import at_head
from paebiru.federated.rounds import Federation
from paebiru.keys import KeyStore
from paebiru.sim.board import SimBoard
from paebiru.store import Store

pytestmark = pytest.mark.skipif(light_boards.VM is None, reason="no micropython: make setup")

SAMPLES = 20


def store(folder: Path, *args: str) -> str:
    """Return what `paebiru store …` prints on the hub's folder."""
    with (
        pytest.MonkeyPatch.context() as patch,
        console.out.capture() as told,
        pytest.raises(SystemExit) as ended,
    ):
        patch.setattr(sys, "argv", ["paebiru", "store", *args, "--dir", str(folder)])
        patch.setattr(console.out, "width", 100)
        cli.main()
    assert ended.value.code == 0
    return told.get()


def test_boards_follow_a_hub_back_onto_a_fork_and_into_a_merge(tmp_path: Path) -> None:
    port, folder = free_port(), tmp_path / "hub"
    folder.mkdir()
    world = killed_fleet.world_of(2, samples=SAMPLES)
    with closing(KeyStore(folder / "keys.sqlite")) as keys:
        bundles = killed_fleet.Bundles(world)
        boards = killed_fleet.by_tcp(tmp_path, bundles, range(2), port, keys)
    names = [board.device for board in boards]
    ids = {name.hex() for name in names}

    @contextmanager
    def held(rounds: int, *options: str) -> Iterator[HubProcess]:
        given = ("--listen", f"127.0.0.1:{port}", "--boards", "2", "--least", "2")
        with hub(folder, *given, "--rounds", str(rounds), *options) as running:
            yield running
            running.event("stopped")
            assert running.process.wait(PATIENCE) == 0

    with ExitStack() as stack:
        for board in boards:
            stack.callback(board.kill)
            board.start()
        with held(3):
            pass
        assert "round 3, head, final" in store(folder, "history")
        store(folder, "rollback", "2")
        assert "branch 1 begins at checkpoint 2 (round 1" in store(folder, "fork")
        first = checkpoint(folder, 2)
        with held(5, "--resume", "--branch", "1") as running:
            assert running.event("resuming")["model"] == first.name.hex()
            rounds = [running.event("round") for _ in range(2)]
            statuses = [said for said in running.events if said["event"] == "status"]
        assert [said["updates"] for said in rounds] == [2, 2]
        assert {said["device"] for said in statuses if said["branch"] == 1} == ids
        assert rounds[-1]["model"] == fresh(world, first, names, (4, 5)), "as new boards would"
        with held(6, "--resume") as running:  # branch 0 goes on from round 1 too
            running.event("round")
        with closing(Store(folder)) as opened:
            expected = Federation.of(branches.merged(at_head(opened), at_head(opened, 1), 1, 1))
        store(folder, "merge", "--from", "1", "--into", "0")
        with held(7, "--resume") as running:
            assert running.event("resuming")["model"] == expected.name.hex()
            last = running.event("round")
            finished = running.event("finished")
    assert finished["model"] == last["model"] == fresh(world, expected, names, (7,))
    with closing(Store(folder)) as opened:
        ledger = opened.notes.ledger()
    for number in range(1, 8):
        assert {entry[0].hex() for entry in ledger if entry[3] == number} == ids


def checkpoint(folder: Path, number: int) -> Federation:
    """Return the federation as a checkpoint has it."""
    with closing(Store(folder)) as opened:
        return Federation.of(opened.history.state(opened.history.checkpoint(number)))


def fresh(world: Any, start: Federation, names: list[bytes], numbers: tuple[int, ...]) -> str:
    """Return the model that boards without a past make of `start` in rounds of those numbers.

    A board that is sent a model whole has nothing left of what it learned on another branch.
    """
    fleet = [(name, SimBoard(world, i, start.model())) for i, name in enumerate(names)]
    for number in numbers:
        before = start.name if number == numbers[0] else start.before
        start.number = number - 1
        start.open()
        for name, board in fleet:
            start.take(name, board.round(start.order(name, before, board.samples)))
        start.close()
    return start.name.hex()
