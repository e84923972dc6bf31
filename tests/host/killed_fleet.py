"""A hub and boards that are real MicroPython processes, by TCP and by pty, killed as they learn.

What is run, and what is told of it; `test_hub` runs it small, `tests/bench/bench_vmfleet.py` as
large as it is meant to be.  The same federation with simulated boards that nobody kills says what
should have come of it.
"""

import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from random import Random
from typing import Any

import light_boards
from hub_process import HubProcess, free_port, hub
from paebiru import boards, recordings
from paebiru.deploy import onto
from paebiru.deploy.bundle import Bundle
from paebiru.deploy.copy import copy
from paebiru.deploy.repl import Repl
from paebiru.deploy.settings import device, parse
from paebiru.enrollment import enroll
from paebiru.federated import evaluate
from paebiru.federated.rounds import Federation
from paebiru.keys import KeyStore
from paebiru.sim import plan
from paebiru.sim.board import SimBoard
from paebiru.store import Store
from paebiru.vboard import VirtualBoard
from sil.link.messages import DEVICE_SIZE
from sil.protocol import Task

HEAP = 512 * 1024
PATIENCE = 600.0  # s that a round may take on a machine that others use too
_FILE = "d.jsil"


class Member:
    """A board of the fleet: by which line it is there, and how often it was killed."""

    def __init__(self, line: str, board: light_boards.LightBoard | VirtualBoard) -> None:
        self.line = line
        self.board = board
        self.kills = 0
        self.device = (
            board.device
            if isinstance(board, light_boards.LightBoard)
            else bytes.fromhex(board.id).ljust(DEVICE_SIZE, b"\0")
        )

    def kill(self) -> None:
        """Cut the power, and put it on again."""
        self.kills += 1
        self.board.kill()
        if isinstance(self.board, light_boards.LightBoard):
            self.board.start()


@dataclass
class Outcome:
    """What a run gave."""

    members: list[Member] = field(default_factory=list)
    rounds: list[dict[str, Any]] = field(default_factory=list)
    """The hub's `round` events, with `seconds` and `killed`."""
    model: str = ""
    """The name of the last model."""
    told: dict[int, set[str]] = field(default_factory=dict)
    """Whose update was told durable, by round."""
    rosters: dict[int, set[str]] = field(default_factory=dict)
    """Whose update the hub's store has counted, by round."""
    ledger: list[tuple[bytes, str, str, int, int]] = field(default_factory=list)
    """Of the hub's store: device, link, direction, round, bytes on the line."""

    def lost(self) -> int:
        """Return how many updates were told durable and are not in the model."""
        return sum(len(devices - self.rosters.get(n, set())) for n, devices in self.told.items())

    def bytes_of(self, device: bytes, direction: str) -> int:
        """Return a board's bytes on its line."""
        return sum(row[4] for row in self.ledger if row[0] == device and row[2] == direction)


def world_of(count: int, epochs: int = 1, samples: int | None = None) -> plan.World:
    """Return the digits, dealt to at least ten boards; `samples` of each share, or all."""
    world = plan.prepare(plan.Plan(clients=max(count, 10), local_epochs=epochs))
    return replace(world, parts=[part[:samples] for part in world.parts[:count]])


def settings(world: plan.World, number: int, links: dict[str, Any]) -> dict[str, Any]:
    """Return what board `number` is to be: its share of the digits, and its line."""
    return {
        "name": f"board-{number}",
        "watchdog_ms": 0,
        "sensors": [
            {
                "driver": "replay", "layer": 0, "file": _FILE, "inputs": 64, "labelled": True,
                "period": 1000,
            }
        ],
        "learn": {"sensor": 0, "capacity": len(world.parts[number]), "preload": True},
        **links,
    }  # fmt: skip


class Bundles:
    """What boards of one world get; the modules, the same for all, are compiled once."""

    def __init__(self, world: plan.World) -> None:
        self._world = world
        self._first: Bundle | None = None

    def of(self, number: int, links: dict[str, Any]) -> Bundle:
        """Return the bundle of a board: its line, its share of the digits as a recording."""
        rows, split = self._world.parts[number], self._world.split
        recording = recordings.record(split.train_x[rows], split.train_y[rows])
        model, given = boards.load("vm"), parse(settings(self._world, number, links))
        if self._first is None:
            self._first = onto.prepare(model, given, {_FILE: recording})
        other = {**self._first.files, f"/{_FILE}": recording}
        return Bundle(model, other).configured(device(model, given))


def by_tcp(
    folder: Path, bundles: Bundles, numbers: range, port: int, keys: KeyStore
) -> list[light_boards.LightBoard]:
    """Make the folders of boards that call a hub at `port` of this machine."""
    links = {"links": ["tcp"], "link": {"tcp": {"host": "127.0.0.1", "port": port}}}
    return [light_boards.put(folder / f"b{n}", n, bundles.of(n, links), keys) for n in numbers]


