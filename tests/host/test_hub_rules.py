"""`paebiru hub` with boards that lie and with noise: real processes, real MicroPython boards."""

import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import replace
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import killed_fleet
import light_boards
from hub_process import PAEBIRU, PATIENCE, HubProcess, free_port, hub
from paebiru import accel
from paebiru.errors import UsageError
from paebiru.federated import registry
from paebiru.federated.rounds import Federation
from paebiru.hub import run
from paebiru.hub.policy import Policy
from paebiru.keys import KeyStore
from paebiru.sim import plan
from paebiru.sim.board import SimBoard
from paebiru.store import Store
from paebiru.testing.attacks import ATTACKS
from sil.protocol import Task

pytestmark = pytest.mark.skipif(light_boards.VM is None, reason="no micropython: make setup")

DENSE = ("--share", "1", "--hidden", "")
LIE = """
from sil import update

with open("lie.bin", "rb") as file:
    table = file.read()
honest = update.Selector.take


def take(self, changes, frame):
    taken = honest(self, changes, frame)
    for i in range(len(frame)):
        frame[i] = table[frame[i]]
    return taken


update.Selector.take = take
"""
"""What a lying board's firmware does before it starts: other codes than it has learned."""


@pytest.fixture(autouse=True, scope="module")
def compiled() -> Iterator[None]:
    """Let simulated boards train fast: the bytes are the same (test_numba)."""
    accel.install("numba")
    yield
    accel.install("plain")


@cache
def table(attack: str) -> bytes:
    """Return what each code becomes under an attack that looks at one weight at a time."""
    codes = np.arange(256, dtype=np.uint8)[np.newaxis]
    return ATTACKS[attack](codes, codes, 0).tobytes()


@cache
def world_of(count: int, samples: int = 60, epochs: int = 1) -> plan.World:
    given = plan.Plan(clients=10, share=1.0, hidden=(), local_epochs=epochs)
    world = plan.prepare(given)
    return replace(world, parts=[part[:samples] for part in world.parts[:count]])


class Lying:
    """The same lie in a simulated board."""

    def __init__(self, honest: Any, lies: bytes) -> None:
        self.honest = honest
        self.lies = lies

    def take(self, changes: Any, frame: bytearray) -> int:
        taken = int(self.honest.take(changes, frame))
        frame[:] = frame.translate(self.lies)
        return taken


def simulated(
    world: plan.World, rounds: int, attack: str = "", rule: str = "mean", f: int = 0,
    proximal: int = 0,
) -> tuple[str, list[float]]:  # fmt: skip
    """Return the last model's name and the accuracy by round; the last board is the liar."""
    given = world.plan
    fed = Federation(
        Task(world.sizes, world.split.signed, given.parts), 0, given.server_rate,
        given.local_epochs, proximal=proximal,
    )  # fmt: skip
    fed.combine = lambda frames, samples: registry.aggregate(
        registry.RULES[rule], frames, samples, f
    )
    fleet = [(b"light%03d" % i, SimBoard(world, i, fed.model())) for i in range(len(world.parts))]
    if attack:
        liar: Any = fleet[-1][1].learning.learner
        liar._selector = Lying(liar._selector, table(attack))
    accuracy = killed_fleet.hold(fed, world, fleet, rounds)
    return fed.name.hex(), accuracy


class Boards:
    """Boards that are there as long as the block of `fleet` lasts, whatever their hub does."""

    def __init__(self, folder: Path, port: int, last: light_boards.LightBoard) -> None:
        self.hub = folder / "hub"
        self.listen = ("--listen", f"127.0.0.1:{port}")
        self.last = last


@contextmanager
def fleet(folder: Path, world: plan.World, attack: str = "", held: int = 0) -> Iterator[Boards]:
    """Start boards; the last one lies if an attack is named, or trains no round from `held` on."""
    port = free_port()
    (folder / "hub").mkdir()
    with ExitStack() as stack:
        with closing(KeyStore(folder / "hub" / "keys.sqlite")) as keys:
            bundles = killed_fleet.Bundles(world)
            numbers = range(len(world.parts))
            boards = killed_fleet.by_tcp(folder, bundles, numbers, port, keys)
        if attack:
            home = boards[-1].folder
            (home / "lie.bin").write_bytes(table(attack))
            (home / "main.py").write_text(LIE + (home / "main.py").read_text())
        if held:
            boards[-1].hold(held)
        for board in boards:
            stack.callback(board.kill)
            board.start()
        yield Boards(folder, port, boards[-1])


def ended(running: HubProcess, code: int = 0) -> str:
    """Wait for the end of a hub; return what it wrote to stderr."""
    assert running.process.wait(PATIENCE) == code
    assert running.process.stderr is not None
    return running.process.stderr.read()


