"""How boards reach the hub: TCP, UDP, and whatever USB ports have a board behind them."""

import asyncio
from collections.abc import Callable

from paebiru.device import Device
from paebiru.errors import UsageError
from paebiru.hub.service import Hub
from paebiru.monitor_line import open_line
from paebiru.transport import Driver, Transport, tcp, udp
from paebiru.transport.serial import SerialTransport, discover

_SCAN = 2.0  # s between two looks for serial ports
_AGAIN = 5.0  # s until a port that could not be opened is tried again
_GRACE = 2.0  # s for lines to end by themselves


class Counted:
    """A transport whose bytes are counted for the board behind it."""

    def __init__(self, line: Transport, count: Callable[[int, int], None]) -> None:
        self.datagrams = line.datagrams
        self._line = line
        self._count = count

    async def read(self) -> bytes:
        """Wait for bytes."""
        data = await self._line.read()
        self._count(len(data), 0)
        return data

    async def write(self, data: bytes) -> None:
        """Send bytes."""
        self._count(0, len(data))
        await self._line.write(data)

    def close(self) -> None:
        """Let go of the line."""
        self._line.close()


class Lines:
    """Every line of a hub; `close` ends them all."""

    def __init__(self, hub: Hub) -> None:
        self.hub = hub
        self._servers: list[asyncio.Server] = []
        self._udp: asyncio.DatagramTransport | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._open: set[Transport] = set()
        self._ports: dict[str, asyncio.Task[None]] = {}

    # -- a board on a line

    async def serve(self, line: Transport, address: str, hide_etx: bool = False) -> None:
        """Serve whoever is at the other end until the line is gone."""
        device = Device(self.hub, hide_etx=hide_etx, in_order=not line.datagrams)
        device.address = address
        link = kind(line)
        pending = [0, 0]

        def count(up: int, down: int) -> None:
            pending[0] += up
            pending[1] += down
            if self.hub.count_bytes(device.name, link, *pending):
                pending[:] = [0, 0]

        driver = Driver(device.session, Counted(line, count), device.act)
        device.wake = driver.wake
        device.hang_up = line.close
        if isinstance(line, tcp.TcpTransport):
            device.admitted = line.admit
        self._open.add(line)
        try:
            await driver.run()
        finally:
            self._open.discard(line)
            device.gone()

    # -- where lines come from

    async def listen(self, host: str, port: int) -> int:
        """Listen on TCP and UDP; return the port."""
        server = await tcp.serve(host, port, self._connected)
        self._servers.append(server)
        port = int(server.sockets[0].getsockname()[1])
        loop = asyncio.get_running_loop()
        made = await loop.create_datagram_endpoint(
            lambda: udp.UdpServer(self._datagrams), local_addr=(host, port)
        )
        self._udp = made[0]
        return port

    async def _connected(self, line: tcp.TcpTransport) -> None:
        await asyncio.wait([self._start(self.serve(line, line.address))])

    def _datagrams(self, line: udp.UdpTransport, address: udp.Address) -> None:
        self._start(self.serve(line, address[0]))

    def _start(self, serving: "asyncio.Future[None] | object") -> asyncio.Task[None]:
        task: asyncio.Task[None] = asyncio.ensure_future(serving)  # type: ignore[arg-type]
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def watch(self, paths: list[str], finds: bool) -> None:
        """Serve the serial ports at `paths`, and what looks like a board if `finds`, for ever."""
        while True:
            there = set(paths) | ({port.path for port in discover()} if finds else set())
            for path in sorted(there):
                task = self._ports.get(path)
                if task is None or task.done():
                    self._ports[path] = self._start(self._port(path))
            await asyncio.sleep(_SCAN)

    async def _port(self, path: str) -> None:
        try:
            line = await open_line(path)
        except UsageError as error:
            self.hub.tell("port", path=path, problem=str(error))
            await asyncio.sleep(_AGAIN)
            return
        await self.serve(line, path, hide_etx=True)
        await asyncio.sleep(_SCAN)

    async def close(self) -> None:
        """Hang up everywhere."""
        for server in self._servers:
            server.close()
        if self._udp is not None:
            self._udp.close()
        for line in list(self._open):
            line.close()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=_GRACE)
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


def kind(line: Transport) -> str:
    """Return what kind of line it is, as the ledger says it."""
    if isinstance(line, SerialTransport):
        return "serial"
    if isinstance(line, tcp.TcpTransport):
        return "tcp"
    return "udp" if line.datagrams else "memory"
