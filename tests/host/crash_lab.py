"""Hubs that are killed, cut off or out of space at a given point, and what a disk then holds."""

import functools
import json
import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

import pytest

from durable_fleet import ROUNDS, live, one_model, undisturbed
from paebiru.federated.durable import resume
from paebiru.store import State, Store, StoreError
from shim import disk
from targets import ROOT

SHIM = ROOT / "tests" / "host" / "shim"
COUNT, KILL, TORN, FULL, BROKEN = range(5)
Check = Callable[[Path, list[str]], None]
"""Asserts of a folder, and of what others were told, that a hub goes on as it should."""


@dataclass
class Life:
    """How a life as a hub ended, and what others were told in it."""

    signal: int
    code: int
    said: list[str]

    @property
    def points(self) -> int:
        return int(next(text for text in self.said if text.startswith("points")).split()[1])

    def told(self, word: str) -> list[str]:
        return [text for text in self.said if text.startswith(word)]


class CrashLab:
    """A folder for hubs, and a process that forks them with cut.so before libc.

    Args:
        shim: cut.so.
        life: the module of what is lived there (durable_fleet, secure_life, places_life).
    """

    def __init__(self, shim: Path, life: str) -> None:
        where = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None  # no wear, and fast
        self.root = Path(tempfile.mkdtemp(prefix="paebiru-", dir=where)).resolve()
        self.folder = self.root / "hub"
        env = {
            **os.environ, "LD_PRELOAD": str(shim), "PYTHONPATH": os.pathsep.join(sys.path),
            "OPENBLAS_NUM_THREADS": "1", "PAEBIRU_BACKEND": "plain",
        }  # fmt: skip
        self._host = subprocess.Popen(
            [sys.executable, SHIM / "crash.py", life], env=env, text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        )  # fmt: skip

    def close(self) -> None:
        self._host.kill()
        self._host.wait()
        shutil.rmtree(self.root)

    def clear(self) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir()

    def live(self, mode: int = COUNT, at: int = 0, log: str = "", **more: Any) -> Life:
        """Live as a hub in the folder as it is."""
        acks = self.root / "acks"
        acks.unlink(missing_ok=True)
        ask = {"folder": str(self.folder), "mode": mode, "at": at, "acks": str(acks), "log": log}
        assert self._host.stdin
        assert self._host.stdout
        print(json.dumps({**ask, **more}), file=self._host.stdin, flush=True)
        answer = json.loads(self._host.stdout.readline())
        assert answer["code"] != 4, "the hub failed: see its traceback above"
        return Life(answer["signal"], answer["code"], acks.read_text().splitlines())

    def record(self, **more: Any) -> tuple[Life, Path]:
        """Live undisturbed in a new folder; return the log of all points as well."""
        self.clear()
        log = self.root / "log"
        log.unlink(missing_ok=True)
        return self.live(COUNT, 0, str(log), **more), log


def check(folder: Path, said: list[str]) -> None:
    """Assert that nothing of what others were told is lost, and that the rest ends as it should."""
    store = Store(folder)
    if store.history.ref(0, "head"):
        resume(store, 0, one_model)
    for text in said:
        word, number, device = (*text.split(" "), "")[:3]
        if word == "acked":
            stored = [row.device.hex() for row in store.updates_of(int(number))]
            assert stored.count(device) == 1, text
        elif word == "published":
            assert store.round(int(number)).state == State.PUBLISHED, text
    store.close()
    assert live(folder) == undisturbed(ROUNDS)


def killed(lab: CrashLab, checked: Check, at: int, mode: int = KILL) -> None:
    """Assert that a life in a new folder that is killed at a point goes on as it should."""
    lab.clear()
    life = lab.live(mode, at)
    assert life.signal == 9, f"point {at}"
    try:
        checked(lab.folder, life.said)
    except (AssertionError, StoreError) as error:
        raise AssertionError(f"killed at point {at}: {error}") from error


def killed_again(lab: CrashLab, checked: Check, seed: int, most: int) -> None:
    """Assert that lives killed by seed at a point below `most`, over and over, get to the end."""
    random = Random(seed)
    lab.clear()
    said: list[str] = []
    kills = 0
    while True:
        life = lab.live(KILL, random.randrange(20, most))
        said += life.said
        if not life.signal:
            break
        kills += 1
    assert kills > 2
    assert life.code == 0
    checked(lab.folder, said)


def powerless(
    lab: CrashLab, checked: Check, log: Path, seeds: int,
    part: int = 0, parts: int = 1, first: int = 0,
) -> int:  # fmt: skip
    """Try what a power cut may leave at every point, each image once; return how many.

    Args:
        lab: where.
        checked: asserts that an image goes on as it should.
        log: of a life's points.
        seeds: how many images of each point: all that is not synced dropped, kept, or at random.
        part, parts: of the images, to share the work.
        first: the point in the log behind which power is lost first.
    """
    machine = disk.Disk(str(lab.folder))
    images = set()
    for at, point in enumerate(disk.read_log(log)):
        machine.play(point)
        for seed in range(seeds if at >= first else 0):
            image = machine.image(seed if seed < 2 else at * seeds + seed)
            said = list(machine.marks)
            key = hash((str(image), str(said)))
            if key in images:
                continue
            images.add(key)
            if len(images) % parts != part:
                continue
            disk.write(image, lab.folder)
            try:
                checked(lab.folder, said)
            except (AssertionError, StoreError) as error:
                raise AssertionError(f"power lost behind point {at}, {seed}: {error}") from error
    return len(images) // parts


@functools.cache
def compiler() -> str | None:
    found = sysconfig.get_config_var("CC") or "cc"
    return shutil.which(found.split()[0]) or shutil.which("gcc") or shutil.which("cc")


def missing() -> str:
    """Return why hubs cannot be cut here, or nothing."""
    if sys.platform != "linux":
        return "LD_PRELOAD and /proc are Linux's"
    return "" if compiler() else "no C compiler for the shim; Debian: apt install gcc libc6-dev"


@contextmanager
def crash_lab(folder: Path, life: str = "durable_fleet") -> Iterator[CrashLab]:
    reason = missing()
    if reason and os.environ.get("CI") == "true":
        pytest.fail(f"hubs must be cut in CI: {reason}")
    if reason:
        pytest.skip(reason)
    shim = folder / "cut.so"
    subprocess.run(
        [compiler() or "", "-shared", "-fPIC", "-O1", "-Wall", "-Werror", "-o", shim,
         SHIM / "cut.c", "-ldl", "-lpthread"],
        check=True, timeout=180,
    )  # fmt: skip
    lab = CrashLab(shim, life)
    try:
        yield lab
    finally:
        lab.close()
