"""Batches as boards make them, and a fusion that they come to by a list of arrivals."""

from dataclasses import dataclass
from typing import Any

from paebiru.fusion import Fused, Fusion
from paebiru.fusion.config import Config

BOARDS = (b"board-00", b"board-01", b"board-02")


@dataclass
class Batch:
    """What `paebiru.device.Batch` reads from a post."""

    time: int
    period: int
    states: list[bytes]
    lost: int = 0


@dataclass
class Arrival:
    """A board's batch and when it comes, ms of the hub's clock."""

    now: int
    board: bytes
    batch: Batch


def state(**layers: int) -> bytes:
    """Return a state with the layers l0..l15 as given."""
    raw = bytearray(16)
    for name, byte in layers.items():
        raw[int(name[1:])] = byte
    return bytes(raw)


def config(boards: int = 2, **changes: Any) -> Config:
    place = {
        "boards": [board.hex() for board in BOARDS[:boards]],
        "period_ms": 1000,
        "horizon_ms": 4000,
        "hold_ms": 2500,
        "mean_ms": 5000,
        "drift_ppm": 0,
        **changes,
    }
    electronic = place.pop("electronic", None)
    return Config.model_validate(
        {"places": {"here": place}, **({"electronic": electronic} if electronic else {})}
    )


class Room:
    """A fusion, and all that it told."""

    def __init__(self, made: Config) -> None:
        self.fused: list[Fused] = []
        self.fusion = Fusion(made, self.fused.append)

    def play(self, arrivals: list[Arrival], end: int, start: int = 0) -> list[tuple[int, str]]:
        """Let batches come in the order of their arrival; return (tick, state) of every tick."""
        self.fusion.tick(start)
        for arrival in sorted(arrivals, key=lambda a: a.now):
            self.fusion.on_states(arrival.board, arrival.batch, arrival.now)
        self.fusion.tick(end)
        return [(fused.time, fused.raw.hex()) for fused in self.fused]

    def counts(self, board: bytes) -> dict[str, int]:
        found: dict[str, int] = self.fusion.snapshot()["places"]["here"]["boards"][board.hex()]
        return found
