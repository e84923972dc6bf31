"""The tables of `places.toml`: a place, and the rules by which it acts; see `config`."""

from collections.abc import Mapping
from typing import Annotated, Self

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StrictStr,
    field_validator,
    model_validator,
)

from paebiru.fusion.merge import Rule as MergeRule
from sil import bytesil, layers
from sil.errors import SilError

_DEVICE = 8


def _layer(value: object) -> object:
    """Return a layer's number where it is named."""
    if not isinstance(value, str):
        return value
    try:
        return layers.by_name(value)
    except SilError as error:
        raise ValueError(str(error)) from None


def _device(value: object) -> object:
    """Return a device id, 8 bytes padded with zeros, from hex digits."""
    try:
        raw = bytes.fromhex(value) if isinstance(value, str) else b""
    except ValueError:
        raw = b""
    if not 1 <= len(raw) <= _DEVICE:
        raise ValueError("a board is named by its id, up to 16 hex digits")
    return raw.ljust(_DEVICE, b"\0")


Device = Annotated[bytes, BeforeValidator(_device)]
Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_-]{0,31}$")]
Layer = Annotated[int, Field(strict=True, ge=0, le=7), BeforeValidator(_layer)]
Sense = Annotated[int, Field(strict=True, ge=0, le=4), BeforeValidator(_layer)]
Rho = Annotated[int, Field(strict=True, ge=-8, le=7)]
Theta = Annotated[int, Field(strict=True, ge=0, le=15)]
Ms = Annotated[int, Field(strict=True, ge=1, le=86_400_000)]


class Table(BaseModel):
    """A table that has the keys that are known, and no others."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)


class When(Table):
    """A condition on one layer of the fused state; all that is given must hold."""

    layer: Layer
    found: Annotated[int | StrictStr | None, Field(alias="class")] = None
    """Of layer 5: the class, by number or name."""
    theta: list[Theta] = []
    """Any of these; empty: whatever it is."""
    rho_min: Rho = -8
    rho_max: Rho = 7
    missing: Annotated[bool, Field(strict=True)] = False
    """The layer is NULL.  Without it, a layer that is NULL fulfils nothing."""

    @model_validator(mode="after")
    def _can_be(self) -> Self:
        if self.layer == layers.PSYCHOMOTOR:
            raise ValueError("layer 6 is what rules decide: ask for another one")
        if self.found is not None and self.layer != layers.ELECTRONIC:
            raise ValueError("class is of layer 5: use theta for other layers")
        if self.rho_min > self.rho_max:
            raise ValueError(f"rho_min {self.rho_min} is above rho_max {self.rho_max}")
        narrow = self.found is not None or self.theta or (self.rho_min, self.rho_max) != (-8, 7)
        if self.missing and narrow:
            raise ValueError("a missing layer has neither rho nor theta: leave them out")
        return self


class Then(Table):
    """A byte of layer 6.  rho -8 with theta 0 is NULL: the output is off."""

    rho: Rho
    theta: Theta = 0

    @property
    def byte(self) -> int:
        """The ByteSil."""
        return bytesil.make(self.rho, self.theta)


class Rule(Table):
    """When its conditions hold, its byte is layer 6."""

    name: Name
    when: list[When]
    then: Then
    slack: Annotated[int, Field(strict=True, ge=0, le=15)] = 0
    """Hysteresis: while it is on, limits of rho are wider by so much."""
    hold_ms: Annotated[int, Field(strict=True, ge=0, le=86_400_000)] = 0

    @field_validator("when", mode="before")
    @classmethod
    def _one_or_more(cls, value: object) -> object:
        return [value] if isinstance(value, Mapping) else value

    @field_validator("when")
    @classmethod
    def _not_empty(cls, value: list[When]) -> list[When]:
        if not value:
            raise ValueError("a rule needs a condition")
        return value


class Acts(Table):
    """What layer 6 is by the class that layer 5 found, while no rule is on."""

    classes: Annotated[dict[str, Then], Field(min_length=1)]
    """By the class's name, or its number; a class that is not named: `rest`."""
    rho_min: Rho = -8
    """A class that is less sure (log-confidence) changes nothing."""
    hold_ms: Annotated[int, Field(strict=True, ge=0, le=86_400_000)] = 0
    """Nor does any class sooner after the change before."""


class Place(Table):
    """A place and its boards."""

    boards: Annotated[list[Device], Field(min_length=1, max_length=256)]
    period_ms: Ms = 1000
    """From tick to tick: one fused state each."""
    horizon_ms: Ms = 20_000
    """A tick is fused so long after it; states that come later are dropped.

    A board's batch has to fit: 16 states, 1 s apart, are 15 s old when they are sent."""
    hold_ms: Ms = 5000
    """So long after it was taken a state still stands for its board."""
    mean_ms: Ms = 600_000
    """Time constant of layer 7."""
    refresh_ms: Ms = 30_000
    """Boards are told the hub's layers when these change, and so often in any case."""
    drift_ppm: Annotated[int, Field(strict=True, ge=0, le=100_000)] = 100
    room: Annotated[int, Field(strict=True, ge=1, le=65_536)] = 512
    """States of a board that wait at most."""
    capacity: Annotated[int, Field(strict=True, ge=1, le=65_535)] = 1000
    """Labelled states that the place learns from; the oldest gives way."""
    fuse: MergeRule | dict[str, MergeRule] = "mean"
    rules: list[Rule] = []
    acts: Acts | None = None
    """Layer 6 by layer 5's model; rules go before it."""
    rest: Then = Then(rho=-8)
    """Layer 6 while no rule is on, and no class that acts."""

    @model_validator(mode="after")
    def _can_be(self) -> Self:
        if len(set(self.boards)) < len(self.boards):
            raise ValueError("boards: one is named twice")
        names = [rule.name for rule in self.rules]
        if len(set(names)) < len(names):
            raise ValueError("rules: two have the same name")
        self.merge_rules()
        return self

    def merge_rules(self) -> tuple[MergeRule, ...]:
        """Return how each of L0-L4 is fused."""
        if isinstance(self.fuse, str):
            return (self.fuse,) * 5
        named: dict[int, MergeRule] = {}
        for name, rule in self.fuse.items():
            number = _layer(name)
            if not isinstance(number, int) or number > layers.DERMIC:
                raise ValueError(f"fuse: {name}: boards perceive layers 0 to 4")
            named[number] = rule
        return tuple(named.get(i, "mean") for i in range(5))
