"""How long to wait for an answer, and how much to risk in one frame.

The time-out is TCP's (smoothed round trip plus four deviations, doubled at each
silence).  The chunk follows the losses: for a loss per byte p and h bytes of
overhead a frame the best size is near sqrt(h / p), and h is about 30.
"""

from ..compat import const
from ..intmath import isqrt
from . import messages as m

_RTO_START = const(500)
_RTO_MIN = const(40)
_RTO_MAX = const(4000)
_LINE_SILENCES = const(3)  # doublings that a lossy line may cause
_PEER_SILENT = const(12)  # time-outs in a row after which it is the peer
_OVERHEAD = const(30)
_ONE = const(8)  # losses are counted in eighths
_CHUNK_START = const(192)  # until the first answer: whole chunks never cross a bad line
_BYTES_START = const(4096)  # with one eighth of a loss: whole chunks from the first answer on
_BYTES_END = const(65536)


class Pace:
    """Round-trip time and loss rate of one line."""

    def __init__(self) -> None:
        self.rto = _RTO_START  # ms
        self.chunk = _CHUNK_START
        self._srtt8 = 0  # eighths of a ms
        self._var4 = 0  # quarters of a ms
        self._bytes = _BYTES_START
        self._losses = 1
        self._silences = 0  # time-outs in a row

    def sample(self, rtt: int) -> None:
        """Take in a measured round trip in ms."""
        if self._srtt8 == 0:
            self._srtt8 = rtt << 3
            self._var4 = rtt << 1
        else:
            error = rtt - (self._srtt8 >> 3)
            self._srtt8 += error
            self._var4 += abs(error) - (self._var4 >> 2)
        self.recover()

    def recover(self) -> None:
        """Wait no longer than usual: the peer answers."""
        self._silences = 0
        self.rto = self._usual()

    def back_off(self) -> None:
        """Wait longer after a silence: eightfold at most while it may be the line's losses."""
        self._silences += 1
        doublings = min(self._silences, _LINE_SILENCES)
        if self._silences > _PEER_SILENT:
            doublings = min(self._silences - _PEER_SILENT + _LINE_SILENCES, 10)
        self.rto = min(self._usual() << doublings, _RTO_MAX)

    def _usual(self) -> int:
        if self._srtt8 == 0:
            return _RTO_START
        rto = (self._srtt8 >> 3) + max(self._var4, 10)
        return min(max(rto, _RTO_MIN), _RTO_MAX)

    def arrived(self, size: int) -> None:
        """Count bytes that got across: only those judged, or a full window hides its losses."""
        self._bytes += size
        while self._bytes >= _BYTES_END:
            self._bytes >>= 1
            self._losses = max(self._losses >> 1, 1)

    def lost(self, frames: int) -> None:
        """Count frames lost, and fit the chunk to the losses."""
        self._losses = min(self._losses + frames * _ONE, 1 << 13)
        self.arrived(frames * self.chunk)
        self.fit()

    def fit(self) -> None:
        """Fit the chunk to what was counted."""
        chunk = isqrt(_OVERHEAD * self._bytes * _ONE // self._losses)
        chunk = min(max(chunk, m.MIN_CHUNK), m.MAX_CHUNK)
        self.chunk = chunk - chunk % m.UNIT
