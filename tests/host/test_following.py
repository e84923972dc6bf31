"""Boards follow a hub that goes back, forks and merges: whole boards in virtual time."""

import sqlite3
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

import wine_lab
from paebiru.device import Device
from paebiru.federated import branches
from paebiru.federated.durable import Durable, begin, resume
from paebiru.federated.rounds import Federation
from paebiru.hub.policy import Policy
from paebiru.hub.service import Hub
from paebiru.hub.tell import Telling
from paebiru.keys import KeyStore
from paebiru.sim.lab import Lab, SimBoard
from paebiru.store import Store, StoreError
from sil import protocol as p
from sil.link.keys import DeviceKey
from sil.protocol import Task
from wine_lab import BOARDS


class Fleet:
    """Boards that live on while their hubs come and go."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.keys = KeyStore(folder / "keys.sqlite")
        world = wine_lab.world()
        store = Store(folder / "hub")
        begin(store, Federation(Task(world.sizes, world.split.signed, 500), seed=1))
        store.close()
        self.lab: Lab | None = None
        self.sent: Counter[int] = Counter()

    def start(self, branch: int = 0) -> "Fleet":
        """Start a hub that holds a branch."""
        self.store = Store(self.folder / "hub")
        self.federation: Durable = resume(self.store, branch)
        self.hub = Hub(self.keys, self.federation, Policy(), Telling())
        self.sent.clear()
        if self.lab is None:
            self.lab = Lab(self.hub)
        self.hub.following.now = lambda: self.lab.clock.now / 1000 if self.lab else 0
        self.lab.desk = self.hub
        self.lab.devices = {name: self._device() for name in self.lab.boards}
        return self

    def _device(self) -> Device:
        device = Device(self.hub, hide_etx=True)
        offer = device.offer

        def counted(kind: int, body: bytes, base: bytes = b"") -> None:
            self.sent[kind] += body not in (device.sent, device._unwanted)
            offer(kind, body, base)

        device.offer = counted  # type: ignore[method-assign]
        return device

    def add(self, number: int) -> SimBoard:
        """Put up one more board."""
        assert self.lab is not None
        key = DeviceKey(BOARDS[number] * 4, 1)
        self.keys.enroll(BOARDS[number], key)
        files = {"wine.jsil": wine_lab.recording(number)}
        made = self.lab.add(BOARDS[number], wine_lab.config(), files, key)
        self.lab.devices[BOARDS[number]] = self._device()
        return made

    def settled(self) -> bool:
        """Tell whether every board that is ours is of the branch, and has its model."""
        assert self.lab is not None
        self.hub.look()
        return all(
            board.node.learning.model == self.federation.name
            and board.node.learning.branch == self.federation.branch
            and name in self.hub.devices
            and (status := self.hub.devices[name].status)
            and (status.model, status.branch) == (self.federation.name, self.federation.branch)
            for name, board in self.lab.boards.items()
            if self.hub.following.is_ours(name)
        )

    def settle(self) -> "Fleet":
        assert self.lab is not None
        self.lab.run_until(self.settled, 120_000)
        return self

    def rounds(self, count: int = 1) -> "Fleet":
        """Hold rounds in which all boards of the branch answer; they get the model."""
        assert self.lab is not None
        for _ in range(count):
            self.settle()
            self.lab.run_until(lambda: bool(self.hub.able()), 10_000)
            there = self.hub.able()
            self.hub.open()
            self.lab.run_until(lambda: len(self.federation.updates) == len(there), 120_000)  # noqa: B023
            self.hub.close()
        return self.settle()

    def stop(self) -> "Fleet":
        self.store.close()
        return self

    def again(self, branch: int = 0) -> "Fleet":
        """Stop the hub and start another one."""
        return self.stop().start(branch)


@pytest.fixture
def fleet(tmp_path: Path) -> Iterator[Fleet]:
    made = Fleet(tmp_path).start()
    for number in (0, 1):
        made.add(number)
    with closing(made.keys):
        yield made


def test_a_branch_that_cannot_be_kept_is_not_given(fleet: Fleet) -> None:
    """Neither now, nor by what is written later, nor after a start."""
    board, other = BOARDS[:2]
    fleet.hub.following.give(other, 1)
    with sqlite3.connect(fleet.folder / "hub" / "hub.sqlite") as db:
        db.execute("CREATE TRIGGER full BEFORE INSERT ON devices"
                   " BEGIN SELECT RAISE(ABORT, 'full'); END")  # fmt: skip
    for device, branch in (board, 2), (other, None):
        with pytest.raises(StoreError, match="full"):
            fleet.hub.following.give(device, branch)
    for _ in range(2):
        given = [fleet.hub.following.given(device) for device in (board, other)]
        assert given == [None, 1]
        with sqlite3.connect(fleet.folder / "hub" / "hub.sqlite") as db:
            db.execute("DROP TRIGGER IF EXISTS full")
        fleet.store.notes.flush()
        fleet.again()


def node(fleet: Fleet, number: int) -> SimBoard:
    assert fleet.lab is not None
    return fleet.lab.boards[BOARDS[number]].node


def test_boards_go_back_with_the_hub_and_over_to_its_fork(fleet: Fleet) -> None:
    fleet.rounds(3)
    first = fleet.store.history.checkpoint(2)
    fleet.stop()
    with closing(Store(fleet.folder / "hub")) as store:
        federation = resume(store)
        branches.rollback(federation, first.id)
        branches.fork(federation, 1)
    fleet.start(branch=1).settle()
    assert fleet.federation.name == first.name
    assert fleet.sent[p.MODEL] == 2, "nobody has a checkpoint of it any more"
    fleet.lab.run(3_000)
    assert [node(fleet, n).view[13] for n in (0, 1)] == [0x81, 0x81]
    fleet.rounds(2)
    assert set(fleet.federation.counted.values()) == {5}
    assert [row.round for row in fleet.store.history.all(1)] == [0, 4, 5]
    # And back: branch 0 goes on from the first round.
    fleet.again(0).settle()
    assert fleet.federation.name == first.name
    fleet.lab.run(3_000)
    assert node(fleet, 1).view[13] == 0x80
    fleet.rounds()
    assert fleet.federation.number == 6


@pytest.mark.parametrize("restarts", [False, True])
def test_a_model_that_a_board_still_has_is_not_sent_again(fleet: Fleet, restarts: bool) -> None:
    fleet.rounds(2)
    before = fleet.federation.head.parent
    fleet.stop()
    with closing(Store(fleet.folder / "hub")) as store:
        branches.rollback(resume(store), before)
    if restarts:
        for board in fleet.lab.boards.values():
            board.power_cut()
    generation = node(fleet, 0).learning.slots.newest.generation
    fleet.start().settle()
    assert fleet.sent[p.MODEL] == 0
    assert node(fleet, 0).learning.slots.newest.generation == generation + 1
    fleet.rounds()
    assert not any(said["event"] == "health" and said["reasons"] for said in fleet.hub.tell.newest)


def test_a_pinned_model_is_gone_back_to(fleet: Fleet) -> None:
    fleet.rounds()
    pinned = fleet.federation.head
    for device in fleet.hub.devices.values():
        assert fleet.hub.control(device, p.PIN, pinned.name)
    fleet.rounds(3)
    branches.rollback(fleet.federation, pinned.id)
    fleet.again().settle()
    assert fleet.federation.name == pinned.name
    assert fleet.sent[p.MODEL] == 0


def test_a_model_that_is_not_there_after_all_is_sent(fleet: Fleet) -> None:
    fleet.rounds(2)
    branches.rollback(fleet.federation, fleet.federation.head.parent)
    for board in fleet.lab.boards.values():  # its older checkpoint is damaged
        older = {"slot_a.pbc", "slot_b.pbc"} - {board.node.learning.slots.newest.name}
        board.flash.files[older.pop()] = b"PBC1"
    fleet.again().settle()
    assert fleet.sent[p.MODEL] == 2


def test_a_merged_model_goes_to_all(fleet: Fleet) -> None:
    fleet.rounds()
    branches.fork(fleet.federation, 1)
    fleet.rounds().again(1).rounds().stop()
    with closing(Store(fleet.folder / "hub")) as store:
        into, other = resume(store), resume(store, 1)
        masters = into.master.master, other.master.master
        branches.merge(into, other)
        assert (into.master.master == (masters[0] + masters[1] + 1) // 2).all()
        merged = into.name
    fleet.start().settle()
    assert fleet.federation.name == merged
    fleet.rounds()


def test_a_board_with_a_branch_of_its_own_is_left_alone_by_every_hub(fleet: Fleet) -> None:
    fleet.rounds()
    branches.fork(fleet.federation, 1)
    one = fleet.hub.devices[BOARDS[0]]
    assert fleet.hub.fork(one, 1)
    fleet.lab.run(2_000)
    assert node(fleet, 0).learning.branch == 1
    assert fleet.hub.able() == [BOARDS[1]]
    fleet.rounds()
    assert list(fleet.federation.counted.values()) == [1, 2]
    fleet.again().rounds()
    assert node(fleet, 0).learning.branch == 1
    assert fleet.federation.counted[BOARDS[0]] == 1
    fleet.again(1).rounds()
    assert fleet.federation.counted == {BOARDS[0]: 4, BOARDS[1]: 4}
    assert fleet.hub.fork(fleet.hub.devices[BOARDS[0]], None)
    fleet.again(0).rounds()
    assert fleet.federation.counted == {BOARDS[0]: 5, BOARDS[1]: 5}


def test_a_new_board_joins_the_branch_that_is_held(fleet: Fleet) -> None:
    fleet.rounds()
    branches.fork(fleet.federation, 3)
    fleet.again(3).rounds()
    fleet.add(2)
    fleet.rounds()
    assert node(fleet, 2).learning.branch == 3
    assert len(fleet.federation.counted) == 3


def test_a_board_that_cannot_change_over_is_asked_once(
    fleet: Fleet, monkeypatch: pytest.MonkeyPatch
) -> None:
    fleet.rounds()
    branches.fork(fleet.federation, 1)
    monkeypatch.setattr("paebiru_node.learning.Learning.fork", lambda *_: None)
    fleet.again(1)
    asked: list[int] = []
    control = Device.control
    monkeypatch.setattr(
        Device, "control", lambda self, what, rest: asked.append(what) or control(self, what, rest)
    )
    fleet.lab.run(60_000)
    assert not fleet.settled()
    assert asked == [p.FORK, p.FORK], "once each board"
