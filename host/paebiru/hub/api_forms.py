"""What the HTTP API takes, a form each, out of which `openapi` is written.

Unknown keys, wrong types and values outside of their domain are refused.
"""

from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    RootModel,
    WithJsonSchema,
)

from sil import protocol as p
from sil.link.fields import put32

DEVICE = "^[0-9a-f]{16}$"
ROUND = "^[0-9]{1,9}$"
MODEL = "^[0-9a-f]{16}$"
LAST = (1 << 53) - 1  # the largest number that every reader of JSON holds exactly
_U29 = (1 << 29) - 1  # of the link's u32


class Form(BaseModel):
    """What comes in."""

    model_config = ConfigDict(extra="forbid", strict=True)


# -- queries


def digits(text: object) -> int:
    """Return the number that a query's text is."""
    if isinstance(text, str) and text.isascii() and text.isdecimal() and len(text) <= 16:
        return int(text)
    raise ValueError("give a whole number, 0 or more")


class NoQuery(Form):
    """A route without a query."""


class Page(Form):
    """Which part of a list."""

    limit: Annotated[int, BeforeValidator(digits)] = Field(100, ge=1, le=1000)
    offset: Annotated[int, BeforeValidator(digits)] = Field(0, ge=0, le=LAST)


class Since(Form):
    """Where a stream of events goes on."""

    since: Annotated[int, Field(ge=0, le=LAST), BeforeValidator(digits)] | None = Field(
        None,
        description="the `id` of the last event seen: those after it that are kept come first",
    )


# -- bodies


def whole(value: object) -> object:
    """To JSON, 5.0 is an integer."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


_Int = Annotated[int, BeforeValidator(whole)]
_PERIODS: dict[str, Any] = {
    "type": "integer",
    "anyOf": [
        {"minimum": p.PERIOD_LEAST, "exclusiveMaximum": p.SECONDS},
        {"minimum": p.SECONDS, "maximum": p.PERIOD_MOST, "multipleOf": 1000},
    ],
}


def _period(ms: int) -> int:
    if not p.is_period(ms):
        raise ValueError(
            f"{p.PERIOD_LEAST} to {p.PERIOD_MOST} ms are wanted, from {p.SECONDS} on whole seconds"
        )
    return ms


class Nothing(Form):
    """An empty object."""


class Label(Form):
    """What the board's latest inputs were."""

    class_: _Int = Field(alias="class", ge=0, le=255, description="below the model's classes")


class _OfModel(Form):
    model: str = Field(pattern=MODEL, description="the model's name, 16 hex digits")

    def rest(self) -> bytes:
        """Return what follows the first byte of CONTROL."""
        return bytes.fromhex(self.model)


class Pin(_OfModel):
    """Keep the checkpoint that has this model as the golden one."""

    what: Literal["pin"]


class RollBack(_OfModel):
    """Go on from the checkpoint that has this model."""

    what: Literal["roll-back"]


class Fork(Form):
    """Mark the board's model as another branch's, which the board keeps to from now on."""

    what: Literal["fork"]
    branch: Annotated[int, Field(ge=0, le=15), BeforeValidator(whole)] | None = Field(
        description="null: whatever branch its hub holds"
    )


class Period(Form):
    """Have a state this often."""

    what: Literal["period"]
    ms: Annotated[
        int, AfterValidator(_period), BeforeValidator(whole), WithJsonSchema(_PERIODS)
    ] = Field(description="from state to state; from 32768 on whole seconds")

    def rest(self) -> bytes:
        """Return what follows the first byte of CONTROL."""
        return _u32(self.ms)


class Restart(Form):
    """Start over, if the board is still at the start of that number."""

    what: Literal["restart"]
    boots: Annotated[int, Field(ge=0, le=_U29), BeforeValidator(whole)] | None = Field(
        None, description="by default as last reported"
    )

    def rest(self) -> bytes:
        """Return what follows the first byte of CONTROL."""
        assert self.boots is not None
        return _u32(self.boots)


class TellHealth(Form):
    """Say how you are."""

    what: Literal["health"]

    def rest(self) -> bytes:
        """Return what follows the first byte of CONTROL."""
        return b""


AnyControl = Pin | RollBack | Fork | Period | Restart | TellHealth

CODES = {
    "pin": p.PIN, "roll-back": p.ROLLBACK, "period": p.PERIOD, "restart": p.RESTART,
    "health": p.TELL_HEALTH,
}  # fmt: skip


class Control(RootModel[Annotated[AnyControl, Field(discriminator="what")]]):
    """What a board is to do."""


def _u32(value: int) -> bytes:
    body = bytearray(4)
    put32(body, 0, value)
    return bytes(body)
