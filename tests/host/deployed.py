"""What the tests of deploy, doctor and monitor share: a recording, settings, the command."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np

from paebiru import boards, recordings
from paebiru.boards import Board
from paebiru.deploy.bundle import Bundle
from paebiru.deploy.onto import prepare
from paebiru.deploy.settings import parse

HEAP = 512 * 1024
FILE = "few.jsil"
PATIENCE = 300.0


def recording() -> bytes:
    """Return eight frames of four inputs and a class."""
    rng = np.random.default_rng(7)
    x = rng.integers(0, 256, (8, 4), dtype=np.uint8)
    return recordings.record(x, np.arange(8, dtype=np.uint8))


def settings(**changes: Any) -> dict[str, Any]:
    """Return what a board is to do: replay the recording, ten states a second."""
    sensor = {"driver": "replay", "layer": 0, "file": FILE, "inputs": 4, "labelled": True,
              "period": 100}  # fmt: skip
    return {"period_ms": 100, "batch": 4, "health_s": 1, "sensors": [sensor], **changes}


def bundle(board: Board | None = None, twin: bool = True, **changes: Any) -> Bundle:
    """Return a bundle, of the virtual board unless another is given."""
    given = parse(settings(**changes))
    return prepare(board or boards.load("vm"), given, {FILE: recording()}, twin)


def paebiru(*words: str | Path, code: int = 0) -> str:
    """Run the command; return what it printed, errors too."""
    done = subprocess.run(
        [sys.executable, "-m", "paebiru.cli", *map(str, words)],
        capture_output=True,
        timeout=PATIENCE,
        check=False,
        text=True,
    )
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout + done.stderr
