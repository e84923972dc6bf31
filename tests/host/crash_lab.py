"""Hubs that are killed, cut off or out of space at a given point, and what a disk then holds."""

import functools
import json
import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from durable_fleet import ROUNDS, live, one_model, undisturbed
from paebiru.federated.durable import resume
from paebiru.store import State, Store
from targets import ROOT

SHIM = ROOT / "tests" / "host" / "shim"
COUNT, KILL, TORN, FULL, BROKEN = range(5)


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
    """A folder for hubs, and a process that forks them with cut.so before libc."""

    def __init__(self, shim: Path) -> None:
        where = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None  # no wear, and fast
        self.root = Path(tempfile.mkdtemp(prefix="paebiru-", dir=where)).resolve()
        self.folder = self.root / "hub"
        env = {
            **os.environ, "LD_PRELOAD": str(shim), "PYTHONPATH": os.pathsep.join(sys.path),
            "OPENBLAS_NUM_THREADS": "1", "PAEBIRU_BACKEND": "plain",
        }  # fmt: skip
        self._host = subprocess.Popen(
            [sys.executable, SHIM / "crash.py"], env=env, text=True,
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
def crash_lab(folder: Path) -> Iterator[CrashLab]:
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
    lab = CrashLab(shim)
    try:
        yield lab
    finally:
        lab.close()
