"""The whole way without hardware: a virtual board is set up, learns a round, and is checked.

Everything is what it is with a real board: the firmware as it is deployed, mpremote, the link
with its keys, a federation.  Only the chip is MicroPython's VM in a process.
"""

import asyncio
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from paebiru import accel, boards, recordings
from paebiru.coordinator import Coordinator
from paebiru.deploy.copy import copy
from paebiru.deploy.onto import prepare
from paebiru.deploy.repl import Repl
from paebiru.deploy.settings import device, parse
from paebiru.device import Batch, Device
from paebiru.enrollment import enroll
from paebiru.errors import UsageError
from paebiru.federated import evaluate
from paebiru.federated.rounds import Federation
from paebiru.keys import KeyStore
from paebiru.monitor_line import converse, open_line
from paebiru.sim.lab import Lab
from paebiru.sim.plan import Plan, World
from paebiru.sim.plan import prepare as deal
from paebiru.vboard import BoardError, VirtualBoard
from sil import protocol as p
from sil.errors import SilError
from sil.link.keys import DeviceKey
from sil.protocol_hub import Health, Status

HEAP = 320 * 1024
"""Bytes that the board's program finds free."""
PATIENCE = 60.0
"""Seconds for whatever a board has to do; on an idle machine none takes five."""
_SAMPLES = 100
_SHARE = 500  # of 10000 weights
_EPOCHS = 4
_VIRTUAL = 600_000  # ms of virtual time for the same in the simulator
_FILE = "digits.jsil"
_SETTINGS: dict[str, Any] = {
    "name": "doctor",
    "links": ["usb"],
    "period_ms": 100,
    "batch": 8,
    "sensors": [
        {"driver": "replay", "layer": 0, "file": _FILE, "inputs": 64, "labelled": True,
         "period": 100}
    ],
    "learn": {"sensor": 0, "capacity": _SAMPLES, "preload": True},
}  # fmt: skip


class TrialError(Exception):
    """A step did not come to its end; the message says which and why."""


@dataclass
class Step:
    """One step that was taken."""

    name: str
    text: str = ""
    seconds: float = 0.0


