"""What a place was at a tick, and how that is told."""

from dataclasses import dataclass
from typing import Any

from paebiru.fusion.electronic import Decision
from paebiru.fusion.merge import Merged
from sil import bytesil, layers
from sil.rho import rho_sil

_TOLD = 8  # layers that a hub computes or fuses


@dataclass(frozen=True)
class Fused:
    """The state of a place at a tick.

    `raw` are 16 bytes: L0-L4 fused, L5-L7 computed here, the others NULL.
    """

    place: str
    time: int
    raw: bytes
    merged: tuple[Merged, ...]
    decision: Decision
    rule: str

    @property
    def rho_sil(self) -> int:
        """The complexity of `raw`, Q15."""
        return rho_sil(self.raw)

    def as_json(self) -> dict[str, Any]:
        """Return it in JSON's types: layers that are NULL are left out."""
        decision = self.decision
        told: dict[str, Any] = {
            "place": self.place,
            "time": self.time,
            "state": self.raw.hex(),
            "layers": self._layers(),
            "rho_sil": self.rho_sil,
            "class": decision.found if decision.found >= 0 else None,
            "where": decision.where,
            "why": decision.why,
            "rule": self.rule or None,
        }
        if decision.board:
            told["board"] = decision.board.hex()
        return told

    def _layers(self) -> dict[str, dict[str, int]]:
        told = {}
        for layer in range(_TOLD):
            byte = self.raw[layer]
            if byte == bytesil.NULL:
                continue
            entry = {"rho": bytesil.rho(byte), "theta": bytesil.phase(byte)}
            if layer < len(self.merged):
                entry["agreement"] = self.merged[layer].agreement
                entry["boards"] = self.merged[layer].boards
            told[layers.NAMES[layer]] = entry
        return told
