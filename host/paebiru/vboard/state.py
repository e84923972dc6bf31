"""A virtual board's folder: what outlives its power."""

import fcntl
import os
import secrets
import time
from pathlib import Path

from paebiru.errors import UsageError

_OUI = bytes.fromhex("3c71bf")  # Espressif's, as in the MAC addresses of ESP32 boards
_FLASH = 2 * 1024 * 1024
_NVS_ROOM = 5 * 126 * 32  # bytes: the usual 24 KiB partition, 126 entries of 32 in 5 of 6 pages
_PATIENCE = 3.0  # s for a VM to die whose bridge was killed


class State:
    """The folder, locked for one board: ``flash.img``, ``identity``, ``nvs/`` and ``log``."""

    def __init__(self, folder: Path, size: int) -> None:
        self.folder = folder
        try:
            (folder / "nvs").mkdir(parents=True, exist_ok=True)
            self.lock = os.open(folder / "lock", os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as error:
            raise UsageError(
                f"cannot keep a board in {folder}: {error.strerror}; name another folder with --dir"
            ) from None
        try:
            self._take_lock()
            self.id = self._identity()
            self.flash = self._open_flash(size)
        except BaseException:
            os.close(self.lock)
            raise

    def close(self) -> None:
        """Let go of it."""
        os.close(self.flash)
        os.close(self.lock)

    def load(self, name: str) -> bytes | None:
        """Return what was saved under an NVS name."""
        try:
            return (self.folder / "nvs" / name).read_bytes()
        except FileNotFoundError:
            return None

    def save(self, name: str, data: bytes | None) -> bool:
        """Keep data under an NVS name, whole and for good, or forget it; False when it is full."""
        path = self.folder / "nvs" / name
        if data is None:
            path.unlink(missing_ok=True)
        else:
            others = (p for p in path.parent.iterdir() if p.name != name and p.suffix != ".new")
            if sum(_room(p.stat().st_size) for p in others) + _room(len(data)) > _NVS_ROOM:
                return False
            new = path.with_name(f"{name}.new")
            with new.open("wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            new.replace(path)
        _sync(path.parent)
        return True

    def _take_lock(self) -> None:
        deadline = time.monotonic() + _PATIENCE
        while True:
            try:
                fcntl.flock(self.lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return
            except BlockingIOError:
                owner = os.pread(self.lock, 20, 0).decode() or "?"
            if _is_alive(owner) or time.monotonic() > deadline:
                raise UsageError(
                    f"the board in {self.folder} is running (process {owner}); "
                    "end that one, or name another folder with --dir"
                )
            time.sleep(0.02)

    def _identity(self) -> bytes:
        os.pwrite(self.lock, b"%-20d" % os.getpid(), 0)
        path = self.folder / "identity"
        if not path.exists():
            path.write_text((_OUI + secrets.token_bytes(3)).hex() + "\n")
        try:
            found = bytes.fromhex(path.read_text())
        except ValueError:
            found = b""
        if len(found) != 6:
            raise UsageError(f"{path} holds no board's identity: 12 hex digits; or remove it")
        return found

    def _open_flash(self, size: int) -> int:
        path = self.folder / "flash.img"
        flash = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        present = os.fstat(flash).st_size
        if not present:
            os.ftruncate(flash, size or _FLASH)
        elif present != size and size:
            os.close(flash)
            raise UsageError(
                f"the flash in {self.folder} has {present // 1024}k, not {size // 1024}k: "
                "leave --size away, or name another folder with --dir"
            )
        return flash


def _room(size: int) -> int:
    return 32 * (2 + (size + 31) // 32)


def _sync(folder: Path) -> None:
    fd = os.open(folder, os.O_RDONLY)
    os.fsync(fd)
    os.close(fd)


def _is_alive(owner: str) -> bool:
    try:
        os.kill(int(owner), 0)
    except (ValueError, OSError):
        return False
    return True
