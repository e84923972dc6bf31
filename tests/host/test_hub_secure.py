"""`paebiru hub --secure` as a process, with boards that are MicroPython processes in a group."""

import shutil
import subprocess
from array import array
from collections import Counter
from contextlib import ExitStack, closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import light_boards
import secure_lab
from hub_process import PAEBIRU, PATIENCE, HubProcess, free_port, hub
from light_boards import LightBoard
from paebiru.errors import UsageError
from paebiru.federated import branches
from paebiru.federated.durable import Durable, at_head
from paebiru.federated.ranges import half_up
from paebiru.federated.rounds import name
from paebiru.hub import secure
from paebiru.hub.policy import Policy
from paebiru.hub.run import Options, chosen, federation, stored
from paebiru.keys import KeyStore
from paebiru.memberships import Memberships
from paebiru.store import State, Store
from sil import groups, masks
from sil.link.messages import E_BASE

pytestmark = pytest.mark.skipif(light_boards.VM is None, reason="no micropython: make setup")


def make_boards(folder: Path, port: int) -> list[LightBoard]:
    """Make boards with their share of the wines, in one group that the hub knows."""
    (folder / "hub").mkdir()
    file = folder / "hub" / "keys.sqlite"
    made = []
    with closing(KeyStore(file)) as keys:
        for number in range(4):
            given = {
                "name": f"masked-{number}", "links": ["tcp"], "watchdog_ms": 0,
                "link": {"tcp": {"host": "127.0.0.1", "port": port}},
                "sensors": secure_lab.config()["sensors"],
                "learn": {"sensor": 0, "capacity": 100, "preload": True},
            }  # fmt: skip
            files = {"wine.jsil": secure_lab.recording(number)}
            made.append(light_boards.make(folder / f"b{number}", number, given, files, keys))
    for board, membership in zip(made, secure_lab.memberships(), strict=True):
        (board.folder / "paebiru.group").write_bytes(membership)
    group = secure_lab.members()
    with closing(Memberships(file)) as store:
        store.add(group.name, group.threshold, [board.device for board in made])
    return made


def pause(running: HubProcess, boards: dict[str, LightBoard], last: LightBoard) -> None:
    """Stop each board as its part is counted, but `last`: the hub seals and hears one answer.

    That one is held back until the others are stopped, so that none of them can answer too.
    """
    for _ in range(len(boards) - 1):
        stopped = boards[running.event("update")["device"]]
        assert stopped is not last
        stopped.pause()
    last.release()
    assert running.event("sealed")["boards"] == len(boards)


