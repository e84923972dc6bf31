"""What the HTTP API answers, a form each, out of which `openapi` is written."""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from paebiru.hub.api_forms import DEVICE
from paebiru.hub.known import Known


class View(BaseModel):
    """What goes out."""

    model_config = ConfigDict(extra="forbid")


class Error(View):
    """Why it was refused."""

    error: str = Field(description="what was wrong")
    hint: str = Field(description="what to do")


class HubRound(View):
    """The round that is open, or was last."""

    number: int
    is_open: bool
    is_paused: bool = Field(description="no round begins until it is told to go on")
    asked: int
    updates: int = Field(description="counted in the open round")


class HubModel(View):
    """The model that boards are given."""

    name: str = Field(description="as boards say it: the head of the SHA-256 of its int16 weights")
    sha256: str = Field(description="of /v1/model")
    bytes: int = Field(description="of /v1/model")
    weights: int
    sizes: list[int] = Field(description="units of each layer, the input first")


class HubView(View):
    """The hub as a whole."""

    version: str
    started: float = Field(description="unix time")
    uptime: float = Field(description="seconds")
    devices_up: int
    devices_known: int
    policy: dict[str, Any] = Field(description="how rounds are held")
    round: HubRound
    model: HubModel


class Health(BaseModel):
    """How a board is."""

    uptime: int = Field(description="seconds")
    free: int = Field(description="bytes of memory")
    boots: int
    cause: int = Field(description="of the last start, as in SPEC-node.md")
    crashes: int = Field(description="in a row")
    lost: int = Field(description="states that found no room")
    silent: int = Field(description="layers without a reading")
    failed: int = Field(description="readings that failed")
    false_frames: int
    reasons: list[str]


class DeviceView(View):
    """What the hub knows of a board."""

    device: str = Field(pattern=DEVICE)
    key: Literal["good", "changing", "revoked", "none"]
    is_up: bool
    since: float = Field(description="of being up or gone, unix time; 0: never seen")
    line: str = Field(description="where it was last")
    phase: str
    round: int
    samples: int
    state: str = Field(description="the newest state, 32 hex digits; empty: none yet")
    health: Health | None
    up: int = Field(description="bytes from it since the hub started")
    down: int = Field(description="bytes to it since the hub started")

    @classmethod
    def of(cls, known: Known, key: str) -> "DeviceView":
        """Return the view of a board."""
        return cls.model_validate(
            {
                **{name: getattr(known, name) for name in cls.model_fields if name != "key"},
                "key": key,
                "health": known.health or None,
            }
        )


class Devices(View):
    """A part of the list of boards, by id."""

    total: int
    devices: list[DeviceView]


class RoundView(BaseModel):
    """What came of a round; more figures follow where the hub measures more."""

    model_config = ConfigDict(extra="allow")

    round: int
    updates: int
    asked: int
    missing: list[str] = Field(description="boards that were asked and did not answer")
    bytes_up: int
    bytes_down: int
    model: str
    close_ms: float


class Rounds(View):
    """A part of the list of rounds, the newest first."""

    total: int
    rounds: list[RoundView]


class Running(View):
    """Whether rounds are begun."""

    is_paused: bool
    round: int
    is_open: bool


class Revoked(View):
    """Whose keys were taken away."""

    revoked: str = Field(pattern=DEVICE)


class Sent(View):
    """What was sent to a board; whether it does it shows in the events that follow."""

    device: str = Field(pattern=DEVICE)
    sent: str


class LedgerEntry(View):
    """Bytes of a board on one kind of line, since the hub started."""

    device: str = Field(pattern=DEVICE)
    link: Literal["tcp", "udp", "serial", "memory"]
    up: int
    down: int


class Ledger(View):
    """Bytes by board and line."""

    up: int
    down: int
    entries: list[LedgerEntry]
