"""What a transport is, and the loop that drives a session over one."""

import asyncio
import time
from collections.abc import Callable
from typing import Protocol

from sil.compat import ticks_add
from sil.link.frame import MAX_ENCODED
from sil.link.session import Session


class Transport(Protocol):
    """Bytes in both directions; ``read`` gives ``b""`` when the line is gone."""

    datagrams: bool

    async def read(self) -> bytes:
        """Wait for bytes (one datagram)."""

    async def write(self, data: bytes) -> None:
        """Send bytes (one datagram), waiting while the line is full."""

    def close(self) -> None:
        """Let go of the line."""


def ticks() -> int:
    """Return the monotonic clock as 29-bit milliseconds."""
    return ticks_add(0, time.monotonic_ns() // 1_000_000)


class Driver:
    """Runs one session over one transport until the line is gone.

    ``on_event(event)`` acts on the session's events (`sil.link.events`), at once and
    without waiting.  After calling `send`, `offer` and the like from outside, call
    `wake`.
    """

    def __init__(
        self, session: Session, transport: Transport, on_event: Callable[[int], None]
    ) -> None:
        self.session = session
        self.transport = transport
        self._on_event = on_event
        self._wake = asyncio.Event()
        self._is_gone = False

    def wake(self) -> None:
        """Have the session's output looked at now."""
        self._wake.set()

    async def run(self) -> None:
        """Drive the session until the transport ends."""
        reading = asyncio.create_task(self._read())
        out = bytearray(MAX_ENCODED)
        try:
            while not self._is_gone:
                wait = self.session.tick(ticks())
                self._drain()
                if not await self._write(out):  # what was written has started timers
                    await self._sleep(wait)
        finally:
            reading.cancel()
            self.transport.close()

    async def _read(self) -> None:
        while data := await self.transport.read():
            self._feed(data)
            self._wake.set()
        self._is_gone = True
        self._wake.set()

    def _feed(self, data: bytes) -> None:
        self.session.tick(ticks())
        self._drain()
        at = 0
        while at < len(data):
            at = self.session.feed(data, at, len(data))
            self._drain()

    def _drain(self) -> None:
        while event := self.session.next_event():
            self._on_event(event)

    async def _write(self, out: bytearray) -> bool:
        has_written = False
        while size := self.session.pull(out, len(out)):
            has_written = True
            await self.transport.write(bytes(out[:size]))
        self._drain()
        return has_written

    async def _sleep(self, wait: int) -> None:
        # Not `asyncio.wait_for`: until Python 3.12 it can swallow a cancellation.
        alarm = asyncio.get_running_loop().call_later(max(wait, 1) / 1000, self._wake.set)
        await self._wake.wait()
        alarm.cancel()
        self._wake.clear()
