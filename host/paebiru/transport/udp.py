"""UDP: one frame a datagram, and a door that remembers nobody who has not come twice."""

import asyncio
import hmac
import secrets
import time
from collections.abc import Callable
from hashlib import sha256
from typing import cast

from sil.link import messages as m
from sil.link.frame import FRAME, FROM_RESPONDER, HEADER, FrameReader, FrameWriter

Address = tuple[str, int]
_SLOT = 30  # s for which a cookie is baked; the one before is taken as well
_QUEUE = 256  # datagrams that wait for a slow reader; more are lost, as on any network


class UdpTransport:
    """The datagrams of one peer."""

    datagrams = True

    def __init__(self, send: Callable[[bytes], None], on_close: Callable[[], None]) -> None:
        self._send = send
        self._on_close = on_close
        self._arrived: asyncio.Queue[bytes] = asyncio.Queue(_QUEUE)

    def deliver(self, data: bytes) -> None:
        """Take in a datagram from the socket."""
        if not self._arrived.full():
            self._arrived.put_nowait(data)

    async def read(self) -> bytes:
        """Wait for a datagram."""
        return await self._arrived.get()

    async def write(self, data: bytes) -> None:
        """Send a datagram."""
        self._send(data)
        await asyncio.sleep(0)  # let answers in between

    def close(self) -> None:
        """Forget the peer."""
        self._on_close()
        self.deliver(b"")


class Cookies:
    """Proof that a caller receives at its address, without remembering the caller."""

    def __init__(self, secret: bytes | None = None, now: Callable[[], float] = time.time) -> None:
        self._secret = secret or secrets.token_bytes(32)
        self._now = now
        self._reader = FrameReader()
        self._writer = FrameWriter(FROM_RESPONDER, False)
        self._out = bytearray(256)

    def bake(self, address: Address, slots_ago: int = 0) -> bytes:
        """Return the cookie of an address."""
        slot = int(self._now() // _SLOT) - slots_ago
        said = f"{address[0]} {address[1]} {slot}".encode()
        return hmac.digest(self._secret, said, sha256)[: m.COOKIE_SIZE]

    def answer(self, datagram: bytes, address: Address) -> bytes | None:
        """Return ``b""`` for a HELLO with a good cookie, a COOKIE for one without, else None."""
        if self._reader.feed(datagram, 0, len(datagram)) != len(datagram):
            return None
        frame = self._reader
        size = HEADER + m.HELLO_SIZE
        if frame.found != FRAME or frame.buf[1] != m.HELLO or frame.end != size:
            return None
        at = HEADER + m.HELLO_COOKIE
        given = bytes(frame.buf[at : at + m.COOKIE_SIZE])
        if any(hmac.compare_digest(given, self.bake(address, ago)) for ago in (0, 1)):
            return b""
        self._writer.buf[HEADER : HEADER + m.COOKIE_SIZE] = self.bake(address)
        self._writer.seal(m.COOKIE, m.COOKIE_SIZE)
        end = self._writer.pull(self._out, 0, len(self._out))
        return bytes(self._out[:end])


class UdpServer(asyncio.DatagramProtocol):
    """The hub's socket: datagrams of known peers go to them, strangers must show a cookie."""

    def __init__(self, accept: Callable[[UdpTransport, Address], None], limit: int = 1024) -> None:
        self._accept = accept
        self._limit = limit
        self._cookies = Cookies()
        self._peers: dict[Address, UdpTransport] = {}
        self._socket: asyncio.DatagramTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the socket."""
        self._socket = cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, data: bytes, addr: Address) -> None:
        """Hand a datagram to its peer, or judge a stranger's."""
        peer = self._peers.get(addr)
        if peer:
            peer.deliver(data)
            return
        answer = self._cookies.answer(data, addr)
        if answer:
            self._send(answer, addr)
        elif answer == b"" and len(self._peers) < self._limit:
            peer = UdpTransport(lambda data: self._send(data, addr), lambda: self._forget(addr))
            self._peers[addr] = peer
            peer.deliver(data)
            self._accept(peer, addr)

    def _send(self, data: bytes, addr: Address) -> None:
        if self._socket:
            self._socket.sendto(data, addr)

    def _forget(self, addr: Address) -> None:
        self._peers.pop(addr, None)


class _Client(asyncio.DatagramProtocol):
    def __init__(self) -> None:
        self.peer: UdpTransport | None = None

    def datagram_received(self, data: bytes, addr: Address) -> None:
        if self.peer:
            self.peer.deliver(data)


async def serve(
    host: str, port: int, accept: Callable[[UdpTransport, Address], None]
) -> asyncio.DatagramTransport:
    """Call ``accept`` for each peer that has shown a cookie."""
    loop = asyncio.get_running_loop()
    transport, _ = await loop.create_datagram_endpoint(
        lambda: UdpServer(accept), local_addr=(host, port)
    )
    return transport


async def connect(host: str, port: int) -> UdpTransport:
    """Send to a hub by UDP."""
    loop = asyncio.get_running_loop()
    socket, client = await loop.create_datagram_endpoint(_Client, remote_addr=(host, port))
    client.peer = UdpTransport(socket.sendto, socket.close)
    return client.peer
