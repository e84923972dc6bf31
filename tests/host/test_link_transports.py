"""Sessions over real sockets and queues: asyncio, UDP with its cookie, memory."""

import asyncio
import secrets
from hashlib import sha256

import pytest

from paebiru.testing import DEVICE, SECRET, Faults
from paebiru.transport import Driver, FaultyTransport, MemoryTransport, Transport, tcp, udp
from paebiru.transport.aes import aes
from sil.link import events as ev
from sil.link import frame as fr
from sil.link import messages as m
from sil.link.frame import FrameReader, FrameWriter
from sil.link.handshake import Identity
from sil.link.initiator import Initiator
from sil.link.keys import DeviceKey
from sil.link.offer import BytesSource, Offer
from sil.link.posts import Outbox
from sil.link.responder import Responder
from sil.link.session import Session


class End:
    """One end that takes what it is offered."""

    def __init__(self, session: Session, transport: Transport) -> None:
        self.session = session
        self.driver = Driver(session, transport, self.act)
        self.key = DeviceKey(SECRET, 1)
        self.received = bytearray()
        self.done = asyncio.Event()
        self.posts: list[bytes] = []

    def act(self, event: int) -> None:
        s = self.session
        if event == ev.CONNECT and isinstance(s, Initiator):
            s.connect(self.key, secrets.token_bytes(16))
        elif event == ev.HELLO and isinstance(s, Responder):
            s.challenge(self.key, secrets.token_bytes(16))
        elif event == ev.OFFER:
            s.accept(len(self.received))
        elif event == ev.DATA:
            self.received += s.incoming.window[s.start : s.end]
            s.consume(s.end - s.start)
        elif event == ev.COMPLETE:
            s.commit()
        elif event == ev.COMMITTED:
            self.done.set()
        elif event == ev.POST:
            self.posts.append(bytes(s.buf[s.start : s.end]))


def outbox() -> Outbox:
    return Outbox(secrets.randbelow(1 << 28) + 1)


def board(transport: Transport, in_order: bool = True) -> End:
    return End(Initiator(Identity(DEVICE, 1), outbox(), in_order=in_order, aes=aes), transport)


def hub(transport: Transport, in_order: bool = True) -> End:
    return End(Responder(outbox(), in_order=in_order, aes=aes), transport)


async def send_object(sender: End, receiver: End, size: int) -> None:
    """Send an object and a post, and see that both arrive."""
    body = secrets.token_bytes(size)
    sender.session.offer(Offer(1, size, sha256(body).digest()), BytesSource(body))
    sender.session.send(16, b"hello", 0, 5)
    runs = [asyncio.create_task(end.driver.run()) for end in (sender, receiver)]
    sender.driver.wake()
    try:
        await asyncio.wait_for(sender.done.wait(), 180)
        while not receiver.posts:
            await asyncio.sleep(0.01)
    finally:
        for run in runs:
            run.cancel()
        await asyncio.gather(*runs, return_exceptions=True)
    assert bytes(receiver.received) == body
    assert receiver.posts == [b"hello"]


def test_memory() -> None:
    async def run() -> None:
        one, two = MemoryTransport.pair()
        await send_object(board(one), hub(two), 100_000)

    asyncio.run(run())


def test_tcp() -> None:
    async def run() -> None:
        met: asyncio.Future[End] = asyncio.get_running_loop().create_future()

        async def accept(transport: tcp.TcpTransport) -> None:
            assert transport.address == "127.0.0.1"
            met.set_result(hub(transport))

        server = await tcp.serve("127.0.0.1", 0, accept)
        port = server.sockets[0].getsockname()[1]
        caller = board(await tcp.connect("127.0.0.1", port))
        await send_object(caller, await met, 300_000)
        server.close()

    asyncio.run(run())


