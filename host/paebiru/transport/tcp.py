"""TCP: the link's frames over a stream."""

import asyncio
import socket
from collections.abc import Awaitable, Callable

_CHUNK = 1 << 16


class TcpTransport:
    """One TCP connection."""

    datagrams = False

    def __init__(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        settled: "Callable[[TcpTransport], None]" = lambda transport: None,
    ) -> None:
        self._reader = reader
        self._writer = writer
        self._settled = settled  # told once the connection is no longer half-open
        # Frames are complete when written: waiting for more only delays acknowledgements.
        writer.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        # What lies in buffers cannot be overtaken by an acknowledgement.
        writer.transport.set_write_buffer_limits(high=_CHUNK)

    @property
    def address(self) -> str:
        """Return the peer's address, without its port."""
        return str(self._writer.get_extra_info("peername")[0])

    def is_closing(self) -> bool:
        """Tell whether this end has let go of the connection."""
        return self._writer.is_closing()

    def admit(self) -> None:
        """Say that the caller has proved itself: it no longer counts as half-open."""
        self._settled(self)

    async def read(self) -> bytes:
        """Wait for bytes; ``b""`` at the end of the connection."""
        try:
            return await self._reader.read(_CHUNK)
        except OSError:
            return b""

    async def write(self, data: bytes) -> None:
        """Send bytes."""
        try:
            self._writer.write(data)
            await self._writer.drain()
        except OSError:
            self._writer.close()  # the reader notices, and ends the session's loop

    def close(self) -> None:
        """Close the connection."""
        self._settled(self)
        self._writer.close()


async def connect(host: str, port: int) -> TcpTransport:
    """Open a connection."""
    return TcpTransport(*await asyncio.open_connection(host, port))


async def serve(
    host: str,
    port: int,
    accept: Callable[[TcpTransport], Awaitable[None]],
    half_open: int = 256,
) -> asyncio.Server:
    """Call ``accept`` for each connection that comes in; it calls `admit` once the session is up.

    At most ``half_open`` connections wait to be admitted.  One more closes the oldest of
    them: a board needs a second to prove itself, so a crowd that only holds the line
    cannot keep it out.
    """
    waiting: dict[TcpTransport, None] = {}  # in the order in which they came

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        transport = TcpTransport(reader, writer, lambda settled: waiting.pop(settled, None))
        waiting[transport] = None
        if len(waiting) > half_open:
            next(iter(waiting)).close()
        await accept(transport)

    return await asyncio.start_server(connected, host, port)
