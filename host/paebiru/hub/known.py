"""What the hub remembers of each board."""

from dataclasses import dataclass, field
from typing import Any


@dataclass
class Known:
    """What the hub knows of a board, whether it is there or not."""

    device: str
    line: str = ""
    is_up: bool = False
    since: float = 0.0
    """Of being up or gone, unix time."""
    phase: str = ""
    round: int = 0
    samples: int = 0
    branch: int = 0
    """Of the model that it has (layer D)."""
    state: str = ""
    """The newest 16 bytes, hex."""
    health: dict[str, Any] = field(default_factory=dict)
    links: dict[str, list[int]] = field(default_factory=dict)
    """Bytes up and down since the hub started, by kind of line."""

    def count(self, link: str, up: int, down: int) -> None:
        """Count bytes on a line of that kind."""
        entry = self.links.setdefault(link, [0, 0])
        entry[0] += up
        entry[1] += down

    @property
    def up(self) -> int:
        """Bytes that came from it, on all lines."""
        return sum(up for up, _ in self.links.values())

    @property
    def down(self) -> int:
        """Bytes that went to it, on all lines."""
        return sum(down for _, down in self.links.values())
