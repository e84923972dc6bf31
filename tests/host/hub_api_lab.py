"""A hub with its HTTP API in a thread, and whole boards in virtual time behind it."""

import asyncio
import http.client
import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

import wine_lab
from documented import Listening
from paebiru.federated import evaluate
from paebiru.federated.durable import Durable, begin, resume
from paebiru.federated.rounds import Federation
from paebiru.fusion.config import Config
from paebiru.hub.api import Api, served
from paebiru.hub.places import opened
from paebiru.hub.policy import Policy
from paebiru.hub.service import Hub
from paebiru.hub.tell import Telling
from paebiru.keys import KeyStore
from paebiru.sim.lab import Lab
from paebiru.store import Store
from sil.link.keys import DeviceKey
from sil.protocol import Task

BOARDS = wine_lab.BOARDS
T = TypeVar("T")


@cache
def the_loop() -> asyncio.AbstractEventLoop:
    """Return a loop in a thread, the same for all hubs: a coder's tables are its process's."""
    loop = asyncio.new_event_loop()
    threading.Thread(target=loop.run_forever, daemon=True).start()
    return loop


class Reply:
    """What the API answered."""

    def __init__(self, status: int, headers: http.client.HTTPMessage, data: bytes) -> None:
        self.status = status
        self.headers = headers
        self.data = data

    @property
    def json(self) -> Any:
        return json.loads(self.data)


class Caller:
    """Asks an API on this machine."""

    def __init__(self, port: int, **headers: str) -> None:
        self.port = port
        self._headers = headers

    def ask(
        self, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None
    ) -> Reply:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        sent = {**self._headers, **(headers or {})}
        data = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
        if data is not None:
            sent.setdefault("Content-Type", "application/json")
        try:
            connection.request(method, path, data, sent)
            response = connection.getresponse()
            return Reply(response.status, response.headers, response.read())
        finally:
            connection.close()

    def get(self, path: str, **headers: str) -> Reply:
        return self.ask("GET", path, None, headers)

    def post(self, path: str, body: Any = None, **headers: str) -> Reply:
        return self.ask("POST", path, {} if body is None else body, headers)


class ApiLab(Caller):
    """The hub, its boards and its loop; `do` calls something there."""

    def __init__(
        self, folder: Path, boards: int, api: Api, policy: Policy, places: Config | None,
        branch: int,
    ) -> None:  # fmt: skip
        super().__init__(0)
        self._folder, self._count, self._api, self._policy = folder, boards, api, policy
        self._places, self._branch = places, branch
        self.is_frozen = False  # no time passes for the boards
        self._ready = threading.Event()
        self._end = asyncio.Event()
        self._loop = the_loop()

    def start(self) -> None:
        self._life = asyncio.run_coroutine_threadsafe(self._main(), self._loop)
        self._life.add_done_callback(lambda life: self._ready.set())
        assert self._ready.wait(120)
        if self._life.done():
            self._life.result()

    def stop(self) -> None:
        self._loop.call_soon_threadsafe(self._end.set)
        self._life.result(120)
        self._heard.check()

    def do(self, act: Callable[[], T]) -> T:
        """Call `act` in the hub's thread."""

        async def call() -> T:
            return act()

        return asyncio.run_coroutine_threadsafe(call(), self._loop).result(120)

    def until(self, holds: Callable[[], Any], limit: float = 180) -> Any:
        """Wait until `holds` returns something true, called in the hub's thread; return it."""
        end = time.monotonic() + limit
        while not (found := self.do(holds)):
            assert time.monotonic() < end, "nothing came of it"
            time.sleep(0.02)
        return found

    def told(self, event: str) -> list[dict[str, Any]]:
        """Return the events of that name which are kept."""
        return self.do(lambda: [said for said in self.tell.newest if said["event"] == event])

    @contextmanager
    def quiet(self) -> Iterator[None]:
        """No round is open, and every board has the last one's model."""
        self.post("/v1/rounds/stop")
        try:
            self.until(
                lambda: (
                    not self.federation.is_open
                    and all(
                        device.status and device.status.model == self.federation.name
                        for device in self.hub.devices.values()
                    )
                )
            )
            yield
        finally:
            self.post("/v1/rounds/start")

    # -- in the thread

    async def _main(self) -> None:
        keys = KeyStore(self._folder / "keys.sqlite")
        given = {device: DeviceKey(device * 4, 1) for device in BOARDS}
        for device, key in given.items():
            keys.enroll(device, key)
        world = wine_lab.world()
        split = world.split
        store = Store(self._folder / "store")

        def measure(made: Federation) -> dict[str, float]:
            codes, test = made.master.codes(), split.test_x.view("uint8")
            right = evaluate.accuracy(world.sizes, codes, test, split.test_y, split.signed)
            return {"accuracy": round(right, 4)}

        def prepare(made: Durable) -> None:
            made.measure = measure
            made.settings = {"rule": "mean"}

        if store.history.all():
            self.federation = resume(store, self._branch, prepare)
        else:
            fresh = Federation(Task(world.sizes, split.signed, 500), seed=1)
            self.federation = begin(store, fresh, prepare)
        self.tell = Telling()
        self._heard = Listening(self.tell)
        self.hub = Hub(keys, self.federation, self._policy.check(), self.tell, measure)
        self.lab = Lab(self.hub)
        for number, device in enumerate(BOARDS[: self._count]):
            files = {"wine.jsil": wine_lab.recording(number)}
            self.lab.add(device, wine_lab.config(), files, given[device])
        folder = self._folder / "places"
        fused = opened(self._places, folder, self.tell, False) if self._places else nullcontext()
        with fused as self.hub.places:
            await self._serve()
        store.close()
        keys.close()

    async def _serve(self) -> None:
        async with served(self.hub, self._api) as self.port:
            tasks = [
                asyncio.create_task(made)
                for made in (self.hub.hold(), self.hub.watch(), self._time_passes())
            ]
            self._ready.set()
            await self._end.wait()
            self.tell("stopped", round=self.federation.number, model="", file="")
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _time_passes(self) -> None:
        while True:
            stands = self.is_frozen or not self.lab.boards
            if not stands:
                self.lab.run(20)  # little, so that requests are answered meanwhile
            await asyncio.sleep(0.005 if stands else 0)


@contextmanager
def running(
    folder: Path,
    boards: int = 2,
    api: Api = Api("127.0.0.1", 0),  # noqa: B008 - frozen
    policy: Policy = Policy(rounds=100_000, boards=2),  # noqa: B008 - frozen
    places: Config | None = None,
    branch: int = 0,
) -> Iterator[ApiLab]:
    """Run a hub with boards of the wine's federation; the third board is enrolled only.

    Its places hear what boards say, and fuse when they are asked.  In a folder that holds a
    federation, it goes on with that; its boards are as new.
    """
    lab = ApiLab(folder, boards, api, policy, places, branch)
    lab.start()
    try:
        yield lab
    finally:
        lab.stop()