def told(running: HubProcess, name: str) -> list[dict[str, Any]]:
    return [said for said in running.events if said["event"] == name]


# -- boards that lie


def test_a_lying_board_does_not_spoil_the_model(tmp_path: Path) -> None:
    """Real boards, one of them lying, under the rule for liars: the simulator's very model."""
    world, rounds = world_of(4), 5
    with fleet(tmp_path, world, "sign flip") as boards:
        options = (*boards.listen, *DENSE, "--boards", "4", "--least", "4", "--liars", "1")
        with hub(boards.hub, *options, "--rounds", str(rounds)) as running:
            finished = running.event("finished")
            ended(running)
    name, accuracy = simulated(world, rounds, "sign flip", "nnm-trimmed", 1)
    assert finished["model"] == name
    assert [said["accuracy"] for said in told(running, "round")] == [round(a, 4) for a in accuracy]
    _, honest = simulated(world_of(3), rounds)
    _, spoilt = simulated(world, rounds, "sign flip")
    assert accuracy[-1] > honest[-1] - 0.06
    assert spoilt[-1] < honest[-1] - 0.3


def test_a_model_that_liars_have_spoilt_is_not_served(tmp_path: Path) -> None:
    """What a saturating board makes of the mean is refused thrice; the hub then says why."""
    with fleet(tmp_path, world_of(2, 20), "saturate") as boards:
        options = (*boards.listen, *DENSE, "--boards", "2", "--least", "2", "--rounds", "9")
        with hub(boards.hub, *options) as running:
            assert running.event("stopped")["round"] == 3
            why = ended(running, 2)
    assert [said["round"] for said in told(running, "broken")] == [1, 2, 3]
    assert len({said["model"] for said in told(running, "broken")}) == 1
    assert "weights" in told(running, "broken")[0]["why"]
    assert not told(running, "round")
    assert why.count("\n") == 1
    assert "3 rounds in a row came to nothing" in why
    with closing(Store(boards.hub)) as store:
        head, first = store.history.ref(0, "head"), store.history.all()[0]
        assert head is not None
        assert (head.name, head.round) == (first.name, 3)
    assert (boards.hub / "model.jsil").stat().st_size > 100


# -- privacy


def test_the_budget_is_shown_kept_by_a_kill_and_ends_the_run(tmp_path: Path) -> None:
    rounds, world = 4, world_of(3, 20)
    options = (*DENSE, "--boards", "3", "--least", "3", "--rounds", str(rounds),
               "--epsilon", "6", "--delta", "0.01", "--clip", "0.25",
               "--liars", "1", "--rule", "clipped-mean")  # fmt: skip
    policy = Policy(rounds, 3, least=3)
    asked = run.Options(tmp_path, policy=policy, epsilon=6, delta=0.01, clip=0.25)
    private = run.granted(asked)
    assert private is not None
    spent = []
    for number in range(1, rounds + 1):
        spent.append(private.told(number))
        private._spends[number] = private.sum.spend(10000)
    seen: dict[int, float] = {}
    with fleet(tmp_path, world, held=2) as boards:
        with hub(boards.hub, *boards.listen, *options) as running:
            terms = running.event("privacy")
            running.until(lambda said: said["event"] == "round" and said["round"] == 1)
            running.until(lambda said: said["event"] == "update")
            running.process.kill()  # in round 2, with one update or two: the third is held back
            running.process.wait()
        boards.last.release()
        seen |= {said["round"]: said["epsilon"] for said in told(running, "round")}
        with hub(boards.hub, *boards.listen, *options, "--resume") as running:
            again = running.event("privacy")
            running.event("finished")
            ended(running)
        seen |= {said["round"]: said["epsilon"] for said in told(running, "round")}
        assert "do not claim both guarantees" in told(running, "warning")[0]["text"]
        assert (terms["spent"], again["spent"]) == (0, round(private_after(asked, 1), 3))
        assert [seen[number] for number in sorted(seen)] == spent
        assert all(low < high for low, high in pairwise(spent))
        assert spent[-1] <= 6
        # More rounds of the same budget: it is spent, and says so instead of asking anybody.
        more = [*options, "--resume", "--rounds", "9"]
        with hub(boards.hub, *boards.listen, *more) as running:
            over = running.event("ended")
            ended(running)
    assert "the privacy budget is spent: round 5" in over["why"]
    assert not told(running, "open")
    with closing(Store(boards.hub)) as store:
        assert [row.number for row in store.rounds()] == [1, 2, 3, 4]
        assert not any(row.secret for row in store.rounds())