def refused(said: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the objects that were refused, but for an ORDER that crossed with a STATUS.

    A round may begin while a board takes the model of the one before: it is offered changes to a
    model that it does not have any more, refuses them for that (8), and has said by then what it
    has (test_node).  Whether it gets what it needs then is asked of the round; that is once a
    board and round, and no storm of them.
    """
    every = [one for one in said if one["event"] == "refused"]
    rounds = sum(one["event"] == "open" for one in said)
    crossed = Counter(one["device"] for one in every if one["why"] == E_BASE)
    assert all(count <= rounds for count in crossed.values()), crossed
    return [one for one in every if one["why"] != E_BASE]


def expected(folder: Path, number: int) -> str:
    """Return the model that must come of a sealed round, from what lies under its masks."""
    with closing(Store(folder)) as store:
        row = store.round(number)
        assert row.state == State.SEALED
        bodies = [update.body or b"" for update in store.updates_of(number)]
        fed = at_head(store)
    for body in bodies:
        words = np.frombuffer(body[masks.HEAD : masks.HEAD + 2 * 139], dtype="<i2").astype(int)
        assert len(body) == 20 + 2 * 139 + 8 * 4 + 3 * (16 * 4 + 8)
        assert np.abs(words).mean() > 8 * np.abs(secure_lab.plain(body)).mean()
    total = 4 * np.sum([secure_lab.plain(body) for body in bodies], axis=0)
    fed.master.add(half_up(total, len(bodies)))
    fed.master.release()
    return name(fed.master.base.tobytes()).hex()


def test_boards_and_the_hub_are_killed_and_the_sum_stays_exact(tmp_path: Path) -> None:
    port = free_port()
    boards = make_boards(tmp_path, port)
    by_name = {board.device.hex(): board for board in boards}
    options = (
        "--secure", "--listen", f"127.0.0.1:{port}", "--boards", "4", "--least", "4",
        "--rounds", "4", "--deadline", "40", "--dataset", "wine", "--hidden", "8",
    )  # fmt: skip
    folder = tmp_path / "hub"
    with ExitStack() as stack:
        last = boards[3]
        last.hold(2)
        for board in boards:
            stack.callback(board.kill)
            board.start()
        running = stack.enter_context(hub(folder, *options))
        assert "counts once" in running.event("warning")["text"]
        assert running.event("round")["updates"] == 4

        running.until(
            lambda said: said["event"] == "status" and said["device"] == last.device.hex()
            and (said["round"], said["phase"]) == (2, "training")
        )  # fmt: skip
        last.kill()  # in the middle of a round: it goes on with it
        last.hold(3)
        last.start()
        assert running.event("round")["updates"] == 4

        pause(running, by_name, last)
        running.process.kill()  # between the seal and the answers
        running.process.wait()
        shutil.copytree(folder, tmp_path / "copy")
        model = expected(tmp_path / "copy", 3)
        for board in boards:
            board.go_on()

        again = stack.enter_context(hub(folder, *options, "--resume"))
        assert again.event("resuming")["round"] == 3
        assert again.event("sealed")["boards"] == 4
        third = again.event("round")
        assert (third["round"], third["updates"], third["model"]) == (3, 4, model)
        assert again.event("round")["updates"] == 4
        again.event("stopped")
        assert again.process.wait(PATIENCE) == 0
    said = running.events + again.events
    assert not [event for event in said if event["event"] in ("unsummed", "text")]
    assert not refused(said)
    with closing(Memberships(folder / "keys.sqlite")) as store:
        assert store.all()[0].ticket == 4


def test_below_the_threshold_the_round_fails_plainly(tmp_path: Path) -> None:
    port = free_port()
    boards = make_boards(tmp_path, port)
    by_name = {board.device.hex(): board for board in boards}
    options = (
        "--secure", "--listen", f"127.0.0.1:{port}", "--boards", "4", "--least", "4",
        "--rounds", "2", "--deadline", "12", "--dataset", "wine", "--hidden", "8",
    )  # fmt: skip
    with ExitStack() as stack:
        boards[3].hold(1)
        for board in boards:
            stack.callback(board.kill)
            board.start()
        running = stack.enter_context(hub(tmp_path / "hub", *options))
        pause(running, by_name, boards[3])
        assert "are needed" in running.event("unsummed")["why"]
        failed = running.event("round")
        assert (failed["updates"], len(failed["missing"])) == (0, 4)
        for board in boards:
            board.go_on()
        done = running.event("round")
        assert done["updates"] == 4
        assert done["model"] != failed["model"]
        running.event("stopped")


def test_a_hub_without_a_group_says_what_to_do(tmp_path: Path) -> None:
    done = subprocess.run(
        [PAEBIRU, "hub", "--dir", str(tmp_path), "--no-find", "--no-api", "--secure"],
        capture_output=True, text=True, check=False, timeout=180,
    )  # fmt: skip
    assert done.returncode == 2
    assert "deal one (paebiru keys group)" in done.stderr.replace("\n", " ")
    assert len(done.stderr.strip().splitlines()) == 1


def test_a_round_with_the_part_of_a_board_that_left_is_given_up(tmp_path: Path) -> None:
    options = Options(tmp_path, dataset="wine", hidden=(8,), share=1.0, secure=True)
    fresh, measure = federation(options)
    first, *others = secure_lab.BOARDS
    group = secure_lab.members()

    def go_on(*, resume: bool = True) -> Durable:
        given = replace(options, resume=resume)
        return stored(store, fresh, given, measure, None, secure.sums(members))

    with closing(Store(tmp_path)) as store, closing(Memberships(tmp_path / "keys")) as members:
        members.add(group.name, group.threshold, secure_lab.BOARDS)
        made = go_on(resume=False)
        made.open()
        assert made.sums is not None
        board = masks.Masker(groups.unpack(secure_lab.memberships()[0]), len(made.first))
        part = bytearray(board.size)
        asked = made.sums.part(first)
        changes = array("h", [1] * board.weights)
        board.mask(int.from_bytes(asked[8:12], "little"), changes, 0, part)
        codes: list[int] = []
        made.take(first, bytes(part), codes.append)
        store.updates.drain()
        assert codes == [0]
        members.remove(others[0])  # it has no part in the round
        assert list(go_on().updates) == [first]
        members.add(group.name[::-1], 3, secure_lab.BOARDS[:3])  # dealt anew
        with pytest.raises(UsageError, match="other groups"):
            go_on()
        members.add(b"the rest", 3, (first, b"board--2", b"board--3"))
        members.remove(first)
        said = r"round 1 is open .* in no group any more .* rollback head --drop --dir "
        with pytest.raises(UsageError, match="deal one"):
            go_on()
        members.add(b"the next", 2, others)
        with pytest.raises(UsageError, match=said):
            go_on()
        branches.drop(at_head(store))
        assert not go_on().is_open


@pytest.mark.parametrize(
    ("changed", "finding"),
    [
        ({"rule": "median"}, "looks at single updates"),
        ({"rule": "clipped-mean"}, "looks at single updates"),
        ({"liars": 1}, "no rule finds liars"),
        ({"policy": Policy(fraction=0.5)}, "leave them out with --secure"),
        ({"policy": Policy(over=0.5)}, "leave them out with --secure"),
        ({"share": 0.05}, "leave --share out with --secure"),
    ],
)
def test_what_masks_exclude_is_refused(changed: dict[str, Any], finding: str) -> None:
    with pytest.raises(UsageError, match=finding):
        chosen(replace(Options(Path("hub"), share=1.0, secure=True), **changed))


def test_the_mean_counts_every_board_once() -> None:
    for given in (None, "mean", "equal-mean"):
        found, texts = secure.rule(given, Policy(), 0, 10_000)
        assert found.name == "equal-mean"
        assert "every board counts once" in texts[0]
    with pytest.raises(UsageError, match="leave out"):
        secure.rule("mean", Policy(), 2, 10_000)
