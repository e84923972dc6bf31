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
    branch: int


class HubModel(View):
    """The model that boards are given."""

    name: str = Field(description="as boards say it: the head of the SHA-256 of its int16 weights")
    sha256: str = Field(description="of /v1/model")
    bytes: int = Field(description="of /v1/model")
    weights: int
    sizes: list[int] = Field(description="units of each layer, the input first")
    layers: str = Field(description="D, E and F of the hub itself, 6 hex digits")


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
    branch: int = Field(description="of the model that it has (layer D)")
    own_branch: int | None = Field(description="that it was given; null: it follows its hub")
    state: str = Field(description="the newest state, 32 hex digits; empty: none yet")
    health: Health | None
    up: int = Field(description="bytes from it since the hub started")
    down: int = Field(description="bytes to it since the hub started")

    @classmethod
    def of(cls, known: Known, key: str, own: int | None) -> "DeviceView":
        """Return the view of a board."""
        told = {name: getattr(known, name, None) for name in cls.model_fields}
        more = {"key": key, "own_branch": own, "health": known.health or None}
        return cls.model_validate({**told, **more})


class Devices(View):
    """A part of the list of boards, by id."""

    total: int
    devices: list[DeviceView]


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
