"""What the hub tells of each thing that a board says (SPEC-hub.md, "Boards")."""

from typing import Any

from paebiru.device import Answer, Batch
from sil import protocol as p
from sil import protocol_hub as said


def of(word: str, about: object) -> dict[str, Any] | None:
    """Return what is told of a board's word; None for what is only passed on."""
    if isinstance(about, said.Status):
        return {
            "phase": p.PHASES[about.phase], "round": about.round, "samples": about.samples,
            "generation": about.generation, "model": about.model.hex(), "branch": about.branch,
        }  # fmt: skip
    if isinstance(about, Batch):
        return {"states": len(about.states), "last": about.states[-1].hex(), "lost": about.lost}
    if isinstance(about, Answer):
        return {"class": about.found, "rho": about.rho, "critical": about.critical}
    if isinstance(about, said.Health):
        reasons = about.text.decode(errors="replace").splitlines()
        return {"free": about.free, "boots": about.boots, "reasons": reasons}
    if word == "text":
        return {"text": str(about)}
    if word == "refused":
        return {"why": about if isinstance(about, int) else str(about)}
    if word == "shares":
        return {"size": about}
    if word == "down":
        return {"code": about}
    return {} if word in ("up", "update") else None