@dataclass
class Trial:
    """One run through everything.

    Args:
        folder: for the board's flash and the keys.
        tcp: the board answers at a TCP port and not at a pseudo-terminal.
        heap: bytes that its program finds free.
        told: hears of each step that is done.
    """

    folder: Path
    tcp: bool = False
    heap: int = HEAP
    told: Callable[[Step], None] = lambda step: None
    patience: float = PATIENCE
    _said: deque[str] = field(default_factory=lambda: deque(maxlen=4))
    """What the board printed last."""
    _states: list[bytes] = field(default_factory=list)

    def run(self) -> None:
        """Take every step.

        Raises:
            TrialError: one failed.
        """
        with self._step("data") as step:
            accel.install()
            world = deal(Plan(clients=8))
            rows = world.parts[0][:_SAMPLES]
            recording = recordings.record(world.split.train_x[rows], world.split.train_y[rows])
            step.text = f"{len(rows)} digits in a recording of {len(recording)} bytes"
        with self._step("virtual board") as step:
            address = "127.0.0.1:0" if self.tcp else ""
            board = VirtualBoard(self.folder / "board", tcp=address, heap=self.heap)
            board.__enter__()
            step.text = f"{board.id} on {board.port}, {self.heap // 1024}k free"
        try:
            with closing(KeyStore(self.folder / "keys.sqlite")) as store:
                key = self._set_up(board.port, store, recording)
                federation = _federation(world)
                asyncio.run(self._learn(board.port, store, world, federation))
                self._compare(federation, world, recording, key)
        finally:
            board.__exit__(None, None, None)

    def _set_up(self, port: str, store: KeyStore, recording: bytes) -> tuple[bytes, DeviceKey]:
        with self._step("deploy") as step:
            bundle = prepare(boards.load("vm"), parse(_SETTINGS), {_FILE: recording})
            done = copy(port, bundle)
            step.text = f"{len(done.sent)} files, {done.size} bytes, verified on the board"
        with self._step("enroll") as step, Repl(port) as repl:
            name, key = enroll(repl, store)
            repl.reset()
            step.text = f"{name.hex()}, epoch {key.epoch}"
        return name, key

    async def _learn(
        self, port: str, store: KeyStore, world: World, federation: Federation
    ) -> None:
        hub = Coordinator(store.find, None, self._hear)  # it listens first
        board = Device(hub, hide_etx=True)
        session = asyncio.create_task(converse(await open_line(port), board))
        try:
            await self._wake(board)
            hub.federation = federation
            before = _accuracy(world, federation)
            await self._round(board, hub, federation)
        finally:
            session.cancel()
            with suppress(asyncio.CancelledError):
                await session
        with self._step("accuracy") as step:
            after = _accuracy(world, federation)
            if federation.name == federation.before:
                raise TrialError("the round has not changed the model")
            step.text = f"{before:.1%} before the round, {after:.1%} after it"

    async def _wake(self, board: Device) -> None:
        with self._step("link") as step:
            await self._until(lambda: board.status is not None, "the node did not call")
            status = _status(board)
            if status.is_safe or status.samples != _SAMPLES:
                raise TrialError(
                    f"it has {status.samples} samples of {_SAMPLES}"
                    + (", and runs in safe mode" if status.is_safe else "")
                )
            step.text = f"the node proved its key, and has {status.samples} samples"
        with self._step("senses") as step:
            await self._until(lambda: any(s[0] for s in self._states), "no states came")
            step.text = f"{len(self._states)} states, the last {self._states[-1].hex()}"

    async def _round(self, board: Device, hub: Coordinator, federation: Federation) -> None:
        name = board.name
        with self._step("train") as step:
            hub.open()
            await self._until(lambda: name in federation.updates, "no update came")
            update = federation.updates[name]
            hub.close()
            step.text = (
                f"model sent, {update.samples} samples trained {_EPOCHS} times on the board,"
                f" update of {update.size} bytes counted"
            )
        with self._step("adopt") as step:
            await self._until(
                lambda: _status(board).model == federation.name, "the new model did not arrive"
            )
            step.text = f"the board has model {federation.name.hex()}, as the hub"

    def _compare(
        self, federation: Federation, world: World, recording: bytes, key: tuple[bytes, DeviceKey]
    ) -> None:
        with self._step("simulator") as step:
            other = simulated(world, recording, *key)
            if other != federation.name:
                raise TrialError(f"it has {other.hex()}, the board {federation.name.hex()}")
            step.text = "the same round there gives the same model, to the byte"

    # -- helpers

    @contextmanager
    def _step(self, name: str) -> Iterator[Step]:
        step = Step(name)
        begun = time.monotonic()
        try:
            yield step
        except (TrialError, UsageError, SilError, BoardError, OSError, TimeoutError) as error:
            said = f" (the board said: {' / '.join(self._said)})" if self._said else ""
            raise TrialError(f"{name}: {error}{said}") from None
        step.seconds = time.monotonic() - begun
        self.told(step)

    async def _until(self, done: Callable[[], bool], otherwise: str) -> None:
        deadline = time.monotonic() + self.patience
        while not done():
            if time.monotonic() > deadline:
                raise TrialError(f"{otherwise} within {self.patience:.0f} s")
            await asyncio.sleep(0.02)

    def _hear(self, word: str, board: Device, about: object) -> None:
        if word == "text":
            self._said.append(str(about))
        elif isinstance(about, Batch):
            self._states += about.states
        elif isinstance(about, Health) and about.text:
            self._said.append(about.text.decode(errors="replace"))


def _status(board: Device) -> Status:
    """Return where the board stands, also while it calls again."""
    if board.status is None:
        return Status(bytes((p.VERSION,)) + bytes(p.STATUS_SIZE - 1))
    return board.status


def _federation(world: World) -> Federation:
    task = p.Task(world.sizes, world.split.signed, _SHARE)
    return Federation(task, seed=0, epochs=_EPOCHS)


def _accuracy(world: World, federation: Federation) -> float:
    split = world.split
    x = split.test_x.view("uint8")
    return evaluate.accuracy(world.sizes, federation.master.codes(), x, split.test_y, split.signed)


def simulated(world: World, recording: bytes, name: bytes, key: DeviceKey) -> bytes:
    """Return the name of the model that the same round gives with a simulated board."""
    federation = _federation(world)
    hub = Coordinator(lambda device, epoch: key, federation)
    lab = Lab(hub)
    made = device(boards.load("vm"), parse(_SETTINGS))
    board = {**made["board"], "watchdog_ms": 30000}
    lab.add(name, {**made, "board": board}, {_FILE: recording}, key)
    lab.run_until(lambda: any(d.status for d in hub.devices.values()), _VIRTUAL)
    hub.open()
    lab.run_until(hub.has_all, _VIRTUAL)
    hub.close()
    return federation.name
