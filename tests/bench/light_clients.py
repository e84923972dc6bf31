"""Boards as a hub sees them, by the hundred in one process: the link and posts, nothing behind.

Run by bench_capacity.py.  Each client has a key of its own, proves it, and posts states as the
node does; bodies are made by the node's own `Batches`, once.  Commands come in a line each, and are
answered with one: ``grow N`` has N clients up, ``stream N HZ`` has each post batches of N states,
HZ states a second (0: none), ``told`` says how many states were posted and lost.
"""

import asyncio
import json
import secrets
import sys

from paebiru import accel, datasets, recordings
from paebiru.transport import Driver, tcp
from paebiru_node.batches import Batches
from sil import jsil
from sil import protocol as p
from sil.link import events as ev
from sil.link.handshake import Identity
from sil.link.initiator import Initiator
from sil.link.keys import DeviceKey
from sil.link.posts import Outbox

_AT_ONCE = 64  # that call at the same time: fewer than a hub lets wait at its door
_STATES = 480


def identity(number: int) -> tuple[bytes, DeviceKey]:
    """Return id and key of client `number`."""
    device = b"cap%05d" % number
    return device, DeviceKey(device * 4, 1)


class Bodies:
    """Takes the place of an uplink: keeps the posts that the node would send."""

    def __init__(self, size: int, period: int) -> None:
        self.found: list[bytes] = []
        split = datasets.load("digits").split(0)
        states = jsil.unpack(recordings.record(split.train_x[:200], split.train_y[:200]))
        batches = Batches(size, period)
        for number, state in zip(range(_STATES), states, strict=False):
            batches.add(bytearray(state), number * period, self)

    def room(self) -> bool:
        """Tell that there is room."""
        return True

    def send(self, kind: int, body: bytearray, end: int) -> bool:
        """Keep a post."""
        assert kind == p.BATCH
        self.found.append(bytes(body[:end]))
        return True


class Client:
    """One board, as far as the line goes."""

    def __init__(self, number: int) -> None:
        device, self.key = identity(number)
        outbox = Outbox(secrets.randbelow((1 << 29) - 1) + 1)
        self.session = Initiator(Identity(device, 1), outbox)
        self.up = asyncio.Event()
        self.wake = lambda: None

    async def run(self, host: str, port: int) -> None:
        """Call, and stay until the line is gone."""
        driver = Driver(self.session, await tcp.connect(host, port), self._act)
        self.wake = driver.wake
        await driver.run()

    def _act(self, event: int) -> None:
        if event == ev.CONNECT:
            self.session.connect(self.key, secrets.token_bytes(16))
        elif event == ev.UP:
            self.up.set()
        elif event == ev.DOWN:
            self.up.clear()

    def post(self, body: bytes) -> bool:
        """Post a batch; False when there is no room."""
        done = self.session.is_up and self.session.send(p.BATCH, body, 0, len(body))
        self.wake()
        return done


class Crowd:
    """All clients of this process."""

    def __init__(self, host: str, port: int) -> None:
        self._address = host, port
        self._clients: list[Client] = []
        self._tasks: list[asyncio.Task] = []
        self._streaming: asyncio.Task | None = None
        self.posted = self.lost = 0

    async def grow(self, count: int) -> dict:
        """Have `count` clients up."""
        while len(self._clients) < count:
            first = len(self._clients)
            some = [Client(n) for n in range(first, min(first + _AT_ONCE, count))]
            self._tasks += [asyncio.create_task(one.run(*self._address)) for one in some]
            self._clients += some
            async with asyncio.timeout(120):
                await asyncio.gather(*(one.up.wait() for one in some))
        return self.told()

    async def stream(self, size: int, rate: int) -> dict:
        """Post from now on: each client `rate` states a second, `size` a batch."""
        if self._streaming:
            self._streaming.cancel()
            self._streaming = None
        if rate:
            bodies = Bodies(size, 1000 // rate).found
            self._streaming = asyncio.create_task(self._post(bodies, size, size / rate))
        return self.told()

    async def _post(self, bodies: list[bytes], size: int, interval: float) -> None:
        """Spread the clients' posts evenly over the interval, for ever."""
        loop = asyncio.get_running_loop()
        due, turn = loop.time(), 0
        while True:
            for one in self._clients:
                if one.post(bodies[turn // 7 % len(bodies)]):
                    self.posted += size
                else:
                    self.lost += size
                turn += 1
                due += interval / len(self._clients)
                if due > loop.time():
                    await asyncio.sleep(due - loop.time())
            await asyncio.sleep(0)

    def told(self) -> dict:
        """Return where all stand."""
        up = sum(one.session.is_up for one in self._clients)
        return {"up": up, "posted": self.posted, "lost": self.lost}


async def main() -> None:
    """Answer commands until the input ends."""
    accel.install()
    crowd = Crowd(sys.argv[1], int(sys.argv[2]))
    loop = asyncio.get_running_loop()
    while line := await loop.run_in_executor(None, sys.stdin.readline):
        word, *rest = line.split()
        numbers = [int(number) for number in rest]
        if word == "grow":
            answer = await crowd.grow(*numbers)
        elif word == "stream":
            answer = await crowd.stream(*numbers)
        else:
            answer = crowd.told()
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    asyncio.run(main())
