"""A small federation in virtual time: three whole boards, wine, a network of 139 weights."""

from functools import cache
from typing import Any

from paebiru import recordings
from paebiru.coordinator import Coordinator
from paebiru.federated.rounds import Federation
from paebiru.sim import plan
from paebiru.sim.lab import BOARD, Lab, SimBoard
from sil.link.keys import DeviceKey
from sil.protocol import Task

BOARDS = (b"board-00", b"board-01", b"board-02")


@cache
def world() -> plan.World:
    return plan.prepare(plan.Plan(dataset="wine", clients=len(BOARDS), hidden=(8,)))


@cache
def recording(number: int) -> bytes:
    split = world().split
    rows = world().parts[number]
    return recordings.record(split.train_x[rows], split.train_y[rows])


def config(**changes: Any) -> dict[str, Any]:
    """Return a device.json whose one sensor is a recording of layer 3."""
    sensor = {
        "driver": "replay", "layer": 3, "file": "wine.jsil", "inputs": 13,
        "labelled": True, "signed": world().split.signed, "period": 1000,
    }  # fmt: skip
    given = {
        "version": 1, "name": "wine", "layers": [3], "links": ["usb"], "period_ms": 1000,
        "batch": 4, "sensors": [sensor],
        "learn": {"sensor": 0, "capacity": 100, "preload": True},
    }  # fmt: skip
    return {**given, "board": BOARD, **changes}


class WineLab(Lab):
    """The boards, and what their hub was told."""

    def __init__(self, boards: int = len(BOARDS), seed: int = 0) -> None:
        self.keys = {device: DeviceKey(device * 4, 1) for device in BOARDS}
        w = world()
        self.federation = Federation(Task(w.sizes, w.split.signed, 500), seed=1)
        self.told: list[tuple[str, bytes, Any]] = []
        self.coordinator = Coordinator(
            lambda device, epoch: self.keys.get(device),
            self.federation,
            lambda word, device, about: self.told.append((word, device.name, about)),
        )
        super().__init__(self.coordinator, seed)
        for number in range(boards):
            self.add_wine(number)

    def add_wine(self, number: int, **changes: Any) -> SimBoard:
        device = BOARDS[number]
        files = {"wine.jsil": recording(number)}
        return self.add(device, config(**changes), files, self.keys[device])

    def until_known(self, limit: int = 30_000) -> None:
        """Run until every board has said where it stands."""
        devices = self.coordinator.devices
        self.run_until(
            lambda: (
                len(devices) == len(self.boards)
                and all(device.status is not None for device in devices.values())
            ),
            limit,
        )

    def round(self, limit: int = 120_000) -> None:
        """Have one round done by all boards."""
        self.coordinator.open()
        self.run_until(lambda: len(self.federation.updates) == len(self.boards), limit)
        self.coordinator.close()

    def until_equal(self, limit: int = 120_000) -> None:
        """Run until every board has the federation's model."""
        self.run_until(
            lambda: all(
                board.node.learning.model == self.federation.name for board in self.boards.values()
            ),
            limit,
        )

    def heard(self, word: str) -> list[Any]:
        return [about for told, _, about in self.told if told == word]


@cache
def undisturbed(rounds: int) -> bytes:
    """Return the name of the model after so many rounds in which nothing went wrong."""
    lab = WineLab()
    lab.until_known()
    for _ in range(rounds):
        lab.round()
    lab.until_equal()
    return lab.federation.name
