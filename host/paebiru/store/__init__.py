"""The hub's store: one folder that survives kills, power loss, full disks, and tells of bit rot.

    hub.sqlite      rounds, updates, checkpoints, boards, ledger (SQLite, WAL, FULL)
    blobs/xx/…      states of models, each named by its SHA-256
    lock            held while a hub runs

`Store` is all that others need; `StoreError` is what every failure becomes.
"""

from paebiru.store.errors import StoreError
from paebiru.store.rows import CheckpointRow, RoundRow, State, UpdateRow
from paebiru.store.store import Store

__all__ = ["CheckpointRow", "RoundRow", "State", "Store", "StoreError", "UpdateRow"]
