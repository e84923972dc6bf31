"""The hub's keys: one for each device, the one before while it changes, and who is revoked.

There is no master key: what is in this file opens these devices and no others.
The file is SQLite, readable by its owner alone.
"""

import secrets
import time
from dataclasses import dataclass
from pathlib import Path

from paebiru.errors import UsageError
from paebiru.key_file import KeyFile
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
    """The key file of a hub; every function raises `StoreError` where the file fails."""

    def __init__(self, path: Path) -> None:
        self._file = KeyFile(path, _SCHEMA)

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def new_key(self, device: bytes) -> DeviceKey:
        """Return a fresh key for a device, random and of the next epoch; nothing is stored yet."""
        return DeviceKey(secrets.token_bytes(SECRET_SIZE), self._epoch(padded(device)) + 1)

    def enroll(self, device: bytes, key: DeviceKey) -> None:
        """Make ``key`` the only key of a device, revoked or not: it was seen on the desk."""
        device = padded(device)
        with self._file.change():
            self._set_device(device, key.epoch)
            self._file.run("DELETE FROM keys WHERE device = ?", (device,))
            self._add_key(device, key)

    def rotate(self, device: bytes) -> DeviceKey:
        """Derive a device's next key, for the device to follow when it calls; return it.

        The key before stays good until `proved` hears of the new one.
        """
        device = padded(device)
        current = self.find(device, self._epoch(device))
        if current is None:
            raise UsageError(f"{device.hex()} has no key to follow; run: paebiru enroll PORT")
        if self.follow_up(device, current.epoch - 1):
            raise UsageError(
                f"{device.hex()} has not taken up its last key yet; wait until it calls"
            )
        salt = secrets.token_bytes(SALT_SIZE)
        key = current.next(salt)
        with self._file.change():
            self._set_device(device, key.epoch)
            self._add_key(device, key, salt)
        return key

    def follow_up(self, device: bytes, epoch: int) -> bytes | None:
        """Return the salt of the key after that of ``epoch``, while both are good."""
        found = self._file.rows(
            "SELECT new.salt FROM keys AS new JOIN keys AS old USING (device)"
            " WHERE device = ? AND old.epoch = ? AND new.epoch = ?",
            (padded(device), epoch, epoch + 1),
        )
        return bytes(found[0][0]) if found else None

    def proved(self, device: bytes, epoch: int) -> None:
        """Forget the keys before the one that a device has just proved to hold."""
        with self._file.change():
            self._file.run(
                "DELETE FROM keys WHERE device = ? AND epoch < ?", (padded(device), epoch)
            )

    def revoke(self, device: bytes) -> None:
        """Take every key of a device away; its epoch goes up, so that none of them comes back."""
        device = padded(device)
        epoch = self._epoch(device)
        if epoch == 0:
            raise UsageError(f"{device.hex()} is not enrolled; see: paebiru keys list")
        with self._file.change():
            self._set_device(device, epoch + 1, revoked=1)
            self._file.run("DELETE FROM keys WHERE device = ?", (device,))

    def find(self, device: bytes, epoch: int) -> DeviceKey | None:
        """Return a device's key of that epoch if it is good: the current one, or the one before."""
        found = self._file.rows(
            "SELECT secret FROM keys WHERE device = ? AND epoch = ?", (padded(device), epoch)
        )
        return DeviceKey(found[0][0], epoch) if found else None

    def version(self) -> tuple[int, int]:
        """Return what is another one once anything in the file was changed, by whomever."""
        others: int = self._file.rows("PRAGMA data_version")[0][0]
        return others, self._file.changes

    def is_revoked(self, device: bytes) -> bool:
        """Tell whether a device was enrolled once and is not welcome any more."""
        found = self._file.rows("SELECT revoked FROM devices WHERE device = ?", (padded(device),))
        return bool(found and found[0][0])

    def list(self) -> "list[Enrolled]":
        """Return every device that was ever enrolled."""
        rows = self._file.rows(
            "SELECT device, epoch, revoked, since,"
            " (SELECT count(*) FROM keys WHERE keys.device = devices.device)"
            " FROM devices ORDER BY device"
        )
        return [
            Enrolled(device, epoch, bool(revoked), count > 1, since)
            for device, epoch, revoked, since, count in rows
        ]

    def _epoch(self, device: bytes) -> int:
        found = self._file.rows("SELECT epoch FROM devices WHERE device = ?", (device,))
        return int(found[0][0]) if found else 0

    def _set_device(self, device: bytes, epoch: int, revoked: int = 0) -> None:
        self._file.run(
            "INSERT OR REPLACE INTO devices VALUES (?, ?, ?, ?)",
            (device, epoch, revoked, time.time()),
        )

    def _add_key(self, device: bytes, key: DeviceKey, salt: bytes = b"") -> None:
        self._file.run(
            "INSERT INTO keys VALUES (?, ?, ?, ?)", (device, key.epoch, key.secret, salt)
        )


def padded(device: bytes) -> bytes:
    """Return a device id as tables have it: `DEVICE_SIZE` bytes, zeros behind a shorter one."""
    return (device + bytes(DEVICE_SIZE))[:DEVICE_SIZE]
