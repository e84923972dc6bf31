"""Blobs named by their hash: whole and durable once `put` returns, or not there.

Written beside, synced, put in place, and the folder synced; what is read is hashed, so that a
flipped bit is an error and never a model.
"""

import os
import re
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

from paebiru.store.errors import damaged, told

_PART = ".part"
_NAME = re.compile("[0-9a-f]{64}")


class Blobs:
    """The blobs of one folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        with told(folder):
            make_folder(folder)

    def path(self, digest: bytes) -> Path:
        """Return where a blob lies."""
        name = digest.hex()
        return self._folder / name[:2] / name

    def put(self, data: bytes) -> bytes:
        """Make `data` durable; return its SHA-256.

        Raises:
            StoreError: it could not be written; nothing of it is left.
        """
        digest = sha256(data).digest()
        path = self.path(digest)
        with told(path):
            make_folder(path.parent)
            if _holds(path, data):
                # Whoever wrote it may have been cut off before its name was durable.
                sync_folder(path.parent)
                return digest
            beside = path.with_suffix(_PART)
            try:
                _write(beside, data)
                beside.replace(path)
                sync_folder(path.parent)
            except OSError:
                beside.unlink(missing_ok=True)
                raise
        return digest

    def get(self, digest: bytes) -> bytes:
        """Return the blob of that hash.

        Raises:
            StoreError: it is not there, or not what was written.
        """
        path = self.path(digest)
        with told(path):
            try:
                data = path.read_bytes()
            except FileNotFoundError:
                raise damaged(path, "it is missing") from None
        if sha256(data).digest() != digest:
            raise damaged(path, "its bytes have another hash than its name")
        return data

    def names(self) -> Iterator[bytes]:
        """Return the hashes of all blobs that are there."""
        for path in self._folder.glob("??/*"):
            if _NAME.fullmatch(path.name):
                yield bytes.fromhex(path.name)

    def drop(self, digest: bytes) -> None:
        """Forget a blob, at some time: after a crash it may be there again."""
        path = self.path(digest)
        with told(path):
            path.unlink(missing_ok=True)

    def sweep(self, wanted: set[bytes]) -> None:
        """Drop what a crash has left: parts, and blobs that nobody names."""
        with told(self._folder):
            for part in self._folder.glob(f"??/*{_PART}"):
                part.unlink(missing_ok=True)
        for digest in list(self.names()):
            if digest not in wanted:
                self.drop(digest)


def make_folder(folder: Path) -> None:
    """Make a folder, for its owner alone, and make it durable that it is there."""
    if not folder.parent.is_dir():
        make_folder(folder.parent)
    if not folder.is_dir():
        folder.mkdir(mode=0o700, exist_ok=True)
    sync_folder(folder.parent)


def sync_folder(folder: Path) -> None:
    """Make the names in a folder durable; on Windows, which cannot, they are with their files."""
    if os.name == "nt":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _holds(path: Path, data: bytes) -> bool:
    try:
        return path.read_bytes() == data
    except FileNotFoundError:
        return False


def _write(path: Path, data: bytes) -> None:
    binary = getattr(os, "O_BINARY", 0)  # Windows would write other bytes without it
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | binary, 0o600)
    try:
        view = memoryview(data)
        while view:
            view = view[os.write(handle, view) :]
        os.fsync(handle)
    finally:
        os.close(handle)
