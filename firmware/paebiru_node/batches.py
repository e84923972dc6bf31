"""States on their way to the hub: each batch a JSIL stream, in a post of its own."""

from sil import protocol as p
from sil.compat import const
from sil.jsil_head import XOR_ROTATE
from sil.jsil_write import Encoder
from sil.link.fields import put16, put32

from .coding import model
from .kinds import Uplink

_STATE = const(16)
_ROOM = const(40)  # of a stream beside its states: head, lengths, check


class Batches:
    """Gathers states and posts them.

    Args:
        size: states of a batch.
        period: ms from state to state.
    """

    def __init__(self, size: int, period: int) -> None:
        self.size = size
        self.period = period
        self._encoder = Encoder(_STATE, XOR_ROTATE, size, model=model())
        self._count = 0
        self._body = bytearray(p.BATCH_HEAD + _STATE * size + _ROOM)
        self._gap = 0  # states lost since the last batch that was posted

    def retime(self, period: int) -> int:
        """Begin anew with another period; return how many states that had been taken are lost."""
        lost = self._count
        self._gap += lost
        self._count = 0
        self.period = period
        return lost

    def add(self, state: bytearray, now: int, uplink: "Uplink") -> int:
        """Take a state; post the batch when it is whole; return how many states were lost."""
        body = self._body
        if self._count == 0:
            self._encoder.restart()
            put32(body, 0, now)
        self._encoder.feed(state, 0, _STATE)
        self._count += 1
        if self._count < self.size:
            return 0
        self._count = 0
        self._encoder.finish()
        p.write_period(body, 4, self.period)
        put16(body, 6, min(self._gap, 0xFFFF))
        end = p.BATCH_HEAD + self._encoder.pull(body, p.BATCH_HEAD, len(body))
        if uplink.room() and uplink.send(p.BATCH, body, end):
            self._gap = 0
            return 0
        self._gap += self.size
        return self.size
