"""The hub's keys: one for each device, the one before while it changes, and who is revoked.

There is no master key: what is in this file opens these devices and no others.
The file is SQLite, readable by its owner alone.
"""

import secrets
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from paebiru.errors import UsageError
from sil.link.keys import SALT_SIZE, SECRET_SIZE, DeviceKey
from sil.link.messages import DEVICE_SIZE

_SCHEMA = """
CREATE TABLE IF NOT EXISTS devices (
  device BLOB PRIMARY KEY,           -- 8 bytes
  epoch INTEGER NOT NULL,            -- of the newest key; never goes back
  revoked INTEGER NOT NULL DEFAULT 0,
  since REAL NOT NULL                -- of the last change, unix time
);
CREATE TABLE IF NOT EXISTS keys (
  device BLOB NOT NULL REFERENCES devices(device),
  epoch INTEGER NOT NULL,
  secret BLOB NOT NULL,
  salt BLOB NOT NULL,                -- by which the device derives it from the one before; or empty
  PRIMARY KEY (device, epoch)
);
"""


@dataclass(frozen=True)
class Enrolled:
    """What `KeyStore.list` tells of a device."""

    device: bytes
    epoch: int
    is_revoked: bool
    is_changing: bool
    """The device has not yet proved the newest key; the one before is still good."""
    since: float

    @property
    def name(self) -> str:
        """The device as people type it: hex digits."""
        return self.device.hex()


class KeyStore:
    """The key file of a hub."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch(mode=0o600)
        self._db = sqlite3.connect(path, isolation_level=None)
        self._db.execute("PRAGMA journal_mode=WAL")
        self._db.execute("PRAGMA synchronous=FULL")
        self._db.executescript(_SCHEMA)

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    def new_key(self, device: bytes) -> DeviceKey:
        """Return a fresh key for a device, random and of the next epoch; nothing is stored yet."""
        return DeviceKey(secrets.token_bytes(SECRET_SIZE), self._epoch(_padded(device)) + 1)

    def enroll(self, device: bytes, key: DeviceKey) -> None:
        """Make ``key`` the only key of a device, revoked or not: it was seen on the desk."""
        device = _padded(device)
        with self._change():
            self._set_device(device, key.epoch)
            self._db.execute("DELETE FROM keys WHERE device = ?", (device,))
            self._add_key(device, key)

    def rotate(self, device: bytes) -> DeviceKey:
        """Derive a device's next key, for the device to follow when it calls; return it.

        The key before stays good until `proved` hears of the new one.
        """
        device = _padded(device)
        current = self.find(device, self._epoch(device))
        if current is None:
            raise UsageError(f"{device.hex()} has no key to follow; run: paebiru enroll PORT")
        if self.follow_up(device, current.epoch - 1):
            raise UsageError(
                f"{device.hex()} has not taken up its last key yet; wait until it calls"
            )
        salt = secrets.token_bytes(SALT_SIZE)
        key = current.next(salt)
        with self._change():
            self._set_device(device, key.epoch)
            self._add_key(device, key, salt)
        return key

    def follow_up(self, device: bytes, epoch: int) -> bytes | None:
        """Return the salt of the key after that of ``epoch``, while both are good."""
        row = self._db.execute(
            "SELECT new.salt FROM keys AS new JOIN keys AS old USING (device)"
            " WHERE device = ? AND old.epoch = ? AND new.epoch = ?",
            (_padded(device), epoch, epoch + 1),
        ).fetchone()
        return bytes(row[0]) if row else None

    def proved(self, device: bytes, epoch: int) -> None:
        """Forget the keys before the one that a device has just proved to hold."""
        with self._change():
            self._db.execute(
                "DELETE FROM keys WHERE device = ? AND epoch < ?", (_padded(device), epoch)
            )

    def revoke(self, device: bytes) -> None:
        """Take every key of a device away; its epoch goes up, so that none of them comes back."""
        device = _padded(device)
        epoch = self._epoch(device)
        if epoch == 0:
            raise UsageError(f"{device.hex()} is not enrolled; see: paebiru keys list")
        with self._change():
            self._set_device(device, epoch + 1, revoked=1)
            self._db.execute("DELETE FROM keys WHERE device = ?", (device,))

    def find(self, device: bytes, epoch: int) -> DeviceKey | None:
        """Return a device's key of that epoch if it is good: the current one, or the one before."""
        row = self._db.execute(
            "SELECT secret FROM keys WHERE device = ? AND epoch = ?", (_padded(device), epoch)
        ).fetchone()
        return DeviceKey(row[0], epoch) if row else None

    def version(self) -> tuple[int, int]:
        """Return what is another one once anything in the file was changed, by whomever."""
        others: int = self._db.execute("PRAGMA data_version").fetchone()[0]
        return others, self._db.total_changes

    def is_revoked(self, device: bytes) -> bool:
        """Tell whether a device was enrolled once and is not welcome any more."""
        row = self._db.execute(
            "SELECT revoked FROM devices WHERE device = ?", (_padded(device),)
        ).fetchone()
        return bool(row and row[0])

    def list(self) -> "list[Enrolled]":
        """Return every device that was ever enrolled."""
        rows = self._db.execute(
            "SELECT device, epoch, revoked, since,"
            " (SELECT count(*) FROM keys WHERE keys.device = devices.device)"
            " FROM devices ORDER BY device"
        )
        return [
            Enrolled(device, epoch, bool(revoked), count > 1, since)
            for device, epoch, revoked, since, count in rows
        ]

    def _epoch(self, device: bytes) -> int:
        row = self._db.execute("SELECT epoch FROM devices WHERE device = ?", (device,)).fetchone()
        return int(row[0]) if row else 0

    def _set_device(self, device: bytes, epoch: int, revoked: int = 0) -> None:
        self._db.execute(
            "INSERT OR REPLACE INTO devices VALUES (?, ?, ?, ?)",
            (device, epoch, revoked, time.time()),
        )

    def _add_key(self, device: bytes, key: DeviceKey, salt: bytes = b"") -> None:
        self._db.execute(
            "INSERT INTO keys VALUES (?, ?, ?, ?)", (device, key.epoch, key.secret, salt)
        )

    @contextmanager
    def _change(self) -> Iterator[None]:
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self._db.execute("ROLLBACK")
            raise
        self._db.execute("COMMIT")


def _padded(device: bytes) -> bytes:
    return (device + bytes(DEVICE_SIZE))[:DEVICE_SIZE]