def test_a_crowd_of_half_open_connections_keeps_nobody_out() -> None:
    async def run() -> None:
        limit = 3
        met: asyncio.Queue[tcp.TcpTransport] = asyncio.Queue()
        server = await tcp.serve("127.0.0.1", 0, met.put, limit)
        port = server.sockets[0].getsockname()[1]

        async def crowd(size: int) -> list[tuple[tcp.TcpTransport, tcp.TcpTransport]]:
            return [(await tcp.connect("127.0.0.1", port), await met.get()) for _ in range(size)]

        silent = await crowd(10)
        caller = board(await tcp.connect("127.0.0.1", port))
        line = await met.get()
        line.admit()  # as a hub does at the event UP
        silent += await crowd(limit)
        for ours, _ in silent[:-limit]:
            assert await asyncio.wait_for(ours.read(), 60) == b"", "it was to be closed"
        for _, theirs in silent[-limit:]:
            assert not theirs.is_closing()
        await send_object(caller, hub(line), 1000)
        for ours, theirs in silent:
            ours.close()
            theirs.close()
        server.close()

    asyncio.run(run())


@pytest.mark.parametrize(
    "faults", [Faults(), Faults(piece_loss=0.1, duplicate=0.1)], ids=["clean", "faulty"]
)
def test_udp(faults: Faults) -> None:
    async def run() -> None:
        ends: list[End] = []
        runs: list[asyncio.Task[None]] = []

        def start(end: End) -> None:
            ends.append(end)
            runs.append(asyncio.create_task(end.driver.run()))

        def accept(transport: udp.UdpTransport, address: udp.Address) -> None:
            start(hub(FaultyTransport(transport, faults, seed=4), in_order=False))

        server = await udp.serve("127.0.0.1", 0, accept)
        port = server.get_extra_info("sockname")[1]
        caller = board(await udp.connect("127.0.0.1", port), in_order=False)
        body = secrets.token_bytes(200_000)
        caller.session.offer(Offer(1, len(body), sha256(body).digest()), BytesSource(body))
        start(caller)
        await asyncio.wait_for(caller.done.wait(), 180)
        for run in runs:
            run.cancel()
        await asyncio.gather(*runs, return_exceptions=True)
        server.close()
        assert bytes(ends[-1].received) == body
        assert len(ends) == 2, "one caller with a cookie is one peer"

    asyncio.run(run())


def hello(cookie: bytes = bytes(m.COOKIE_SIZE)) -> bytes:
    """Return a HELLO frame that nobody signed."""
    writer = FrameWriter(0, False)
    at = fr.HEADER + m.HELLO_COOKIE
    writer.buf[at : at + m.COOKIE_SIZE] = cookie
    writer.seal(m.HELLO, m.HELLO_SIZE)
    out = bytearray(fr.MAX_ENCODED)
    return bytes(out[: writer.pull(out, 0, len(out))])


def cookie_in(datagram: bytes) -> bytes:
    reader = FrameReader()
    reader.feed(datagram, 0, len(datagram))
    assert reader.buf[1] == m.COOKIE
    return bytes(reader.buf[fr.HEADER : reader.end])


def test_a_stranger_costs_a_cookie_and_nothing_else() -> None:
    now = [1_000_000.0]
    cookies = udp.Cookies(now=lambda: now[0])
    here, there = ("192.0.2.1", 5), ("192.0.2.2", 5)
    answer = cookies.answer(hello(), here)
    assert answer and len(answer) < len(hello()), "an answer must not amplify"
    cookie = cookie_in(answer)
    assert cookies.answer(hello(cookie), here) == b""
    assert cookies.answer(hello(cookie), there) not in (b"", None), "another address's cookie"
    now[0] += 30
    assert cookies.answer(hello(cookie), here) == b"", "the slot before is good"
    now[0] += 30
    assert cookies.answer(hello(cookie), here) != b"", "an old cookie is not"
    for noise in (b"", b"hello", b"\xc0" * 9, hello()[:-9], hello() + hello()):
        assert cookies.answer(noise, here) is None or noise == hello() + hello()


def test_a_flood_of_addresses_makes_no_peers() -> None:
    accepted: list[udp.Address] = []
    server = udp.UdpServer(lambda transport, address: accepted.append(address))
    for number in range(4_000):
        server.datagram_received(hello(secrets.token_bytes(8)), (f"10.0.{number >> 8}.1", number))
    assert accepted == []
    assert server._peers == {}
