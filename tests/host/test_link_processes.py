"""Two real processes exchange an object: CPython is the hub, the MicroPython VM the board."""

import asyncio
import os
import secrets
import shutil
import sys
import tty
from hashlib import sha256
from pathlib import Path

import pytest

from paebiru.testing import SECRET, Faults
from paebiru.transport import Driver, FaultyTransport, Transport, tcp
from paebiru.transport.serial import SerialTransport
from sil.link import events as ev
from sil.link.keys import DeviceKey
from sil.link.offer import BytesSource, Offer
from sil.link.posts import Outbox
from sil.link.responder import Responder

ROOT = Path(__file__).parents[2]
BOARD = Path(__file__).with_name("link_board.py")
MICROPYTHON = shutil.which("micropython", path=str(Path(sys.executable).parent))
MIB = 1 << 20
PERIOD = 4096

pytestmark = pytest.mark.skipif(MICROPYTHON is None, reason="micropython is not installed")


def pattern(size: int) -> bytes:
    """Return the object that link_board.py sends."""
    block = bytearray((i * 7 + (i >> 4) * 13) & 0xFF for i in range(PERIOD))
    body = bytearray()
    for number in range(-(-size // PERIOD)):
        block[0] = number & 0xFF
        body += block
    return bytes(body[:size])


class Hub:
    """A hub that sends one object and takes one."""

    def __init__(self, transport: Transport, body: bytes) -> None:
        self.session = Responder(Outbox(secrets.randbelow(1 << 28) + 1))
        self.session.offer(Offer(2, len(body), sha256(body).digest()), BytesSource(body))
        self.driver = Driver(self.session, transport, self.act)
        self.key = DeviceKey(SECRET, 1)
        self.received = bytearray()
        self.text = bytearray()
        self.committed = False
        self.down = asyncio.Event()
        self.alarms = 0

    def act(self, event: int) -> None:
        s = self.session
        if event == ev.HELLO:
            assert s.challenge(self.key, secrets.token_bytes(16))
        elif event == ev.OFFER:
            s.accept(len(self.received))
        elif event == ev.DATA:
            self.received += s.incoming.window[s.start : s.end]
            s.consume(s.end - s.start)
        elif event == ev.COMPLETE:
            assert sha256(self.received).digest() == s.incoming.digest()
            s.commit()
        elif event == ev.COMMITTED:
            self.committed = True
        elif event == ev.TEXT:
            self.text += s.buf[s.start : s.end]
        elif event == ev.ALARM:
            self.alarms += 1
        elif event == ev.DOWN:
            self.down.set()


async def run(hub: Hub, board: asyncio.subprocess.Process) -> None:
    """Drive the hub until the board has left."""
    driving = asyncio.create_task(hub.driver.run())
    try:
        await asyncio.wait_for(board.wait(), 480)
    finally:
        if board.returncode is None:
            board.kill()
        driving.cancel()
        await asyncio.gather(driving, return_exceptions=True)


def judge(hub: Hub, size: int) -> None:
    assert bytes(hub.received) == pattern(size)
    assert hub.committed, "the board did not commit what the hub sent"
    assert hub.alarms == 0
    assert hub.session.malformed == 0


def start(*arguments: str, **pipes: int) -> "asyncio.Task[asyncio.subprocess.Process]":
    env = {**os.environ, "MICROPYPATH": f"{ROOT / 'shared'}:.frozen"}
    assert MICROPYTHON
    return asyncio.create_task(
        asyncio.create_subprocess_exec(MICROPYTHON, str(BOARD), *arguments, env=env, **pipes)
    )


FAULTS = Faults(byte_loss=0.0005, bit_error=1e-5, text=0.05)


def test_over_tcp_through_the_fault_injector() -> None:
    async def exchange() -> None:
        body = secrets.token_bytes(MIB)
        met: asyncio.Future[Hub] = asyncio.get_running_loop().create_future()

        async def accept(transport: tcp.TcpTransport) -> None:
            met.set_result(Hub(FaultyTransport(transport, FAULTS, seed=1), body))

        server = await tcp.serve("127.0.0.1", 0, accept)
        port = server.sockets[0].getsockname()[1]
        board = await start("tcp", str(port), str(MIB))
        hub = await asyncio.wait_for(met, 120)
        await run(hub, board)
        server.close()
        judge(hub, MIB)
        assert hub.session.outgoing.lost_frames > 0, "the injector did nothing"

    asyncio.run(exchange())


@pytest.mark.parametrize("faults", [Faults(), FAULTS], ids=["clean", "faulty"])
def test_over_a_pty_with_the_board_printing(faults: Faults) -> None:
    async def exchange() -> None:
        body = secrets.token_bytes(MIB)
        board_end, hub_end = os.openpty()
        tty.setraw(hub_end)
        board = await start("stdio", str(MIB), stdin=board_end, stdout=board_end)
        line = SerialTransport(os.ttyname(hub_end))
        hub = Hub(FaultyTransport(line, faults, seed=2), body)
        await run(hub, board)
        os.close(board_end)
        os.close(hub_end)
        judge(hub, MIB)
        if faults == Faults():
            assert b"free" in hub.text, "the board's prints did not reach the log"

    asyncio.run(exchange())
