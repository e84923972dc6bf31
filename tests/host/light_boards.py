"""Boards as plain MicroPython processes: the firmware's files in a folder, the line over TCP.

Each is the real VM with the real port; unlike a `VirtualBoard` it has no flash of its own and
no serial line, so that dozens of them fit onto a small machine.
"""

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

from paebiru import boards
from paebiru.deploy import onto, settings
from paebiru.deploy.bundle import Bundle
from paebiru.keys import KeyStore
from sil.link.keys import DeviceKey

VM = shutil.which("micropython", path=str(Path(sys.executable).parent))
HEAP = "1M"
HOLD = """
import time
from paebiru_node.learning import Learning

honest = Learning.step


def step(self, samples):
    with open("hold") as file:
        held = int(file.read())
    if self.round >= held:
        time.sleep_ms(10)
        return False
    return honest(self, samples)


Learning.step = step
"""
"""What the firmware of a board does before it starts, if a test says when it may train."""
_NEVER = 1 << 29


class LightBoard:
    """One process; `start` begins a life, `kill` ends it."""

    def __init__(self, folder: Path, device: bytes) -> None:
        self.folder = folder
        self.device = device
        self.starts = 0
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Put the power on."""
        self.starts += 1
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [str(VM), "-X", f"heapsize={HEAP}", "main.py"],
                cwd=self.folder,
                env={**os.environ, "MICROPYPATH": "lib:.frozen"},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )

    def kill(self) -> None:
        """Cut the power."""
        if self._process is not None:
            self._process.send_signal(signal.SIGKILL)
            self._process.wait()
            self._process = None

    def pause(self) -> None:
        """Let it do nothing, as a board that is busy or out of reach."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def go_on(self) -> None:
        """Let it go on where it was paused."""
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    def hold(self, number: int) -> None:
        """Let it train no round from that number on, though it is there and takes its orders.

        So a test decides which round is open, and not who is faster.  The first time is before
        the board is started.
        """
        main = self.folder / "main.py"
        if not main.read_text().startswith(HOLD):
            main.write_text(HOLD + main.read_text())
        new = self.folder / "hold.new"
        new.write_text(str(number))
        new.replace(self.folder / "hold")  # the board never reads half of it

    def release(self) -> None:
        """Let it train whatever it is asked for."""
        self.hold(_NEVER)

    def is_running(self) -> bool:
        """Tell whether the process is there."""
        return self._process is not None and self._process.poll() is None

    def log(self) -> str:
        """Return what it printed."""
        return (self.folder / "log").read_text(errors="replace")


def make(
    folder: Path, number: int, given: dict[str, Any], files: dict[str, bytes], keys: KeyStore
) -> LightBoard:
    """Make a board's folder and give it a key."""
    bundle = onto.prepare(boards.load("vm"), settings.parse(given), files)
    return put(folder, number, bundle, keys)


def put(folder: Path, number: int, bundle: Bundle, keys: KeyStore) -> LightBoard:
    """Make the folder of a board that has this bundle, and give it a key."""
    for name, data in bundle.files.items():
        path = folder / name.lstrip("/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    device = b"light%03d" % number
    key = DeviceKey(device * 4, 1)
    keys.enroll(device, key)
    (folder / "paebiru.id").write_bytes(device)
    (folder / "paebiru.key").write_bytes(key.pack())
    return LightBoard(folder, device)
