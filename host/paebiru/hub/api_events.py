"""The stream of events: JSON lines to whoever reads them, and no client may hold the hub up."""

import asyncio
import json
import time
from collections import deque
from dataclasses import dataclass
from typing import Any

from aiohttp import web

from paebiru.hub.api_guard import Refusal
from paebiru.hub.tell import Telling


@dataclass(frozen=True)
class Limits:
    """What a stream is allowed."""

    clients: int = 32
    waiting: int = 1000
    """Events that a client may be behind."""
    beat: float = 15.0
    """Seconds of silence until a line says that the stream is alive."""
    patience: float = 10.0
    """Seconds in which a client must take what is sent."""


class _Client:
    """What waits for one reader."""

    def __init__(self, limit: int, last: int) -> None:
        self.last = last  # the id of the newest event that it gets
        self.lines: deque[bytes] = deque()
        self.is_late = False
        self._limit = limit
        self._wake = asyncio.Event()

    def put(self, said: dict[str, Any]) -> None:
        """Add an event, unless too many wait already."""
        if self.is_late or len(self.lines) >= self._limit:
            self.is_late = True
        else:
            self.lines.append(_line(said))
            self.last = said["id"]
        self._wake.set()

    def take(self) -> bytes:
        """Return what waits."""
        taken = b"".join(self.lines)
        self.lines.clear()
        return taken

    def wake(self) -> None:
        """Have the writer look."""
        self._wake.set()

    async def woken(self, limit: float) -> bool:
        """Wait for `wake` or an event; False when `limit` seconds pass before."""
        try:
            async with asyncio.timeout(limit):
                await self._wake.wait()
        except TimeoutError:
            return False
        self._wake.clear()
        return True


class Streams:
    """The streams of a hub; `close` lets all of them end."""

    def __init__(self, tell: Telling, limits: Limits = Limits()) -> None:
        self._tell = tell
        self._limits = limits
        self._clients: set[_Client] = set()
        self._is_closed = False
        self.dropped = 0
        """Clients that were too slow."""

    def __len__(self) -> int:
        return len(self._clients)

    def close(self) -> None:
        """End every stream when what was told has been sent."""
        self._is_closed = True
        for client in self._clients:
            client.wake()

    async def serve(self, request: web.Request, since: int | None) -> web.StreamResponse:
        """Stream events to a client until it, or the hub, ends that.

        Raises:
            Refusal: there are too many streams already.
        """
        if len(self._clients) >= self._limits.clients:
            raise Refusal(503, "too many clients read the events", "end one of the others")
        response = web.StreamResponse(
            headers={"Content-Type": "application/x-ndjson", "Cache-Control": "no-store"}
        )
        client = _Client(self._limits.waiting, self._tell.last)
        backlog = b"".join(map(_line, self._after(since)))
        stop = self._tell.listen(client.put)
        self._clients.add(client)
        is_slow = False
        try:
            await response.prepare(request)
            is_slow = not await self._pump(response, client, backlog)
            if not is_slow:
                await response.write_eof()
        except TimeoutError:
            is_slow = True
            if request.transport is not None:
                request.transport.abort()
        except ConnectionError:
            pass  # it has gone
        finally:
            stop()
            self._clients.discard(client)
        if is_slow:
            self.dropped += 1
            self._tell("slow", address=request.remote or "")
        return response

    def _after(self, since: int | None) -> list[dict[str, Any]]:
        """Return the events kept after `since`; a gap is told of."""
        if since is None:
            return []
        kept = [said for said in self._tell.newest if said["id"] > since]
        oldest = self._tell.newest[0]["id"] if self._tell.newest else self._tell.last + 1
        if since and since + 1 < oldest:
            gap = {"id": oldest - 1, "at": _now(), "event": "gap", "after": since}
            return [gap, *kept]
        return kept

    async def _pump(self, response: web.StreamResponse, client: _Client, data: bytes) -> bool:
        """Write what comes until the hub ends; False if the client is too slow."""
        while True:
            if data:
                async with asyncio.timeout(self._limits.patience):
                    await response.write(data)
            is_late, is_last = client.is_late, self._is_closed
            data = client.take()
            if is_late:
                data += _own(client, "dropped", why="too slow: go on with since= this id")
            elif not data and not is_last and not await client.woken(self._limits.beat):
                data = _own(client, "alive")
            if is_late or is_last:
                async with asyncio.timeout(self._limits.patience):
                    await response.write(data)
                    if is_late:
                        await response.write_eof()
                return not is_late


def _own(client: _Client, event: str, **about: Any) -> bytes:
    """Return a line of the stream's own: its id is that of the event before it."""
    return _line({"id": client.last, "at": _now(), "event": event, **about})


def _line(said: dict[str, Any]) -> bytes:
    return json.dumps(said).encode() + b"\n"


def _now() -> float:
    return round(time.time(), 3)
