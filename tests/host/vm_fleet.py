"""Virtual boards with the real firmware, and a coordinator in this process that serves them."""

import asyncio
import shutil
from collections.abc import Awaitable, Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from paebiru import boards
from paebiru.coordinator import Coordinator
from paebiru.deploy import onto, settings
from paebiru.deploy.repl import Repl
from paebiru.device import Device
from paebiru.enrollment import enroll
from paebiru.keys import KeyStore
from paebiru.monitor_line import open_line
from paebiru.transport import Driver
from paebiru.vboard import VirtualBoard

HEAP = 512 * 1024


class Fleet:
    """Boards of one deployment, each with its own key, behind ptys or TCP ports."""

    def __init__(self, folder: Path, keys: KeyStore) -> None:
        self.folder = folder
        self.keys = keys
        self.boards: list[VirtualBoard] = []

    def names(self) -> list[bytes]:
        """Return the boards' ids as the link has them."""
        return [bytes.fromhex(board.id).ljust(8, b"\0") for board in self.boards]


@contextmanager
def fleet(
    folder: Path, given: dict[str, Any], recordings: list[dict[str, bytes]], over: str = "pty"
) -> Iterator[Fleet]:
    """Put up a board for each of `recordings`; the first is deployed to, the others are copies."""
    keys = KeyStore(folder / "keys.sqlite")
    made = Fleet(folder, keys)
    model = boards.load("vm")
    place = "127.0.0.1:0" if over == "tcp" else ""
    with ExitStack() as stack:
        stack.callback(keys.close)
        for number, files in enumerate(recordings):
            home = folder / f"board-{number}"
            if number:
                home.mkdir()
                shutil.copyfile(folder / "first.img", home / "flash.img")
            board = stack.enter_context(VirtualBoard(home, tcp=place, heap=HEAP))
            onto.deploy(board.port, model, settings.parse(given), files)
            with Repl(board.port) as repl:
                enroll(repl, keys)
                repl.reset()
            if not number:
                shutil.copyfile(home / "flash.img", folder / "first.img")
            made.boards.append(board)
        yield made


class Server:
    """Serves a fleet's boards for as long as the block lasts."""

    def __init__(self, desk: Coordinator, fleet: Fleet) -> None:
        self.desk = desk
        self.fleet = fleet
        self._tasks: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> "Server":
        for board in self.fleet.boards:
            self._tasks.append(asyncio.create_task(self._serve(board.port)))
        return self

    async def __aexit__(self, *_: object) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _serve(self, port: str) -> None:
        device = Device(self.desk, hide_etx=True)
        driver = Driver(device.session, await open_line(port), device.act)
        device.wake = driver.wake
        await driver.run()

    async def until(self, done: Callable[[], object], limit: float) -> None:
        """Wait until `done()`; TimeoutError after `limit` seconds."""
        async with asyncio.timeout(limit):
            while not done():
                for task in self._tasks:
                    if task.done():
                        task.result()
                await asyncio.sleep(0.01)


def run(main: Awaitable[None]) -> None:
    """Run a coroutine to its end."""

    async def _main() -> None:
        await main

    asyncio.run(_main())
