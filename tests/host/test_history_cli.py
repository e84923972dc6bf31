"""`paebiru store`: the history of a hub's folder, shown and gone on from in other ways."""

import hashlib
import json
import re
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from durable_fleet import DEVICES, SIZES, new, play, update
from paebiru import cli, console, models
from paebiru.federated import branches
from paebiru.federated.durable import Durable, at_head, resume
from paebiru.federated.rounds import Federation
from paebiru.store import State, Store
from paebiru.store.rows import CheckpointRow, RefRow
from paebiru.store.tree import lines

Run = Callable[..., str]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Return what calls `paebiru store … --dir` and gives what it printed; `code` is its exit's."""

    monkeypatch.setattr(console.out, "width", 100)

    def call(*args: object, code: int = 0) -> str:
        words = [str(arg) for arg in args]
        monkeypatch.setattr(sys, "argv", ["paebiru", "store", *words, "--dir", str(tmp_path)])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        told = capsys.readouterr()
        assert ended.value.code == code, told
        if code:
            assert not told.out
            assert len(told.err.strip().splitlines()) == 1, told.err
        return told.err if code else told.out

    return call


def lived(folder: Path, rounds: int = 3) -> None:
    """Leave a folder behind as a hub does that has held rounds."""
    federation = new(folder)
    accuracies = iter([0.5, 0.75, 0.625, 0.25])
    federation.measure = lambda federation: {"accuracy": next(accuracies)}
    play(federation, rounds)
    federation.store.close()


def head(folder: Path, branch: int = 0) -> Durable:
    """Return a branch as another hub would go on with it."""
    with closing(Store(folder)) as store:
        return resume(store, branch)


# -- the tree


def row(number: int, kind: str, parent: int | None, branch: int = 0, **more: Any) -> CheckpointRow:
    return CheckpointRow(bytes([number]) * 8, branch, number, kind, b"", parent, id=number, **more)


def test_a_line_is_straight_and_children_are_indented() -> None:
    rows = [
        row(1, "first", None), row(2, "round", 1), row(3, "round", 2), row(4, "round", 3),
        row(5, "fork", 2, 1), row(6, "round", 5, 1), row(7, "round", 2), row(8, "round", 6),
        row(9, "merge", 7, second=6),
    ]  # fmt: skip
    refs = [RefRow(0, "head", 9), RefRow(0, "best", 3), RefRow(1, "head", 6), RefRow(2, "final", 3)]
    found = [f"{line.indent}{line.row.id} {', '.join(line.words)}" for line in lines(rows, refs)]
    assert found == [
        "1 first",
        "2 round 2",
        "├─ 3 round 3, best, final of 2",
        "│  4 round 4",
        "├─ 5 fork of 2",
        "│  6 round 6, head",
        "│  8 round 8, after a rollback",  # of branch 0, to a checkpoint of branch 1
        "└─ 7 round 7, after a rollback",
        "   9 merge of 7 and 6, head",
    ]


def test_a_long_history_is_no_deep_one() -> None:
    rows = [row(1, "first", None), *(CheckpointRow(b"", 0, n, "round", b"", n - 1, id=n)
            for n in range(2, 5000))]  # fmt: skip
    assert {line.indent for line in lines(rows, [])} == {""}


# -- what is shown


def test_history_shows_every_checkpoint_and_what_it_is(tmp_path: Path, run: Run) -> None:
    lived(tmp_path)
    shown = run("history").splitlines()
    assert shown[0].split() == ["checkpoint", "branch", "what", "accuracy", "model", "time"]
    assert [re.split(r"\s{2,}", line.strip())[2] for line in shown[1:]] == [
        "first", "round 1", "round 2, best", "round 3, head",
    ]  # fmt: skip
    first, *rounds = [json.loads(line) for line in run("history", "--json").splitlines()]
    assert (first["kind"], first["round"], first["parent"]) == ("first", None, None)
    assert [said["accuracy"] for said in rounds] == [0.5, 0.75, 0.625]
    assert [said["parent"] for said in rounds] == [1, 2, 3]
    assert rounds[1]["names"] == [{"branch": 0, "name": "best"}]
    assert rounds[2]["model"] == head(tmp_path).name.hex()
    assert rounds[2]["model"] in shown[4]
    assert "no branch 3" in run("history", "--branch", 3, code=2)


