"""What the HTTP API's routes of the hub and its boards do; `api_store` has those of the store."""

import asyncio
import time
from dataclasses import asdict
from typing import Any

from aiohttp import hdrs, web
from pydantic import BaseModel

from paebiru import __version__, models
from paebiru.device import Device
from paebiru.errors import UsageError
from paebiru.federated import branches
from paebiru.federated.durable import Durable
from paebiru.federated.rounds import Federation
from paebiru.hub import api_forms as forms
from paebiru.hub import api_views as views
from paebiru.hub.api_events import Streams
from paebiru.hub.api_guard import Refusal
from paebiru.hub.known import Known
from paebiru.hub.metrics import CONTENT_TYPE, Metrics
from paebiru.hub.service import Hub
from paebiru.store import StoreError
from sil import protocol as p

Answer = BaseModel | web.StreamResponse

_MODELS = 4  # whose streams stay at hand
_NOT_KNOWN = "GET /v1/devices lists the boards that this hub knows"


class Handlers:
    """The routes of one hub.

    Each takes the request with its query and body, read and checked, and returns a form or a
    response, or raises a `Refusal`.
    """

    def __init__(self, hub: Hub, streams: Streams, metrics: Metrics) -> None:
        self.hub = hub
        self.streams = streams
        self.figures = metrics
        self.document: dict[str, Any] = {}
        self._started = time.time()
        self._begun = time.monotonic()
        self.models: dict[bytes, tuple[bytes, str]] = {}
        """Streams of models and their SHA-256, by the models' names: a few that were asked for."""
        self._age = (-1, 0)  # of which checkpoint, and what it is

    # -- the hub and its rounds

    async def show(self, request: web.Request, query: Any, body: Any) -> Answer:
        """The hub as a whole: version, policy, round, model."""
        hub, federation = self.hub, self.durable
        layers = await self._layers()
        data, digest = self._newest()
        return views.HubView(
            version=__version__,
            started=round(self._started, 3),
            uptime=round(time.monotonic() - self._begun, 3),
            devices_up=len(hub.devices),
            devices_known=len(self._keys()),
            policy=asdict(hub.policy),
            round=views.HubRound(
                number=federation.number,
                is_open=federation.is_open,
                is_paused=hub.is_paused,
                asked=hub.asked,
                updates=len(federation.updates) if federation.is_open else 0,
                branch=federation.branch,
            ),
            model=views.HubModel(
                name=federation.name.hex(),
                sha256=digest,
                bytes=len(data),
                weights=len(federation.first),
                sizes=list(federation.task.sizes),
                layers=layers,
            ),
        )

    async def start(self, request: web.Request, query: Any, body: Any) -> Answer:
        """Begin rounds again, as the policy says."""
        return self._running(is_paused=False)

    async def stop(self, request: web.Request, query: Any, body: Any) -> Answer:
        """Begin no more rounds until told to; the open one is finished."""
        return self._running(is_paused=True)

    def _running(self, is_paused: bool) -> Answer:
        self.hub.pause(is_paused)
        federation = self._federation()
        return views.Running(
            is_paused=is_paused, round=federation.number, is_open=federation.is_open
        )

    async def model(self, request: web.Request, query: Any, body: Any) -> Answer:
        """The newest model, a .jsil stream; its ETag is its SHA-256."""
        return stream(request, *self._newest())

    # -- boards

    async def devices(self, request: web.Request, query: forms.Page, body: Any) -> Answer:
        """The boards that are enrolled or were there, by id."""
        keys = self._keys()
        part = sorted(keys)[query.offset : query.offset + query.limit]
        return views.Devices(
            total=len(keys), devices=[self._view(name, keys[name]) for name in part]
        )

    async def device(self, request: web.Request, query: Any, body: Any) -> Answer:
        """One board."""
        name, key = self._named(request)
        return self._view(name, key)

    async def revoke(self, request: web.Request, query: Any, body: Any) -> Answer:
        """Take a board's keys away, for good, and hang up on it."""
        name, _ = self._named(request)
        try:
            self.hub.revoke(name)
        except UsageError as error:
            raise Refusal(409, str(error), "only enrolled boards have keys") from None
        return views.Revoked(revoked=name.hex())

    async def control(self, request: web.Request, query: Any, body: forms.Control) -> Answer:
        """Have a board do something; the same request twice does it once."""
        device = self._there(request)
        asked = body.root
        if isinstance(asked, forms.Restart) and asked.boots is None:
            if device.health is None:
                raise Refusal(
                    409,
                    "the board has not told at which start it is",
                    'give "boots", or send {"what": "health"} first',
                )
            asked = asked.model_copy(update={"boots": device.health.boots})
        if isinstance(asked, forms.Fork):
            _posted(self._fork(device, asked.branch))
        else:
            _posted(self.hub.control(device, forms.CODES[asked.what], asked.rest()))
        return views.Sent(device=device.name.hex(), sent=asked.what)

    async def label(self, request: web.Request, query: Any, body: forms.Label) -> Answer:
        """Tell a board of what class its latest inputs were."""
        classes = self._federation().task.sizes[-1]
        if body.class_ >= classes:
            raise Refusal(
                409,
                f"class {body.class_}: the model has {classes}",
                f"give a class from 0 to {classes - 1}",
            )
        device = self._there(request)
        _posted(device.post(p.LABEL, bytes((body.class_,))))
        return views.Sent(device=device.name.hex(), sent="label")

    # -- what happens

    async def events(self, request: web.Request, query: forms.Since, body: Any) -> Answer:
        """What happens, a JSON object a line (SPEC-hub.md), until the client ends it."""
        return await self.streams.serve(request, query.since)

    async def metrics(self, request: web.Request, query: Any, body: Any) -> Answer:
        """The hub's figures for Prometheus."""
        return web.Response(body=self.figures.text(), headers={hdrs.CONTENT_TYPE: CONTENT_TYPE})

    async def openapi(self, request: web.Request, query: Any, body: Any) -> Answer:
        """What this API is: the document that describes it."""
        return web.json_response(self.document)

    # -- what they share

    def _fork(self, device: Device, branch: int | None) -> bool:
        try:
            return self.hub.fork(device, branch)
        except StoreError as error:
            raise Refusal(503, str(error), "try again later") from None

    def _federation(self) -> Federation:
        federation = self.hub.federation
        assert federation is not None
        return federation

    @property
    def durable(self) -> Durable:
        """What the boards learn, with its store."""
        federation = self.hub.federation
        assert isinstance(federation, Durable)
        return federation

    def _newest(self) -> tuple[bytes, str]:
        """Return the newest model's stream, and the SHA-256 of that."""
        federation = self._federation()
        if federation.name not in self.models:
            data = models.stream(federation.master.codes(), federation.task.sizes)
            self.remember(federation.name, data)
        return self.models[federation.name]

    def remember(self, name: bytes, data: bytes) -> None:
        """Have a model's stream at hand for who asks next."""
        while len(self.models) >= _MODELS:
            del self.models[next(iter(self.models))]
        self.models[name] = data, models.sha256(data)

    async def _layers(self) -> str:
        """Return layers D, E and F of the hub's model, hex."""
        federation = self.durable
        head, (known, age) = federation.head, self._age
        if head.kind == "round" and head.parent == known:
            self._age = head.id, age + 1
        elif head.id != known:
            age = await asyncio.to_thread(branches.generation, federation)
            self._age = head.id if federation.head is head else -1, age
        return bytes(branches.layers(federation, self._age[1])).hex()

    def _keys(self) -> dict[bytes, str]:
        """Return the state of the key of every board, enrolled or seen."""
        keys = dict.fromkeys(self.hub.known, "none")
        for entry in self.hub.keys.list():
            state = "changing" if entry.is_changing else "good"
            keys[entry.device] = "revoked" if entry.is_revoked else state
        return keys

    def _named(self, request: web.Request) -> tuple[bytes, str]:
        """Return the board that the path names, and the state of its key."""
        name = bytes.fromhex(request.match_info["device"])
        key = self._keys().get(name)
        if key is None:
            raise Refusal(404, f"no board {name.hex()} is known", _NOT_KNOWN)
        return name, key

    def _there(self, request: web.Request) -> Device:
        """Return the board that the path names, which must be there."""
        name, _ = self._named(request)
        device = self.hub.devices.get(name)
        if device is None or not device.is_up:
            raise Refusal(
                409, f"board {name.hex()} is not there", "wait until it calls: GET /v1/events"
            )
        return device

    def _view(self, name: bytes, key: str) -> views.DeviceView:
        known = self.hub.known.get(name) or Known(name.hex())
        return views.DeviceView.of(known, key, self.hub.following.given(name))


def stream(request: web.Request, data: bytes, digest: str) -> web.Response:
    """Return a model, or that it has not changed."""
    headers = {hdrs.ETAG: f'"{digest}"', hdrs.CACHE_CONTROL: "no-cache"}
    asked = request.if_none_match or ()
    if any(tag.value in (digest, "*") for tag in asked):
        return web.Response(status=304, headers=headers)
    headers[hdrs.CONTENT_DISPOSITION] = 'attachment; filename="model.jsil"'
    return web.Response(body=data, headers=headers, content_type="application/octet-stream")


def _posted(is_done: bool) -> None:
    if not is_done:
        raise Refusal(
            503, "too much waits for this board already", "try again later", {"Retry-After": "5"}
        )
