"""A line that loses, alters, repeats, delays and talks, by seed."""

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from heapq import heappop, heappush
from random import Random


@dataclass(frozen=True)
class Faults:
    """What a line does to what it carries; each rate is a probability.

    ``byte_loss`` and ``bit_error`` strike single bytes and bits; ``burst`` (per
    byte) spoils the next ``burst_length`` bytes; ``duplicate`` and ``reorder`` (by
    up to ``reorder_ms``) strike whole pieces; ``text`` (per piece) puts a line of a
    REPL's output between two pieces, or into one.
    """

    byte_loss: float = 0.0
    bit_error: float = 0.0
    burst: float = 0.0
    burst_length: int = 30
    duplicate: float = 0.0
    reorder: float = 0.0
    reorder_ms: int = 50
    text: float = 0.0
    piece_loss: float = 0.0


CLEAN = Faults()
_CHATTER = ("MPY: soft reboot\r\n", ">>> ", "Traceback (most recent call last):\r\n", "µ ☃ 21 °C\n")


@dataclass
class LossyLink:
    """One direction of a line.

    ``rate`` is in bytes per second (0: no limit); ``datagrams`` keeps pieces whole.
    """

    seed: int = 0
    rate: int = 11520
    delay: int = 2
    faults: Faults = CLEAN
    datagrams: bool = False
    carried: int = 0  # bytes that the sender has put on the line
    _budget: float = 0.0
    _at: int = 0
    _order: int = 0
    _flying: list[tuple[int, int, bytes]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._random = Random(self.seed)
        self._rest = self._gap(self.faults.byte_loss)

    def room(self, now: int) -> int:
        """Return how many bytes the line takes at this moment."""
        if self.rate == 0:
            return 1 << 16
        self._budget = min(self._budget + (now - self._at) * self.rate / 1000, self.rate / 50 + 64)
        self._at = now
        if self.datagrams:
            return 1 << 16 if self._budget > 0 else 0
        return int(self._budget)

    def send(self, piece: bytes, now: int) -> None:
        """Put bytes on the line."""
        self.carried += len(piece)
        self._budget -= len(piece)
        for part in self._spoil(piece):
            self._launch(part, now)
            if self._strikes(self.faults.duplicate):
                self._launch(part, now)

    def receive(self, now: int) -> Iterator[bytes]:
        """Yield what has arrived."""
        while self._flying and self._flying[0][0] <= now:
            yield heappop(self._flying)[2]

    def next_arrival(self) -> int | None:
        """Return when something arrives next, if anything is on its way."""
        return self._flying[0][0] if self._flying else None

    def reset(self) -> None:
        """Lose what is on its way (a reset, a pulled plug)."""
        self._flying.clear()

    def _launch(self, piece: bytes, now: int) -> None:
        delay = self.delay
        if self._strikes(self.faults.reorder):
            delay += self._random.randrange(1, self.faults.reorder_ms + 1)
        self._order += 1
        heappush(self._flying, (now + delay, self._order, piece))

    def _spoil(self, piece: bytes) -> Iterator[bytes]:
        if self._strikes(self.faults.piece_loss):
            return
        piece = self._lose_bytes(piece)
        piece = self._flip_bits(piece)
        piece = self._burst(piece)
        if self._strikes(self.faults.text):
            at = self._random.choice((0, self._random.randrange(len(piece) + 1)))
            chatter = self._random.choice(_CHATTER).encode()
            piece = piece[:at] + chatter + piece[at:]
        if piece:
            yield piece

    def _lose_bytes(self, piece: bytes) -> bytes:
        if self.faults.byte_loss == 0:
            return piece
        kept = bytearray(piece)
        at = self._rest
        lost = 0
        while at < len(piece):
            del kept[at - lost]
            lost += 1
            at += 1 + self._gap(self.faults.byte_loss)
        self._rest = at - len(piece)
        return bytes(kept)

    def _flip_bits(self, piece: bytes) -> bytes:
        if self.faults.bit_error == 0:
            return piece
        spoiled = bytearray(piece)
        at = self._gap(self.faults.bit_error)
        while at < 8 * len(piece):
            spoiled[at >> 3] ^= 1 << (at & 7)
            at += 1 + self._gap(self.faults.bit_error)
        return bytes(spoiled)

    def _burst(self, piece: bytes) -> bytes:
        if self.faults.burst == 0:
            return piece
        spoiled = bytearray(piece)
        at = self._gap(self.faults.burst)
        while at < len(piece):
            end = min(at + self.faults.burst_length, len(piece))
            spoiled[at:end] = self._random.randbytes(end - at)
            at = end + self._gap(self.faults.burst)
        return bytes(spoiled)

    def _strikes(self, probability: float) -> bool:
        return probability > 0 and self._random.random() < probability

    def _gap(self, probability: float) -> int:
        """Return how far the next of many rare events is away."""
        if probability <= 0:
            return 1 << 60
        return int(math.log(1 - self._random.random()) / math.log(1 - probability))
