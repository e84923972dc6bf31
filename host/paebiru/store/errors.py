"""What goes wrong with a store, in words."""

import errno
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from paebiru.errors import UsageError
from sil.link.messages import E_SPACE

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_SYSTEM = (
    sqlite3.SQLITE_IOERR,
    sqlite3.SQLITE_CANTOPEN,
    sqlite3.SQLITE_READONLY,
    sqlite3.SQLITE_PERM,
    sqlite3.SQLITE_NOMEM,
)


class StoreError(UsageError):
    """The store cannot do what was asked; nothing of it was acknowledged.

    Attributes:
        code: what a board is told (an E_ code): it keeps its update and offers it again.
    """

    def __init__(self, text: str, code: int = E_SPACE) -> None:
        super().__init__(text)
        self.code = code


@contextmanager
def told(path: Path) -> Iterator[None]:
    """Turn what the system and SQLite say of `path` into a `StoreError`."""
    try:
        yield
    except OSError as error:
        if error.errno in _FULL:
            raise full(path) from None
        raise _unwell(path, error.strerror) from None
    except sqlite3.Error as error:
        raise of_sqlite(path, error) from None
    except UnicodeDecodeError:  # of a name or a message of SQLite
        raise damaged(path, "a text that is none") from None


def full(path: Path) -> StoreError:
    """Return the error of a disk without room."""
    return StoreError(f"no space left for {path}: make room; nothing acknowledged is lost")


def damaged(path: Path, what: str) -> StoreError:
    """Return the error of bytes that are not those that were written."""
    return StoreError(f"{path} is damaged ({what}): put back a copy of the folder")


def of_sqlite(path: Path, error: sqlite3.Error) -> StoreError:
    """Return a `StoreError` for what SQLite says."""
    code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_CORRUPT) & 0xFF
    if code == sqlite3.SQLITE_FULL:
        return full(path)
    if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return StoreError(f"{path} is in use by another program: close that, then try again")
    if code in _SYSTEM:
        return _unwell(path, str(error))
    return damaged(path, str(error))


def _unwell(path: Path, what: str | None) -> StoreError:
    return StoreError(f"{path}: {what}; see that the disk is well and has room, then --resume")