def private_after(options: run.Options, number: int) -> float:
    """Return what the first rounds of a run cost."""
    private = run.granted(options)
    assert private is not None
    for earlier in range(1, number):
        private._spends[earlier] = private.sum.spend(10000)
    return private.after(number)


# -- drawn back


def test_boards_are_drawn_back_as_the_simulators_are(tmp_path: Path) -> None:
    world = world_of(2, 20, epochs=3)
    with fleet(tmp_path, world) as boards:
        options = (*boards.listen, *DENSE, "--boards", "2", "--least", "2", "--rounds", "2")
        with hub(boards.hub, *options, "--epochs", "3", "--proximal", "0.25") as running:
            finished = running.event("finished")
            ended(running)
    assert finished["model"] == simulated(world, 2, proximal=8192)[0]
    assert finished["model"] != simulated(world, 2)[0]
    given = run.Options(boards.hub, share=1, hidden=(), epochs=3, proximal=0.5, resume=True)
    fresh, measure = run.federation(given)
    says = r"3 epochs a round, drawn back by 0\.25"
    with closing(Store(boards.hub)) as store, pytest.raises(UsageError, match=says):
        run.stored(store, fresh, given, measure, None)


# -- what is refused, and what is warned of


def test_a_refusal_is_one_line(tmp_path: Path) -> None:
    done = subprocess.run(
        [PAEBIRU, "hub", "--dir", str(tmp_path), "--no-api", "--liars", "1", "--rule", "mean"],
        capture_output=True, text=True, check=False, timeout=180,
    )  # fmt: skip
    assert done.returncode == 2
    assert "follows a single lying board" in done.stderr
    assert done.stderr.count("\n") == 1


def options(**changes: Any) -> run.Options:
    policy = Policy(**{key: changes.pop(key) for key in ("boards", "least") if key in changes})
    return run.Options(Path("hub"), policy=policy, **changes)


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"liars": 1, "share": 1, "boards": 9}, "--least 3"),
        ({"liars": 1, "share": 1, "boards": 9, "least": 2}, "--least 3"),
        ({"liars": 1, "share": 1, "rule": "multi-krum", "least": 3}, "--least 5"),
        ({"liars": 1, "rule": "mean", "least": 3}, "follows a single lying board"),
        ({"liars": 2, "rule": "equal-mean", "least": 9}, "follows a single lying board"),
        ({"rule": "median", "least": 3}, "breaks on sparse updates"),
        ({"rule": "krum", "least": 3, "share": 0.25}, "breaks on sparse updates"),
        ({"rule": "medain"}, "rule 'medain' is unknown"),
        ({"liars": -1}, "--liars -1"),
        ({"epsilon": 2.0, "rule": "mean", "boards": 3}, "no proved sensitivity"),
        ({"epsilon": 2.0, "rule": "nnm-trimmed", "boards": 3, "share": 1}, "no proved sensitivity"),
    ],
)  # fmt: skip
def test_what_does_not_protect_is_refused(given: dict[str, Any], says: str) -> None:
    with pytest.raises(UsageError, match=says):
        run.chosen(options(**given))


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"epsilon": 0.0, "boards": 3}, "epsilon 0 is out of range"),
        ({"epsilon": -1.0, "boards": 3}, "epsilon -1 is out of range"),
        ({"epsilon": 2.0}, "--boards 2 or more"),
        ({"epsilon": 2.0, "boards": 3, "delta": 0.4}, "--delta 0.4"),
        ({"epsilon": 2.0, "boards": 3, "clip": 0.0}, "--clip 0"),
        ({"epsilon": 2.0, "boards": 3, "clip": 65.0}, "--clip 65"),
        ({"epsilon": 1e-6, "boards": 3}, "no noise keeps"),
    ],
)
def test_privacy_that_cannot_be_had_is_refused(given: dict[str, Any], says: str) -> None:
    with pytest.raises(UsageError, match=says):
        run.granted(options(**given))


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"liars": 1, "least": 3}, ["imitate the others"]),
        ({"liars": 1, "share": 1, "least": 3}, ["imitate the others"]),
        ({"rule": "krum", "share": 1, "least": 3}, ["krum keeps one update"]),
        ({"rule": "log-mean", "share": 1}, ["the mean of logs averages models"]),
        ({"epsilon": 2.0, "boards": 5, "least": 5, "liars": 1, "rule": "clipped-mean", "share": 1},
         ["do not claim both guarantees", "imitate the others"]),
        ({"epsilon": 2.0, "boards": 5, "least": 5}, []),
    ],
)  # fmt: skip
def test_what_protects_less_is_warned_of(given: dict[str, Any], says: list[str]) -> None:
    _, warnings = run.chosen(options(**given))
    assert len(warnings) == len(says)
    assert all(part in text for part, text in zip(says, warnings, strict=True))