@contextmanager
def by_pty(
    folder: Path, bundles: Bundles, numbers: range, keys: KeyStore
) -> Iterator[list[VirtualBoard]]:
    """Put up boards with a flash of their own behind ptys, deployed to and enrolled by them."""
    made: list[VirtualBoard] = []
    with ExitStack() as stack:
        for number in numbers:
            home = folder / f"p{number}"
            home.mkdir(parents=True)
            (home / "identity").write_text(f"3c71bf{number:06x}\n")  # the same in every run
            if made:
                shutil.copyfile(folder / "first.img", home / "flash.img")
            board = stack.enter_context(VirtualBoard(home, heap=HEAP))
            copy(board.port, bundles.of(number, {"links": ["usb"]}))
            with Repl(board.port) as repl:
                enroll(repl, keys)
                repl.reset()
            if not made:
                shutil.copyfile(home / "flash.img", folder / "first.img")
            made.append(board)
        yield made


def run(
    folder: Path, world: plan.World, *, ptys: int, rounds: int, share: float, seed: int = 1,
    told: Callable[[dict[str, Any]], None] = lambda said: None,
) -> Outcome:  # fmt: skip
    """Hold rounds with boards of which a share is killed in each; the last `ptys` are by pty.

    `told` hears of each round that is closed.
    """
    count, port, random = len(world.parts), free_port(), Random(seed)
    home = folder / "hub"
    outcome = Outcome()
    with ExitStack() as stack:
        home.mkdir(parents=True)
        keys = stack.enter_context(closing(KeyStore(home / "keys.sqlite")))
        bundles = Bundles(world)
        light = by_tcp(folder, bundles, range(count - ptys), port, keys)
        wired = stack.enter_context(by_pty(folder, bundles, range(count - ptys, count), keys))
        outcome.members += [Member("tcp", board) for board in light]
        outcome.members += [Member("serial", board) for board in wired]
        options = [
            *("--listen", f"127.0.0.1:{port}", "--boards", str(count), "--rounds", str(rounds)),
            *("--epochs", str(world.plan.local_epochs), "--deadline", str(round(PATIENCE))),
        ]
        for virtual in wired:
            options += ["--serial", virtual.port]
        running = stack.enter_context(hub(home, *options))
        running.event("listening")
        for board in light:
            stack.callback(board.kill)
            board.start()
        for _ in range(rounds):
            outcome.rounds.append(_round(running, outcome.members, random, share))
            told(outcome.rounds[-1])
        outcome.model = running.event("finished")["model"]
        running.event("stopped")
        assert running.process.wait(PATIENCE) == 0
    outcome.told = _told(running)
    with closing(Store(home)) as store:
        outcome.ledger = store.notes.ledger()
        for row in store.rounds():
            outcome.rosters[row.number] = {device.hex() for device in row.devices()}
    return outcome


def _round(
    running: HubProcess, members: list[Member], random: Random, share: float
) -> dict[str, Any]:
    """Kill a share of the boards at moments of an open round; return what came of it."""
    running.event("open", PATIENCE)
    begun = time.monotonic()
    killed = random.sample(members, max(1, round(share * len(members))))
    for member in killed:
        time.sleep(random.uniform(0, 0.3))
        member.kill()
    said = running.event("round", PATIENCE)
    seconds = round(time.monotonic() - begun, 2)
    return {**said, "seconds": seconds, "killed": [member.device.hex() for member in killed]}


def _told(running: HubProcess) -> dict[int, set[str]]:
    """Return whose update the hub has told durable in which round."""
    told: dict[int, set[str]] = {}
    number = 0
    for said in running.events:
        if said["event"] == "open":
            number = said["round"]
        elif said["event"] == "update":
            told.setdefault(number, set()).add(said["device"])
    return told


def undisturbed(world: plan.World, names: list[bytes], rounds: int) -> tuple[str, list[float]]:
    """Return the model's name and its accuracy by round where nothing goes wrong."""
    task = Task(world.sizes, world.split.signed, world.plan.parts)
    fed = Federation(task, world.plan.seed, world.plan.server_rate, world.plan.local_epochs)
    fleet = [(name, SimBoard(world, i, fed.model())) for i, name in enumerate(names)]
    accuracy = hold(fed, world, fleet, rounds)
    return fed.name.hex(), [round(found, 4) for found in accuracy]


def hold(
    fed: Federation, world: plan.World, fleet: list[tuple[bytes, SimBoard]], rounds: int
) -> list[float]:
    """Hold rounds in which all boards answer; return the accuracy after each."""
    test_x, test_y = world.split.test_x.view("uint8"), world.split.test_y
    accuracy = []
    for number in range(rounds):
        before = fed.before if number else fed.name
        fed.open()
        for name, board in fleet:
            fed.take(name, board.round(fed.order(name, before, board.samples)))
        fed.close()
        codes = fed.master.codes()
        accuracy.append(evaluate.accuracy(world.sizes, codes, test_x, test_y, world.split.signed))
    return accuracy
