"""What each route of the HTTP API does.  Nothing here waits, but for the stream of events."""

import time
from dataclasses import asdict
from typing import Any

from aiohttp import hdrs, web
from pydantic import BaseModel

from paebiru import __version__, models
from paebiru.device import Device
from paebiru.errors import UsageError
from paebiru.federated.durable import Durable
from paebiru.federated.rounds import Federation
from paebiru.hub import api_forms as forms
from paebiru.hub import api_views as views
from paebiru.hub.api_events import Streams
from paebiru.hub.api_guard import Refusal
from paebiru.hub.known import Known
from paebiru.hub.metrics import CONTENT_TYPE, Metrics
from paebiru.hub.service import Hub
from sil import protocol as p

Answer = BaseModel | web.StreamResponse

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
        self._model = (b"", b"", "")  # the newest one's name, its stream, the stream's SHA-256

    # -- the hub and its rounds

    async def show(self, request: web.Request, query: Any, body: Any) -> Answer:
        """The hub as a whole: version, policy, round, model."""
        hub, federation = self.hub, self._federation()
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
            ),
            model=views.HubModel(
                name=federation.name.hex(),
                sha256=digest,
                bytes=len(data),
                weights=len(federation.first),
                sizes=list(federation.task.sizes),
            ),
        )

    async def rounds(self, request: web.Request, query: forms.Page, body: Any) -> Answer:
        """The rounds that are closed, the newest first."""
        newest = self.hub.summaries[::-1]
        part = newest[query.offset : query.offset + query.limit]
        shown = [views.RoundView.model_validate(summary) for summary in part]
        return views.Rounds(total=len(newest), rounds=shown)

    async def one_round(self, request: web.Request, query: Any, body: Any) -> Answer:
        """What came of one round."""
        number = int(request.match_info["number"])
        for summary in self.hub.summaries:
            if summary["round"] == number:
                return views.RoundView.model_validate(summary)
        raise Refusal(404, f"round {number} is not among those closed here", "see GET /v1/rounds")

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
        return _stream(request, *self._newest())

    async def model_of(self, request: web.Request, query: Any, body: Any) -> Answer:
        """A model of the history by its name, while it is kept: as /v1/model."""
        name = bytes.fromhex(request.match_info["name"])
        federation = self._federation()
        if name == federation.name:
            return _stream(request, *self._newest())
        rows = federation.store.history.all() if isinstance(federation, Durable) else []
        kept = [row for row in rows if row.name == name and row.blob is not None]
        if not kept or not isinstance(federation, Durable):
            raise Refusal(404, f"no model {name.hex()} is kept", "GET /v1/rounds names models")
        then = Federation.of(federation.store.history.state(kept[-1]))
        data = models.stream(then.master.codes(), then.task.sizes)
        return _stream(request, data, models.sha256(data))

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

    async def ledger(self, request: web.Request, query: Any, body: Any) -> Answer:
        """Bytes by board and kind of line, since the hub started."""
        entries = [
            views.LedgerEntry.model_validate(
                {"device": known.device, "link": link, "up": up, "down": down}
            )
            for _, known in sorted(self.hub.known.items())
            for link, (up, down) in sorted(known.links.items())
        ]
        up, down = sum(entry.up for entry in entries), sum(entry.down for entry in entries)
        return views.Ledger(up=up, down=down, entries=entries)

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

    def _federation(self) -> Federation:
        federation = self.hub.federation
        assert federation is not None
        return federation

    def _newest(self) -> tuple[bytes, str]:
        """Return the newest model's stream, and the SHA-256 of that."""
        federation = self._federation()
        if self._model[0] != federation.name:
            data = models.stream(federation.master.codes(), federation.task.sizes)
            self._model = (federation.name, data, models.sha256(data))
        return self._model[1:]

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
        return views.DeviceView.of(known, key)


def _stream(request: web.Request, data: bytes, digest: str) -> web.Response:
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