def test_models_that_were_let_go_are_said_so(tmp_path: Path, run: Run) -> None:
    federation = new(tmp_path)
    federation.keep = 1
    play(federation, 3)
    federation.store.close()
    assert "round 1, not kept" in run("history")
    for command in (["rollback"], ["fork"], ["model", "--out", tmp_path / "m.jsil"]):
        assert "let go" in run(*command[:1], 2, *command[1:], code=2)


def test_the_ledger_adds_up(tmp_path: Path, run: Run) -> None:
    lived(tmp_path, 2)
    assert "no board" in run("ledger")
    with closing(Store(tmp_path)) as store:
        for device, link, direction, number, size in [
            (DEVICES[0], "tcp", "up", 0, 7), (DEVICES[0], "tcp", "up", 1, 100),
            (DEVICES[0], "tcp", "down", 1, 30), (DEVICES[1], "serial", "up", 1, 20),
            (DEVICES[1], "serial", "up", 2, 4000),
        ]:  # fmt: skip
            store.notes.count(device, link, direction, number, size)
    one, two = DEVICES[0].hex(), DEVICES[1].hex()
    told = [json.loads(line) for line in run("ledger", "--json", "--round", 1).splitlines()]
    assert told == [
        {"round": 1, "device": one, "link": "tcp", "up": 100, "down": 30},
        {"round": 1, "device": two, "link": "serial", "up": 20, "down": 0},
    ]
    assert len(run("ledger", "--json").splitlines()) == 4
    rows = [line.split() for line in run("ledger", "--round", 1).splitlines()]
    assert [one, "tcp", "100", "B", "30", "B"] in rows
    assert rows[-1] == ["the", "round", "120", "B", "30", "B"]
    rows = [line.split() for line in run("ledger").splitlines()]
    assert ["1", "2", "120", "B", "30", "B", "60", "B", "15", "B"] in rows
    assert [two, "serial", "4", "kB", "0", "B"] in rows
    assert rows[-1] == ["all", "rounds", "4.1", "kB", "30", "B"]
    assert "no round 3" in run("ledger", "--round", 3, code=2)


def test_a_model_is_written_as_boards_have_it(tmp_path: Path, run: Run) -> None:
    lived(tmp_path)
    file = tmp_path / "m.jsil"
    for which, number in (("best", 3), ("head", 4), (2, 2)):
        told = run("model", which, "--out", file)
        assert f"checkpoint {number} (round {number - 1}, " in told
        assert hashlib.sha256(file.read_bytes()).hexdigest() in told
        with closing(Store(tmp_path)) as store:
            held = Federation.of(store.history.state(store.history.checkpoint(number)))
        assert models.load(file, SIZES)[0] == held.master.codes()
    name = head(tmp_path).name.hex()
    assert "checkpoint 4" in run("model", name, "--out", file)
    assert "no final model" in run("model", "final", "--out", file, code=2)
    assert "cannot be written" in run("model", "--out", tmp_path / "no" / "m.jsil", code=2)


# -- other ways on


def test_rollback_goes_on_from_there(tmp_path: Path, run: Run) -> None:
    lived(tmp_path)
    told = run("rollback", 2)
    assert "branch 0 goes on from checkpoint 2 (round 1, model " in told
    assert f"paebiru hub --dir {tmp_path} --resume --rounds 63" in told
    with closing(Store(tmp_path)) as store:
        federation = resume(store)
        assert federation.head.id == 2
        play(federation)
    shown = run("history")
    assert "├─ 3" in shown
    assert "round 4, after a rollback, head" in shown


def test_fork_takes_the_next_number_and_merge_joins(tmp_path: Path, run: Run) -> None:
    lived(tmp_path)
    assert "branch 1 begins at checkpoint 4" in run("fork")
    assert "--branch 2 " in run("fork", "best")
    with closing(Store(tmp_path)) as store:
        for branch in (0, 1):
            play(resume(store, branch), 1, DEVICES[2 * branch : 2 * branch + 2])
        into, other = at_head(store), at_head(store, 1)
        expected = branches.merged(into, other, mine=3, others=1)
    told = run("merge", "--from", 1, "--into", 0, "--weights", "1:3")
    merged = head(tmp_path)
    assert merged.head.kind == "merge"
    assert f"branch 0 goes on from checkpoint {merged.head.id} (merge, model" in told
    assert merged.state() == Federation.of(expected).state()
    assert head(tmp_path, 1).name == other.name
    assert f"merge of {into.head.id} and {other.head.id}, head" in " ".join(run("history").split())


