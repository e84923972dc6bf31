"""A bundle onto a CircuitPython board, whose files a computer sees as the drive CIRCUITPY."""

import os
import shutil
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from errno import EROFS
from hashlib import sha256
from pathlib import Path

from paebiru.deploy.bundle import Bundle
from paebiru.deploy.transfer import Found, Progress, Result, carry_out, compare, silent
from paebiru.errors import UsageError

_MARK = "boot_out.txt"  # CircuitPython writes it at every start
_PIECE = 16384


class Drive:
    """The files of a board behind a folder (see `transfer.Store`)."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.free = shutil.disk_usage(folder).free

    def look(self, paths: Sequence[str], folders: Sequence[str]) -> dict[str, Found]:
        """Hash files."""
        found = [path for path in paths if self._at(path).is_file()]
        for folder in folders:
            below = sorted(p for p in self._at(folder).rglob("*") if p.is_file())
            found += ["/" + p.relative_to(self._folder).as_posix() for p in below]
        return {path: self._found(self._at(path)) for path in found}

    def read(self, path: str) -> bytes:
        """Return what a file holds."""
        return self._at(path).read_bytes()

    def write(self, path: str, data: bytes, told: Callable[[int], None]) -> None:
        """Write a file through to the drive."""
        with self._at(path).open("wb") as file:
            for at in range(0, len(data), _PIECE):
                file.write(data[at : at + _PIECE])
                told(min(at + _PIECE, len(data)))
            file.flush()
            os.fsync(file.fileno())
            if hasattr(os, "posix_fadvise"):  # so that `look` reads the drive, not the memory
                os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)

    def remove(self, paths: Sequence[str], folders: Sequence[str]) -> None:
        """Remove files and empty folders."""
        for path in paths:
            try:
                self._at(path).unlink(missing_ok=True)
            except OSError as error:
                raise UsageError(_refused(self._folder, error)) from None
        for folder in folders:
            below = [p for p in self._at(folder).rglob("*") if p.is_dir()]
            for place in (*sorted(below, reverse=True), self._at(folder)):
                with suppress(OSError):
                    place.rmdir()  # fails where something is left

    def make_folders(self, folders: Sequence[str]) -> None:
        """Make folders."""
        for folder in folders:
            try:
                self._at(folder).mkdir(exist_ok=True)
            except OSError as error:
                raise UsageError(_refused(self._folder, error)) from None

    def _at(self, path: str) -> Path:
        return self._folder / path.lstrip("/")

    def _found(self, path: Path) -> Found:
        digest = sha256()
        with path.open("rb") as file:
            while piece := file.read(_PIECE):
                digest.update(piece)
        return Found(path.stat().st_size, digest.hexdigest())


def onto_drive(folder: Path, bundle: Bundle, told: Progress = silent) -> Result:
    """Put a bundle onto the drive at `folder`; the board starts it by itself.

    Raises:
        UsageError: it is no CircuitPython drive, cannot be written to, or has no room.
    """
    begun = time.monotonic()
    mark = folder / _MARK
    try:
        text = mark.read_text(encoding="utf-8", errors="replace")
    except OSError:
        raise UsageError(
            f"{folder} is no CIRCUITPY drive: it has no {_MARK}; give the folder where the board"
            " is mounted (if it shows no drive at all: paebiru flash, then press reset)"
        ) from None
    if "CircuitPython" not in text:
        raise UsageError(f"{mark} is not CircuitPython's: give the folder of the board's drive")
    if bundle.board.runtime != "circuitpython":
        raise UsageError(
            f"{bundle.board.name} runs {bundle.board.runtime}: give --port instead of --drive,"
            " or a --board that runs CircuitPython"
        )
    store = Drive(folder)
    plan = compare(bundle, store)
    size = carry_out(plan, store, told)
    seconds = time.monotonic() - begun
    return Result(_device(text), plan.sent, plan.unchanged, plan.stale, size, seconds)


def _device(text: str) -> str:
    """Return the board's id, which is the line ``UID:…``."""
    for line in text.splitlines():
        if line.startswith("UID:"):
            return line[4:].strip().lower()
    return ""


def _refused(folder: Path, error: OSError) -> str:
    if error.errno == EROFS:
        what = "is read-only: the board keeps its drive to itself, or it was torn out"
    else:
        what = f"cannot be written to ({error.strerror})"
    return f"{folder} {what}; press the board's reset button, then deploy again"
