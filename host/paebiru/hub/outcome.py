"""What came of a round, and whether there is to be another one."""

from collections.abc import Callable, Collection, Mapping
from typing import Any

from paebiru.federated.durable import Durable
from paebiru.federated.rounds import Federation, Update

MOST_BROKEN = 3
"""Rounds in a row that may come to nothing before the hub gives up."""


def summary(
    federation: Federation, updates: Mapping[bytes, Update], asked: Collection[bytes],
    devices: int, seconds: float,
) -> dict[str, Any]:  # fmt: skip
    """Return what is told of a round that is over: its `updates`, of those `asked`."""
    return {
        "round": federation.number,
        "updates": len(updates),
        "asked": len(asked),
        "missing": sorted(name.hex() for name in set(asked) - updates.keys()),
        "bytes_up": sum(update.size for update in updates.values()),
        "bytes_down": len(federation.changes) * devices,
        "model": federation.name.hex(),
        "close_ms": round(1000 * seconds, 1),
    }


def keep(
    federation: Federation, asked: Callable[[], Collection[bytes]], devices: Collection[bytes]
) -> None:
    """Have a durable federation's journal say of each round who was asked, and what went down."""
    if not isinstance(federation, Durable):
        return
    measured = federation.measure

    def measure(made: Federation) -> dict[str, Any]:
        found = summary(made, made.updates, asked(), len(devices), 0)
        return {key: found[key] for key in ("asked", "missing", "bytes_down")} | measured(made)

    federation.measure = measure


class Ends:
    """Why a hub ends before all of its rounds are held.

    Attributes:
        asked: returns why the round of a number may not be held, or an empty text.
        trouble: why the hub gave up; empty where nothing is wrong.
    """

    def __init__(self) -> None:
        self.asked: Callable[[int], str] = lambda number: ""
        self.trouble = ""
        self._broken = 0

    def broken(self, federation: Federation) -> str:
        """Return why the round that was just closed came to nothing; empty: it did not."""
        why = federation.broken if isinstance(federation, Durable) else ""
        self._broken = self._broken + 1 if why else 0
        if self._broken >= MOST_BROKEN:
            self.trouble = (
                f"{self._broken} rounds in a row came to nothing, the last one since {why}; the"
                " model before them is kept: look for boards that lie (--liars), or take more"
                " --boards, a smaller --clip, a larger --share, then --resume"
            )
        return why

    def why(self, federation: Federation) -> str:
        """Return why there is no next round; empty: there is one."""
        return self.trouble or self.asked(federation.number + 1)
