"""What real MicroPython boards send in some rounds: each byte, kept by a proxy on their way."""

import asyncio
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import light_boards
from hub_process import free_port
from overheard import Overheard, opener
from paebiru.coordinator import Coordinator
from paebiru.federated.rounds import Federation
from paebiru.keys import KeyStore
from paebiru.monitor_line import answer
from sil.link.keys import DeviceKey
from sil.protocol import Task
from test_node_vm import settings
from wine_lab import recording, world


class Models:
    """The models that a federation has had, to decode updates by."""

    def __init__(self, federation: Federation) -> None:
        self._federation = federation
        self._known: dict[bytes, bytes] = {}
        self._open = opener(federation.task.sizes, federation.first)
        self.note()

    def note(self) -> None:
        self._known[self._federation.name] = self._federation.master.base.tobytes()

    def decode(self, changes: bytes, name: bytes) -> bytes:
        return self._open(changes, self._known[name])


class Proxy:
    """Between boards and their hub: keeps what passes, in the order in which it does."""

    def __init__(self, port: int) -> None:
        self._port = port
        self.lines: list[list[tuple[bool, bytes]]] = []
        """By connection: whether the board has sent it, and what."""
        self.port = 0
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> "Proxy":
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection("127.0.0.1", self._port)
        line: list[tuple[bool, bytes]] = []
        self.lines.append(line)
        for is_up, source, sink in ((True, reader, back), (False, there, writer)):
            task = asyncio.create_task(self._pass(line, is_up, source, sink))
            self._tasks.add(task)

    async def _pass(
        self,
        line: list[tuple[bool, bytes]],
        is_up: bool,
        source: asyncio.StreamReader,
        sink: asyncio.StreamWriter,
    ) -> None:
        try:
            while data := await source.read(4096):
                line.append((is_up, data))
                sink.write(data)
                await sink.drain()
        except OSError:
            pass
        finally:
            sink.close()


class Captured:
    """What two boards of a federation have sent in its rounds, of which the first was killed."""

    def __init__(self, folder: Path, keys: KeyStore) -> None:
        w = world()
        self.federation = Federation(Task(w.sizes, w.split.signed, 500), seed=1)
        self.models = Models(self.federation)
        self.folder = folder
        self.keys = keys
        self.boards: list[light_boards.LightBoard] = []
        self.lines: list[list[tuple[bool, bytes]]] = []

    async def run(self, rounds: int, main: str) -> None:
        desk = Coordinator(self.keys.find, self.federation)
        port = free_port()
        hub = asyncio.create_task(answer(f"tcp://127.0.0.1:{port}", desk))
        try:
            async with Proxy(port) as proxy:
                self._start(proxy.port, main)
                self.lines = proxy.lines
                await _until(lambda: len(desk.devices) == len(self.boards), hub)
                for number in range(rounds):
                    desk.open()
                    if number == 1:
                        self.boards[0].kill()
                        self.boards[0].start()
                    await _until(lambda: len(self.federation.updates) == len(self.boards), hub)
                    desk.close()
                    self.models.note()
                await asyncio.sleep(1)
        finally:
            for board in self.boards:
                board.kill()
            hub.cancel()
            await asyncio.gather(hub, return_exceptions=True)

    def _start(self, port: int, main: str) -> None:
        links = {"links": ["tcp"], "link": {"tcp": {"host": "127.0.0.1", "port": port}}}
        given = {**settings(), "period_ms": 100, "batch": 4, "watchdog_ms": 0, **links}
        for number in range(2):
            files = {"wine.jsil": recording(number)}
            home = self.folder / f"board-{number}"
            board = light_boards.make(home, number, given, files, self.keys)
            text = (home / "main.py").read_text()
            before, run, after = text.rpartition("run(Port)")
            (home / "main.py").write_text(before + main + run + after)
            self.boards.append(board)
            board.start()

    def heard(self, number: int) -> Overheard:
        """Return what a board has sent."""
        device = self.boards[number].device
        heard = Overheard(DeviceKey(device * 4, 1), self.models.decode)
        for line in self.lines:
            if line and device in line[0][1]:  # the HELLO says who calls
                for is_up, data in line:
                    (heard.up if is_up else heard.down)(data)
                heard.hung_up()
        return heard


async def _until(done: Callable[[], bool], hub: asyncio.Task[None]) -> None:
    async with asyncio.timeout(300):
        while not done():
            if hub.done():
                hub.result()
            await asyncio.sleep(0.02)


def captured(folder: Path, rounds: int, main: str = "") -> Captured:
    """Hold rounds with boards that begin with `main`, and keep what they send."""
    with closing(KeyStore(folder / "keys.sqlite")) as keys:
        made = Captured(folder, keys)
        asyncio.run(made.run(rounds, main))
    return made
