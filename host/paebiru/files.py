"""Files that are whole or not there: written beside, then put in place."""

import os
from pathlib import Path

from paebiru.errors import UsageError


def write(path: Path, data: bytes) -> None:
    """Write a file; if that fails or is interrupted, what was there before still is.

    Raises:
        UsageError: it cannot be written.
    """
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        beside.write_bytes(data)
        beside.replace(path)
    except OSError as error:
        raise UsageError(f"{path} cannot be written ({error.strerror}): give another") from None
    finally:
        beside.unlink(missing_ok=True)


def read(path: Path) -> bytes:
    """Return what a file holds.

    Raises:
        UsageError: it cannot be read.
    """
    try:
        return path.read_bytes()
    except OSError as error:
        raise UsageError(f"{path} cannot be read ({error.strerror}): give a file's path") from None


def folder(path: Path) -> Path:
    """Return a folder that can be written to, made if it was not there.

    Raises:
        UsageError: it cannot be made, or not be written to.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"{path} is no folder ({error.strerror}): give another --out") from None
    if not os.access(path, os.W_OK | os.X_OK):
        raise UsageError(f"{path} cannot be written to: give another --out")
    probe = path / ".paebiru"
    write(probe, b"")
    probe.unlink()
    return path
