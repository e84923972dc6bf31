"""A bundle's node in a plain VM with a heap of a given size, and a hub beside it on a pipe."""

import asyncio
import contextlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mpremote.romfs import make_romfs

from paebiru import boards, recordings
from paebiru.coordinator import Coordinator
from paebiru.deploy import onto
from paebiru.deploy.bundle import LIB, Bundle
from paebiru.deploy.settings import parse
from paebiru.device import Device
from paebiru.federated.rounds import Federation
from paebiru.sim import plan
from paebiru.transport import Driver
from sil.link.keys import DeviceKey
from sil.protocol import Task

SCRIPT = Path(__file__).resolve().parents[1] / "firmware" / "counted.py"
KEY = DeviceKey(b"heap" * 8, 1)
FILE = "samples.jsil"
SAMPLES = 100
PATIENCE = 300.0


@dataclass(frozen=True)
class Work:
    """What the board is to learn: a data set's samples, preloaded, and a network."""

    task: Task
    settings: dict[str, Any]
    recording: bytes


@dataclass(frozen=True)
class Counts:
    """What the VM reported, bytes."""

    steps: int
    most: int
    least_free: int
    early: int
    late: int
    crash: str
    rounds: int

    def __str__(self) -> str:
        return (
            f"{self.steps} steps, {self.rounds} rounds: at most {self.most} bytes in use, at"
            f" least {self.least_free} free; {self.early} after a tenth, {self.late} at the end"
            f" {self.crash}"
        )


def work(dataset: str, hidden: int) -> Work:
    """Return a board's share of a data set, at most `SAMPLES` of it."""
    world = plan.prepare(plan.Plan(dataset=dataset, clients=10 if dataset == "digits" else 3,
                                   hidden=(hidden,)))  # fmt: skip
    rows = world.parts[0][:SAMPLES]
    x, y = world.split.train_x[rows], world.split.train_y[rows]
    sensor = {
        "driver": "replay", "layer": 0, "file": FILE, "inputs": x.shape[1], "labelled": True,
        "signed": world.split.signed, "period": 20,
    }  # fmt: skip
    settings = {
        "sensors": [sensor], "period_ms": 20, "health_s": 1, "watchdog_ms": 0,
        "learn": {"sensor": 0, "capacity": SAMPLES, "preload": True},
    }  # fmt: skip
    return Work(Task(world.sizes, world.split.signed, 500), settings, recordings.record(x, y))


def bundle(work: Work, march: str = "x64") -> Bundle:
    """Return what `paebiru deploy` would put onto a virtual board, for the VM's machine code."""
    board = boards.load("vm").model_copy(update={"arch": march})
    return onto.prepare(board, parse(work.settings), {FILE: work.recording})


def place(bundle: Bundle, folder: Path) -> Path:
    """Write a bundle as files below `folder`, the key of the board too; return its /lib's image."""
    for name, data in bundle.files.items():
        path = folder / name[1:]
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    (folder / "paebiru.key").write_bytes(KEY.pack())
    image = folder.with_suffix(".romfs")
    with contextlib.redirect_stdout(None):  # it prints the tree of files
        image.write_bytes(make_romfs(str(folder / LIB[1:]), mpy_cross=None))
    return image


class Pipe:
    """The line to a process: its standard input and output."""

    datagrams = False

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    async def read(self) -> bytes:
        """Wait for bytes; ``b""`` when the process has ended."""
        assert self._process.stdout
        return await self._process.stdout.read(4096)

    async def write(self, data: bytes) -> None:
        """Send bytes."""
        assert self._process.stdin
        with contextlib.suppress(ConnectionError):
            self._process.stdin.write(data)
            await self._process.stdin.drain()

    def close(self) -> None:
        """Let go; who started the process ends it."""


def run(
    vm: Path | str,
    heap: str,
    folder: Path,
    work: Work,
    image: Path | None,
    steps: int,
    rounds: int = 2,
) -> Counts | str:
    """Run a node for so many steps, two federated rounds among them.

    Returns what it counted, or what it said when the VM ended otherwise.
    """  # fmt: skip
    report = folder.parent / "report"
    report.unlink(missing_ok=True)
    federation = Federation(work.task, seed=0)
    words = [str(vm), "-X", f"heapsize={heap}", str(SCRIPT), str(folder / LIB[1:]),
             str(image or ""), str(steps), str(report)]  # fmt: skip
    said = asyncio.run(_serve(words, folder, federation, rounds))
    if not report.exists():
        return said
    lines = report.read_text().split("\n")
    return Counts(*map(int, lines[:5]), lines[5], federation.number)


async def _serve(words: list[str], folder: Path, federation: Federation, rounds: int) -> str:
    with (folder.parent / "stderr").open("wb") as errors:
        process = await asyncio.create_subprocess_exec(
            *words, cwd=folder, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
            stderr=errors,
        )  # fmt: skip
    said: list[str] = []

    def told(word: str, device: Device, about: Any) -> None:
        if word == "health" and about.text:
            said.append(about.text.decode())
        elif word == "text":
            said.append(str(about))

    desk = Coordinator(lambda device, epoch: KEY, federation, told)
    device = Device(desk)
    driver = Driver(device.session, Pipe(process), device.act)
    device.wake = driver.wake
    ended = asyncio.create_task(process.wait())
    line = asyncio.create_task(driver.run())

    async def until(done: Callable[[], object]) -> bool:
        while not done() and not ended.done():
            await asyncio.sleep(0.005)
        return not ended.done()

    try:
        async with asyncio.timeout(PATIENCE):
            goes_on = await until(lambda: device.status)
            while goes_on and federation.number < rounds:
                desk.open()
                if await until(desk.has_all):
                    desk.close()
                goes_on = await until(
                    lambda: device.status and device.status.model == federation.name
                )
            await ended
    except TimeoutError:
        said.append(f"not done in {PATIENCE:.0f} s")
    finally:
        if not ended.done():
            process.kill()
        line.cancel()
        await asyncio.gather(line, ended, return_exceptions=True)
    return "\n".join(said) + (folder.parent / "stderr").read_text(errors="replace")[-2000:]
