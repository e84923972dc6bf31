"""Two ends of a line inside one process, and a line of any kind made faulty."""

import asyncio
import time

from paebiru.testing.link import Faults, LossyLink
from paebiru.transport.base import Transport


class MemoryTransport:
    """One end of a line in memory; `pair` makes both."""

    datagrams = False

    def __init__(self, incoming: "asyncio.Queue[bytes]", outgoing: "asyncio.Queue[bytes]") -> None:
        self._incoming = incoming
        self._outgoing = outgoing

    @classmethod
    def pair(cls) -> "tuple[MemoryTransport, MemoryTransport]":
        """Return both ends of a line."""
        one: asyncio.Queue[bytes] = asyncio.Queue(64)
        two: asyncio.Queue[bytes] = asyncio.Queue(64)
        return cls(one, two), cls(two, one)

    async def read(self) -> bytes:
        """Wait for what the other end wrote."""
        return await self._incoming.get()

    async def write(self, data: bytes) -> None:
        """Hand bytes to the other end."""
        await self._outgoing.put(data)

    def close(self) -> None:
        """End the line for the other end as well."""
        if not self._outgoing.full():
            self._outgoing.put_nowait(b"")


class FaultyTransport:
    """A real line with the faults of a `LossyLink` added in both directions."""

    def __init__(self, line: Transport, faults: Faults, seed: int = 0) -> None:
        self.datagrams = line.datagrams
        self._line = line
        self._up = LossyLink(seed * 2 + 1, 0, 0, faults, line.datagrams)
        self._down = LossyLink(seed * 2 + 2, 0, 0, faults, line.datagrams)

    async def read(self) -> bytes:
        """Wait for bytes that survive."""
        while data := await self._line.read():
            survived = _through(self._up, data)
            if survived:
                return survived
        return b""

    async def write(self, data: bytes) -> None:
        """Send what survives."""
        survived = _through(self._down, data)
        if survived:
            await self._line.write(survived)

    def close(self) -> None:
        """Let go of the line."""
        self._line.close()


def _through(link: LossyLink, data: bytes) -> bytes:
    now = time.monotonic_ns() // 1_000_000
    link.send(data, now)
    return b"".join(link.receive(now))
