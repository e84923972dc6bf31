"""The HTTP API's routes of places: what they are, and what they are labelled with."""

from typing import Annotated, Any

from aiohttp import web
from pydantic import BeforeValidator, Field, StrictInt, StrictStr

from paebiru.errors import UsageError
from paebiru.fusion.config import MAX_CLASSES
from paebiru.hub.api_forms import DEVICE, LAST, Form, whole
from paebiru.hub.api_guard import Refusal
from paebiru.hub.api_handlers import Handlers
from paebiru.hub.api_views import View
from paebiru.hub.places import Places
from paebiru.store import StoreError

PLACE = "^[a-z][a-z0-9_-]{0,31}$"

_Number = Annotated[StrictInt, Field(ge=0, lt=MAX_CLASSES), BeforeValidator(whole)]
_Moment = Annotated[StrictInt, Field(ge=0, le=LAST), BeforeValidator(whole)]
_Name = Annotated[StrictStr, Field(min_length=1, max_length=100)]


class PlaceLabel(Form):
    """What a place was at a moment."""

    class_: _Number | _Name = Field(alias="class", description="of layer 5, by name or number")
    at: _Moment | None = Field(
        None,
        description="on the clock of fused states, ms, as `time` of GET /v1/places; default: now",
    )


class PlaceView(View):
    """A place and its boards."""

    place: str = Field(pattern=PLACE)
    boards: list[Annotated[str, Field(pattern=DEVICE)]]
    time: int | None = Field(description="of its newest fused state; null: none yet")
    state: str = Field(description="that state, 32 hex digits; empty: none yet")
    found: str | int | None = Field(
        alias="class", description="layer 5: the hub's by name, a board's by number"
    )
    where: str = Field(description="who found it: hub, board, or nowhere")
    rule: str | None = Field(description="what decided layer 6: a rule, or class:NAME")
    fused: int = Field(description="ticks since the hub started")
    samples: int = Field(description="labelled states that are kept")
    tried: int = Field(description="of the newest 100 labels, those that came to a model")
    right: int = Field(description="those that the model had right before it learned them")
    accuracy: float | None = Field(description="right / tried; null: none was tried")


class TeachingView(View):
    """Layer 5's model, and how its learning stands."""

    classes: list[str]
    sizes: list[int] = Field(description="units of each layer, the input first")
    round: int = Field(description="the last one that is closed; 0: none")
    model: str = Field(description="its name, 16 hex digits, that of the first model before")
    accuracy: float | None = Field(description="of that model on all labels kept, which it saw")
    labels: int = Field(description="that were ever kept; a correction is one more")
    new: int = Field(description="labels and corrections since rounds were begun last")
    every: int = Field(description="so many new ones begin rounds")
    left: int = Field(description="rounds that are still to be held for the labels there are")


class PlacesView(View):
    """All places of a hub."""

    time: int = Field(description="the clock of fused states, ms, now")
    learning: TeachingView | None = Field(description="null: layer 5 has no classes to learn")
    places: list[PlaceView]


class LabelView(View):
    """What is labelled."""

    place: str = Field(pattern=PLACE)
    time: int = Field(description="of the fused state")
    kept: bool = Field(description="false: its state is still to be fused; event `label` tells")


async def places(handlers: Handlers, request: web.Request, query: Any, body: Any) -> PlacesView:
    """The places: their states, and how layer 5 learns from their labels."""
    found = handlers.hub.places
    if found is None:
        return PlacesView(time=0, learning=None, places=[])
    known = found.fusion.snapshot()["places"]
    return PlacesView(
        time=found.now,
        learning=_teaching(found),
        places=[_place(found, name, known[name]) for name in sorted(known)],
    )


async def place(handlers: Handlers, request: web.Request, query: Any, body: Any) -> PlaceView:
    """One place."""
    found, name = _named(handlers, request)
    return _place(found, name, found.fusion.snapshot()["places"][name])


async def label_place(
    handlers: Handlers, request: web.Request, query: Any, body: PlaceLabel
) -> LabelView:
    """Say what class a place was at a moment; another label corrects it."""
    found, name = _named(handlers, request)
    try:
        tick, is_kept = await found.label(name, body.class_, body.at)
    except (StoreError, TimeoutError) as error:
        why = str(error) or "the store does not answer"
        raise Refusal(503, why, "give it again later: the same label twice counts once") from None
    except UsageError as error:
        raise Refusal(409, str(error), "see GET /v1/places for its classes and clock") from None
    return LabelView(place=name, time=tick, kept=is_kept)


def _named(handlers: Handlers, request: web.Request) -> tuple[Places, str]:
    found, name = handlers.hub.places, request.match_info["place"]
    if found is None or name not in found.fusion.config.places:
        raise Refusal(404, f"no place is called {name!r}", "GET /v1/places lists them")
    return found, name


def _place(found: Places, name: str, known: dict[str, Any]) -> PlaceView:
    state = known["state"] or {}
    electronic, found_class = found.fusion.config.electronic, state.get("class")
    if electronic and state.get("where") == "hub":  # a board's classes are its own
        found_class = electronic.classes[state["class"]]
    tried = found.teaching.labels.tried(name) if found.teaching else []
    return PlaceView.model_validate(
        {
            "place": name,
            "boards": sorted(known["boards"]),
            "time": state.get("time"),
            "state": state.get("state", ""),
            "class": found_class,
            "where": state.get("where", "nowhere"),
            "rule": state.get("rule"),
            "fused": known["fused"],
            "samples": known["samples"],
            "tried": len(tried),
            "right": sum(tried),
            "accuracy": round(sum(tried) / len(tried), 4) if tried else None,
        }
    )


def _teaching(found: Places) -> TeachingView | None:
    teaching, electronic = found.teaching, found.fusion.config.electronic
    if teaching is None or electronic is None:
        return None
    return TeachingView(
        classes=electronic.classes,
        sizes=list(found.fusion.task().sizes),
        round=teaching.round,
        model=teaching.model.hex(),
        accuracy=teaching.accuracy,
        labels=teaching.labels.last,
        new=teaching.new,
        every=electronic.every,
        left=teaching.left,
    )
