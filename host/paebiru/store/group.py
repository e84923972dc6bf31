"""Group commit: what comes while one sync is under way shares the next.

    group = Group(write)                    # write(items) -> an error or None for each, durable
    group.add(item, done)                   # done(None) once it is durable, or done(error)

`run` says where the writing happens: at once (`inline`, the default), or in a thread of its own
beside an event loop (`beside`).  Nothing is told before the write has returned.
"""

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Generic, TypeVar

from paebiru.store.errors import StoreError

Item = TypeVar("Item")
Told = Callable[[StoreError | None], None]
Job = Callable[[], Callable[[], None]]
"""Does the work, anywhere; what it returns is to be called where the hub lives."""
Run = Callable[[Job], None]


def inline(job: Job) -> None:
    """Do a job at once."""
    job()()


def beside(loop: asyncio.AbstractEventLoop) -> Run:
    """Return a `Run` that works in one thread and tells in the loop's."""
    executor = ThreadPoolExecutor(1, "paebiru-store")

    def run(job: Job) -> None:
        loop.run_in_executor(executor, job).add_done_callback(lambda work: work.result()())

    return run


class Group(Generic[Item]):
    """Items that wait to be written together."""

    def __init__(self, write: Callable[[list[Item]], list[StoreError | None]]) -> None:
        self.run: Run = inline
        self._write = write
        self._waiting: list[tuple[Item, Told]] = []
        self._told: list[tuple[Told, StoreError | None]] = []
        self._is_running = False
        self._guard = threading.Lock()  # of the two lists; never held while something is written
        self._writing = threading.Lock()

    def add(self, item: Item, done: Told) -> None:
        """Have an item written with the next batch."""
        with self._guard:
            self._waiting.append((item, done))
        if not self._is_running:
            self._start()

    def drain(self) -> None:
        """Write what waits, now, and tell of it; what a thread has at hand is done first."""
        self._work()()

    def _start(self) -> None:
        self._is_running = True
        self.run(self._work)

    def _work(self) -> Callable[[], None]:
        failure: Exception | None = None
        with self._writing:
            with self._guard:
                batch, self._waiting = self._waiting, []
            errors: list[StoreError | None] = []
            try:
                errors = self._write([item for item, _ in batch]) if batch else []
            except Exception as error:  # a fault of ours: boards are told no, then it is raised
                failure = error
                errors = [StoreError(f"an update could not be stored: {error!r}")] * len(batch)
            with self._guard:
                self._told += [(done, e) for (_, done), e in zip(batch, errors, strict=True)]
        return lambda: self._tell(failure)

    def _tell(self, failure: Exception | None) -> None:
        self._is_running = False
        with self._guard:
            told, self._told = self._told, []
        for done, error in told:
            done(error)
        with self._guard:
            waits = bool(self._waiting)
        if waits and not self._is_running:
            self._start()
        if failure:
            raise failure
