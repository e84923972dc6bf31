"""`paebiru hub` as a process: what it is started with, the events that it writes, how it ends."""

import json
import queue
import random
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from documented import assert_documented

PAEBIRU = str(Path(sys.executable).with_name("paebiru"))
PATIENCE = 180.0
"""Seconds for what comes at once on an idle machine, and must come on a slow and busy one."""


class HubProcess:
    """The command, and the events that it writes."""

    def __init__(self, folder: Path, *options: str, api: bool = False) -> None:
        command = [PAEBIRU, "hub", "--dir", str(folder), "--no-find", "--json", *options]
        if not api:
            command.append("--no-api")
        self.events: list[dict[str, Any]] = []
        self._queue: queue.Queue[dict[str, Any]] = queue.Queue()
        self.process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self._queue.put(json.loads(line))
        self._queue.put({"event": "end"})

    def until(
        self, done: Callable[[dict[str, Any]], bool], limit: float = PATIENCE
    ) -> dict[str, Any]:
        """Return the first event from now on for which `done` holds."""
        end = time.monotonic() + limit
        while True:
            try:
                said = self._queue.get(timeout=max(end - time.monotonic(), 0.01))
            except queue.Empty:
                newest = "\n".join(map(str, self.events[-20:]))
                raise AssertionError(f"it was not told within {limit} s, but\n{newest}") from None
            self.events.append(said)
            if said["event"] != "end":
                assert_documented(said)
            if done(said):
                return said
            if said["event"] == "end":
                assert self.process.stderr is not None
                raise AssertionError(f"the hub ended: {self.process.stderr.read()}")

    def event(self, name: str, limit: float = PATIENCE) -> dict[str, Any]:
        """Return the next event of that name."""
        return self.until(lambda said: said["event"] == name, limit)

    def stop(self) -> int:
        """Ask it to end, as Ctrl-C does; return its exit code."""
        self.process.send_signal(signal.SIGINT)
        return self.process.wait(PATIENCE)


@contextmanager
def hub(folder: Path, *options: str, api: bool = False) -> Iterator[HubProcess]:
    """Run a hub for as long as the block lasts."""
    running = HubProcess(folder, *options, api=api)
    try:
        yield running
    finally:
        if running.process.poll() is None:
            running.process.kill()
        running.process.wait()


def free_port() -> int:
    """Return a port of this machine that nobody listens on.

    It lies below those that the system gives to callers (from 32768 on).  A board that calls
    before its hub listens could be given the very port that it calls: it would reach itself, and
    the hub could not listen there any more.
    """
    while True:
        port = random.SystemRandom().randrange(20_000, 32_000)
        with socket.socket() as one, socket.socket(type=socket.SOCK_DGRAM) as other:
            try:
                one.bind(("127.0.0.1", port))
                other.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
