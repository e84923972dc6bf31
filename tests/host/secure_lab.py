"""A group of whole boards in virtual time that learn wine under masks, and what their hub gets."""

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np

from paebiru import recordings
from paebiru.coordinator import Coordinator
from paebiru.device import Device
from paebiru.federated.rounds import Federation
from paebiru.federated.secure import deal, stream
from paebiru.federated.sums import Members, Sums
from paebiru.memberships import values
from paebiru.rng import Rng
from paebiru.sim import plan
from paebiru.sim.lab import Lab, SimBoard
from sil import groups, protocol
from sil.link.keys import DeviceKey
from sil.protocol import Task
from wine_lab import config

BOARDS = tuple(b"masked-%d" % number for number in range(1, 5))
SHARE = 10_000


@cache
def world() -> plan.World:
    return plan.prepare(
        plan.Plan(dataset="wine", clients=len(BOARDS), hidden=(8,), share=SHARE / 10_000)
    )


@cache
def recording(number: int) -> bytes:
    rows = world().parts[number]
    return recordings.record(world().split.train_x[rows], world().split.train_y[rows])


def memberships(seed: int = 0, members: int = len(BOARDS)) -> list[bytes]:
    rng = Rng(seed, "secrets")
    return deal(members, None, lambda n: rng.words(n // 8).tobytes())


def members(seed: int = 0) -> Members:
    one = groups.unpack(memberships(seed)[0])
    return Members(one.name, one.threshold, BOARDS)


def counter() -> Callable[[bytes], int]:
    last = [0]

    def new_ticket(name: bytes) -> int:
        last[0] += 1
        return last[0]

    return new_ticket


class SecureDesk(Coordinator):
    """Keeps every object that a board sent."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.got: list[tuple[bytes, int, bytes]] = []
        self.asked: dict[tuple[bytes, bytes], set[bytes]] = {}
        """By board and ticket, what was asked about it."""

    def take(self, device: Device, kind: int, body: bytes, done: Callable[[int], None]) -> None:
        self.got.append((device.name, kind, body))
        super().take(device, kind, body, done)

    def _serve(self, device: Device) -> None:
        super()._serve(device)
        if device.offered == protocol.UNMASK:
            about = device.name, device.sent[:12]
            self.asked.setdefault(about, set()).add(device.sent)


class SecureLab(Lab):
    """The boards, each with its membership, and their hub's desk."""

    def __init__(self, federation: Federation | None = None, seed: int = 0) -> None:
        w = world()
        self.keys = {device: DeviceKey(device * 4, 1) for device in BOARDS}
        self.federation = federation or Federation(
            Task(w.sizes, w.split.signed, SHARE), seed=1, rate=256
        )
        if self.federation.sums is None:
            self.federation.sums = Sums([members()], counter())
        self.told: list[tuple[str, bytes, Any]] = []
        self.desk_of = SecureDesk(
            lambda device, epoch: self.keys.get(device),
            self.federation,
            lambda word, device, about: self.told.append((word, device.name, about)),
        )
        super().__init__(self.desk_of, seed)
        for number, device in enumerate(BOARDS):
            board = self.add(device, config(), {"wine.jsil": recording(number)}, self.keys[device])
            enroll(board, memberships()[number])
            board.power_cut()

    @property
    def sums(self) -> Sums:
        assert self.federation.sums is not None
        return self.federation.sums

    def until_known(self) -> None:
        devices = self.desk_of.devices
        self.run_until(
            lambda: len(devices) == len(self.boards) and all(d.status for d in devices.values()),
            30_000,
        )

    def collect(self, who: tuple[bytes, ...] = BOARDS) -> None:
        """Begin a round and wait for the parts of `who`."""
        self.desk_of.open()
        self.run_until(lambda: set(self.federation.updates) == set(who), 120_000)

    def unmask(self) -> None:
        """Seal the round, wait for enough answers, and close it."""
        self.desk_of.seal()
        self.run_until(self.sums.is_done, 120_000)
        self.desk_of.close()

    def round(self) -> None:
        self.collect()
        self.unmask()

    def until_equal(self) -> None:
        self.run_until(
            lambda: all(
                board.node.learning.model == self.federation.name for board in self.boards.values()
            ),
            120_000,
        )

    def heard(self, word: str) -> list[Any]:
        return [about for told, _, about in self.told if told == word]

    def sent(self, kind: int) -> list[bytes]:
        return [body for _, k, body in self.desk_of.got if k == kind]


def enroll(board: SimBoard, stored: bytes) -> None:
    """Store a membership as `paebiru keys group` does."""
    board.flash.values |= values(stored)


def waiting(board: SimBoard) -> np.ndarray:
    """Return what of this board's learning is in no sum, Q12."""
    return np.array(board.node.learning.learner.residual, dtype=np.int64)


def plain(body: bytes) -> np.ndarray:
    """Return the words under a MASKED, Q12: with all secrets of the group, which no hub has."""
    group = groups.unpack(memberships()[body[12] - 1])
    weights = int.from_bytes(body[16:20], "little")
    ticket = int.from_bytes(body[8:12], "little")
    words = np.frombuffer(body[20 : 20 + 2 * weights], dtype="<u2").copy()
    for j in range(1, group.members + 1):
        own = stream(group.seed(j, ticket), weights)
        words += own if j < group.index else np.uint16(0) - own
    return words.view(np.int16).astype(np.int64)