def open_round(folder: Path, updates: int) -> int:
    """Leave a round open, as a hub that was stopped; return its number."""
    with closing(Store(folder)) as store:
        federation = resume(store)
        federation.open()
        for device in DEVICES[:updates]:
            federation.take(device, update(federation, device))
    return federation.number


@pytest.mark.parametrize("command", [["rollback", 2], ["merge", "--from", 1, "--into", 0]])
def test_an_open_round_is_given_up_only_if_one_says_so(
    tmp_path: Path, run: Run, command: list[Any]
) -> None:
    lived(tmp_path)
    run("fork", 3)
    number = open_round(tmp_path, updates=2)
    told = run(*command, code=2)
    assert f"round {number} of branch 0 is open (updates: 2)" in told
    assert f"--rounds {number} end it" in told
    assert head(tmp_path).is_open, "nothing was changed"
    assert "branch 2 begins" in run("fork"), "which leaves the round as it is"
    assert head(tmp_path).is_open
    assert f"round {number} of branch 0 is dropped" in run(*command, "--drop")
    with closing(Store(tmp_path)) as store:
        assert store.round(number).state == State.DROPPED
        assert [row.body for row in store.updates_of(number)] == [None, None]
        federation = resume(store)
        assert not federation.is_open
        play(federation)
        assert federation.number == number + 1


def test_a_merge_that_cannot_be_leaves_the_round_open(tmp_path: Path, run: Run) -> None:
    lived(tmp_path)
    run("fork", 3)
    open_round(tmp_path, updates=2)
    for args, says in (((7, "1:1"), "no branch"), ((1, "0:0"), "no mean")):
        told = run("merge", "--from", args[0], "--into", 0, "--weights", args[1], "--drop", code=2)
        assert says in told
        found = head(tmp_path)
        assert found.is_open
        assert len(found.updates) == 2


def test_a_round_that_is_half_closed_is_left_to_the_hub_that_knows_its_rule(
    tmp_path: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    lived(tmp_path)
    number = open_round(tmp_path, updates=4)
    with closing(Store(tmp_path)) as store, monkeypatch.context() as cut:
        cut.setattr(store.blobs, "put", lambda data: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            resume(store).close()
    run("history")
    run("fork")
    assert "is open" in run("rollback", 2, code=2)
    with closing(Store(tmp_path)) as store:
        assert store.round(number).state == State.SEALED
    run("rollback", 2, "--drop")
    assert head(tmp_path).head.id == 2


def test_wrong_inputs_are_one_line_each(tmp_path: Path, run: Run) -> None:
    assert "no folder of a hub" in run("history", code=2)
    assert not list(tmp_path.iterdir()), "nothing was made"
    lived(tmp_path)
    run("fork")
    wrong: dict[tuple[object, ...], str] = {
        ("rollback", 99): "no checkpoint 99",
        ("rollback", "worst"): "is no checkpoint",
        ("rollback", "0" * 16): "no checkpoint has the model",
        ("rollback", 2, "--branch", 5): "no branch",
        ("rollback", "best", "--branch", 1): "branch 1 has no best model",
        ("fork", "final"): "no final model",
        ("merge", "--from", 0, "--into", 0): "with itself",
        ("merge", "--from", 7, "--into", 0): "no branch",
        ("merge", "--from", 1, "--into", 0, "--weights", "1"): "FROM:INTO",
        ("merge", "--from", 1, "--into", 0, "--weights", "-1:2"): "FROM:INTO",
        ("merge", "--from", 1, "--into", 0, "--weights", "0:0"): "no mean",
        ("merge", "--into", 0): "Missing option",
        ("history", "--branch", "x"): "valid integer",
    }
    before = head(tmp_path).head
    for args, says in wrong.items():
        assert says in run(*args, code=2), args
    assert head(tmp_path).head == before
    for number in range(2, branches.BRANCHES):
        assert f"branch {number} begins" in run("fork")
    assert "the most there are" in run("fork", code=2)


def test_a_hub_that_runs_has_the_folder_for_itself(tmp_path: Path, run: Run) -> None:
    lived(tmp_path)
    with closing(Store(tmp_path)):
        for args in (["history"], ["rollback", 2], ["fork"], ["ledger"], ["model"]):
            assert "in use by a hub: stop that one first" in run(*args, code=2)
    run("history")
