"""What places keep back from round to round, in their store: durable with the update it belongs to.

A place sends codes; what they round away waits in its learner for the next update (SPEC.md section
5).  All else that it trains from follows from the journal: model, seed, and the samples of the
round.  So with this a hub that was killed goes on to the same models.

A row is written before its update is taken, and stands once that is durable: until then the one
of the round before stands, and the place trains again, to the same update.
"""

from dataclasses import dataclass

from paebiru.store import Store, rows
from paebiru.store.errors import damaged
from paebiru.store.rows import Row

_SCHEMA = """
CREATE TABLE IF NOT EXISTS residuals (
  device BLOB NOT NULL, round INTEGER NOT NULL, residual BLOB NOT NULL, seal BLOB NOT NULL,
  UNIQUE (device, round)
)
"""


@dataclass(frozen=True)
class ResidualRow(Row):
    """What one place keeps back."""

    TABLE = "residuals"
    KEYS = ("device", "round")

    device: bytes
    """The place's name in the federation."""
    round: int
    """Behind whose update it waits."""
    residual: bytes
    """int16 Q12 a weight."""


class Residuals:
    """What the places of a store keep back.

    Args:
        store: that of their federation.
        size: bytes of a residual.
    """

    def __init__(self, store: Store, size: int) -> None:
        self._db = store.db
        self._size = size
        with self._db.change():
            self._db.run(_SCHEMA)

    def of(self, device: bytes, number: int) -> bytes:
        """Return what a place whose update of round `number` was the last one counted keeps back.

        Empty if it is not known: the store is older than these rows, or has gone back to a model
        behind whose rounds there are others.

        Raises:
            StoreError: it is damaged.
        """
        which = "WHERE device = ? AND round = ?"
        found = rows.select(self._db, ResidualRow, which, (device, number))
        if found and len(found[0].residual) != self._size:
            raise damaged(self._db.path, f"a residual that has not {self._size} bytes")
        return found[0].residual if found else b""

    def keep(self, device: bytes, number: int, counted: int, residual: bytes) -> None:
        """Make durable what waits behind an update of round `number`, which is not taken yet.

        That of the round `counted`, the last one in which an update was, stays until the next.

        Raises:
            StoreError: it cannot be.
        """
        with self._db.change():
            rows.put(self._db, ResidualRow(device, number, residual))
            which = "DELETE FROM residuals WHERE device = ? AND round NOT IN (?, ?)"
            self._db.run(which, (device, number, counted))
