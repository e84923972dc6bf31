"""The table of the HTTP API's routes: what is served, and what `openapi` says of it."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from aiohttp import web
from pydantic import BaseModel

from paebiru.hub import api_forms as forms
from paebiru.hub import api_places as of_places
from paebiru.hub import api_store as stored
from paebiru.hub import api_views as views
from paebiru.hub.api_handlers import Answer, Handlers
from paebiru.hub.metrics import CONTENT_TYPE

Handler = Callable[[Handlers, web.Request, Any, Any], Awaitable[Answer]]

PARAMETERS = {
    "device": (forms.DEVICE, "a board's id, 16 hex digits"),
    "model": (stored.MODEL, "a model's name, 16 hex digits, or head, best or final"),
    "number": (forms.ROUND, "a round's number"),
    "place": (of_places.PLACE, "a place's name: a-z, then up to 31 of a-z, 0-9, _ and -"),
}


@dataclass(frozen=True)
class Route:
    """One route.

    Args:
        handler: what answers; its name and docstring are those of the operation.
        answer: the form of the answer, or its media type.
        query: the form of the query.
        body: the form of the body, for POST.
        status: of the answer.
        others: statuses besides, and what they say.  Those that the checks of every request
            give are added in `openapi`.
    """

    method: str
    path: str
    handler: Handler
    answer: type[BaseModel] | str
    query: type[forms.Form] = forms.NoQuery
    body: type[BaseModel] | None = None
    status: int = 200
    others: tuple[int, ...] = ()

    @property
    def name(self) -> str:
        """The operation's id."""
        return self.handler.__name__

    @property
    def says(self) -> str:
        """What it does, in a line."""
        return (self.handler.__doc__ or "").strip()


ROUTES = (
    Route("GET", "/v1/hub", Handlers.show, views.HubView),
    Route("GET", "/v1/devices", Handlers.devices, views.Devices, forms.Page),
    Route("GET", "/v1/devices/{device}", Handlers.device, views.DeviceView, others=(404,)),
    Route(
        "POST", "/v1/devices/{device}/revoke", Handlers.revoke, views.Revoked,
        body=forms.Nothing, others=(404, 409),
    ),
    Route(
        "POST", "/v1/devices/{device}/control", Handlers.control, views.Sent,
        body=forms.Control, status=202, others=(404, 409, 503),
    ),
    Route(
        "POST", "/v1/devices/{device}/label", Handlers.label, views.Sent,
        body=forms.Label, status=202, others=(404, 409, 503),
    ),
    Route("GET", "/v1/rounds", stored.rounds, stored.Rounds, forms.Page, others=(500,)),
    Route(
        "GET", "/v1/rounds/{number}", stored.one_round, stored.RoundDetail, others=(404, 500)
    ),
    Route("POST", "/v1/rounds/start", Handlers.start, views.Running, body=forms.Nothing),
    Route("POST", "/v1/rounds/stop", Handlers.stop, views.Running, body=forms.Nothing),
    Route("GET", "/v1/model", Handlers.model, "application/octet-stream", others=(304,)),
    Route(
        "GET", "/v1/models/{model}", stored.one_model, "application/octet-stream",
        others=(304, 404, 500),
    ),
    Route("GET", "/v1/history", stored.history, stored.History, stored.OfBranch, others=(500,)),
    Route("GET", "/v1/places", of_places.places, of_places.PlacesView),
    Route("GET", "/v1/places/{place}", of_places.place, of_places.PlaceView, others=(404,)),
    Route(
        "POST", "/v1/places/{place}/label", of_places.label_place, of_places.LabelView,
        body=of_places.PlaceLabel, status=202, others=(404, 409, 503),
    ),
    Route("GET", "/v1/ledger", stored.ledger, stored.Ledger, others=(500,)),
    Route(
        "GET", "/v1/events", Handlers.events, "application/x-ndjson", forms.Since, others=(503,)
    ),
    Route("GET", "/metrics", Handlers.metrics, CONTENT_TYPE.partition(";")[0]),
    Route("GET", "/v1/openapi.json", Handlers.openapi, "application/json"),
)  # fmt: skip
