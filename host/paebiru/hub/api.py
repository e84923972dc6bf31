"""The hub's HTTP API: requests checked, answered, and refused in words.

    async with served(hub, Api("127.0.0.1", 7380)):
        await hub.hold()

Every wait has its limit: for a request, for its body, for a client that does not read.
`API.md` says how to use it; GET /v1/openapi.json describes every route.
"""

import asyncio
import logging
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import hdrs, web
from pydantic import BaseModel, ValidationError

from paebiru.errors import UsageError
from paebiru.hub import openapi
from paebiru.hub.api_events import Limits, Streams
from paebiru.hub.api_guard import Guard, Refusal
from paebiru.hub.api_handlers import Answer, Handlers
from paebiru.hub.api_routes import PARAMETERS, ROUTES, Route
from paebiru.hub.api_views import Error
from paebiru.hub.metrics import Metrics
from paebiru.hub.service import Hub

_BODY = 16 * 1024  # bytes
_CONNECTIONS = 256
_IDLE = 30.0  # s that a connection may be silent between requests, or before the first
_FAREWELL = 3.0  # s for answers that are on their way when the hub ends
_DOCUMENT = "see GET /v1/openapi.json"

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Api:
    """Where the API listens, and who may ask."""

    host: str
    port: int
    token: str = field(default="", repr=False)
    patience: float = 10.0
    """Seconds for a body to come, and for an answer to be taken."""
    streams: Limits = field(default_factory=Limits)


@asynccontextmanager
async def served(hub: Hub, api: Api | None) -> AsyncIterator[int]:
    """Serve the API of a hub; give the port, 0 if there is to be none.

    Raises:
        UsageError: it may not be open to others, or the port is taken.
    """
    if api is None:
        yield 0
        return
    guard = Guard(api.host, api.token)
    metrics, streams = Metrics(hub), Streams(hub.tell, api.streams)
    handlers = Handlers(hub, streams, metrics)
    handlers.document = openapi.document()
    runner = web.AppRunner(
        _application(handlers, guard, api.patience),
        access_log=None,
        handle_signals=False,
        keepalive_timeout=_IDLE,
        auto_decompress=False,
        shutdown_timeout=_FAREWELL,
    )
    await runner.setup()
    try:
        server = await _listen(runner, api)
        port = int(server.sockets[0].getsockname()[1])
        hub.tell("api", host=api.host, port=port, token=bool(api.token))
        try:
            yield port
        finally:
            server.close()
    finally:
        streams.close()
        await runner.cleanup()
        metrics.close()


async def _listen(runner: web.AppRunner, api: Api) -> asyncio.Server:
    serve = runner.server
    assert serve is not None

    def connected() -> asyncio.Protocol:
        return serve() if len(serve.connections) < _CONNECTIONS else _Full()

    try:
        return await asyncio.get_running_loop().create_server(connected, api.host, api.port)
    except OSError as error:
        raise UsageError(
            f"the API cannot listen on {api.host}:{api.port}: {error.strerror};"
            " --api HOST:PORT takes another port, --no-api none"
        ) from None


class _Full(asyncio.Protocol):
    """Hangs up at once, so that boards still find a free descriptor."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        transport.close()


def _application(handlers: Handlers, guard: Guard, patience: float) -> web.Application:
    @web.middleware
    async def answered(
        request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        try:
            guard.check(request)
            response = await handler(request)
        except Refusal as refusal:
            response = _refused(refusal)
        except web.HTTPException as error:
            response = _refused(_of_http(error))
        except Exception:
            _log.exception("%s %s", request.method, request.path)
            response = _refused(
                Refusal(500, "the hub has met a fault of its own", "see what it printed")
            )
        if response.status in (400, 401, 403):
            handlers.figures.denied.labels(str(response.status)).inc()
        await _send(request, response, patience)
        return response

    app = web.Application(middlewares=[answered], client_max_size=_BODY)
    for route in ROUTES:
        path = route.path
        for name in PARAMETERS:
            path = path.replace(f"{{{name}}}", f"{{{name}:[^/]+}}")
        handler = _handler(route, handlers, patience)
        if route.method == hdrs.METH_GET:
            app.router.add_get(path, handler, allow_head=False)
        else:
            app.router.add_post(path, handler)
    return app


async def _send(request: web.Request, response: web.StreamResponse, patience: float) -> None:
    """Send an answer now, while there is a limit to it."""
    try:
        async with asyncio.timeout(patience):
            await response.prepare(request)
            await response.write_eof()
    except TimeoutError:
        if request.transport is not None:
            request.transport.abort()
    except ConnectionError:
        pass  # it has gone


def _handler(
    route: Route, handlers: Handlers, patience: float
) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    async def handle(request: web.Request) -> web.StreamResponse:
        for name, value in request.match_info.items():
            _check_path(name, value)
        query = _query(route, request)
        body = await _body(route.body, request, patience) if route.body else None
        answer: Answer = await route.handler(handlers, request, query, body)
        if isinstance(answer, web.StreamResponse):
            return answer
        return _json(answer, route.status)

    return handle


def _check_path(name: str, value: str) -> None:
    pattern, says = PARAMETERS[name]
    if not re.fullmatch(pattern, value):
        raise Refusal(400, f"{value[:40]!r} in the path is not {says}", _DOCUMENT)


def _query(route: Route, request: web.Request) -> Any:
    if len(set(request.query)) != len(request.query):
        raise Refusal(400, "the query names something twice", "give each name once")
    return _checked(route.query, "query", lambda form: form.model_validate(dict(request.query)))


async def _body(form: type[BaseModel], request: web.Request, patience: float) -> Any:
    if hdrs.CONTENT_ENCODING in request.headers:
        raise Refusal(415, "the body is encoded", "send plain JSON")
    try:
        async with asyncio.timeout(patience):
            data = await request.read()
    except TimeoutError:
        raise Refusal(
            408, "the body did not come in time", f"send it within {patience:g} s"
        ) from None
    return _checked(form, "body", lambda form: form.model_validate_json(data or b"{}"))


def _checked(
    form: type[BaseModel], what: str, read: Callable[[type[BaseModel]], BaseModel]
) -> BaseModel:
    try:
        return read(form)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False)[0]
        where = ".".join(str(part) for part in first["loc"])[:60]
        at = f"{where!r} in the {what}" if where else f"the {what}"
        raise Refusal(400, f"{at}: {first['msg']}", _DOCUMENT) from None


def _of_http(error: web.HTTPException) -> Refusal:
    """Return what the framework says in the API's words."""
    if error.status == 404:
        return Refusal(404, "there is no such path", _DOCUMENT)
    if error.status == 405:
        allowed = error.headers.get(hdrs.ALLOW, "")
        return Refusal(405, "this path has other methods", f"take {allowed}", {hdrs.ALLOW: allowed})
    if error.status == 413:
        return Refusal(413, "the body is too large", f"send at most {_BODY} bytes")
    return Refusal(error.status, error.reason, _DOCUMENT)


def _refused(refusal: Refusal) -> web.Response:
    answer = _json(Error(error=refusal.error, hint=refusal.hint), refusal.status)
    answer.headers.update(refusal.headers)
    return answer


def _json(form: BaseModel, status: int) -> web.Response:
    return web.Response(
        text=form.model_dump_json(by_alias=True),
        status=status,
        content_type="application/json",
        headers={hdrs.CACHE_CONTROL: "no-store"},
    )
