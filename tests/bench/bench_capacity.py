"""How many boards one hub serves: the real `paebiru hub`, and clients that speak the real link.

The clients (light_clients.py) have a process and a core of their own; each proves its key and
posts 10 states a second in authenticated frames, in batches of 16 as the node does, or one by one.
More and more are connected until the hub does not keep up: its event loop answers a request to its
API later than 100 ms after it was sent (95th percentile), it takes the whole core, or it gets fewer
states than are due.  The last number before that is what it serves.
"""

import argparse
import http.client
import json
import os
import re
import socket
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import closing, suppress
from pathlib import Path

from light_clients import identity
from report import Row, changed, save, show

from paebiru.keys import KeyStore

HERE = Path(__file__).parent
PAEBIRU = str(Path(sys.executable).with_name("paebiru"))
RATE = 10  # states a second
MODES = {"16 a batch": 16, "one by one": 1}
CONNECTED = 1000
_LATE = 100.0  # ms
_FULL = 95.0  # % of a core
_SHORT = 0.97  # of the states due
_TICK = os.sysconf("SC_CLK_TCK")


def free_port() -> int:
    """Return a TCP port that nobody listens on."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


class Served:
    """A hub in a folder of its own, and the process with its clients."""

    def __init__(self, folder: Path, boards: int) -> None:
        with closing(KeyStore(folder / "keys.sqlite")) as keys:
            for number in range(boards):
                keys.enroll(*identity(number))
        self.api = free_port()
        port = free_port()
        self.hub = subprocess.Popen(
            [PAEBIRU, "hub", "--dir", str(folder), "--no-find", "--listen", f"127.0.0.1:{port}",
             "--api", f"127.0.0.1:{self.api}"],
            stdout=subprocess.DEVNULL,
        )  # fmt: skip
        self._clients = subprocess.Popen(
            [sys.executable, HERE / "light_clients.py", "127.0.0.1", str(port)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        self._wait()
        cores = sorted(os.sched_getaffinity(0))
        os.sched_setaffinity(self.hub.pid, cores[:1])
        os.sched_setaffinity(self._clients.pid, cores[1:] or cores)

    def _wait(self) -> None:
        end = time.monotonic() + 60
        while True:
            try:
                self.get("/v1/hub")
            except OSError:
                if time.monotonic() > end or self.hub.poll() is not None:
                    raise SystemExit("the hub did not start") from None
                time.sleep(0.1)
            else:
                return

    def close(self) -> None:
        """End both."""
        for process in (self._clients, self.hub):
            process.terminate()
            process.wait(30)

    def ask(self, *words: object) -> dict:
        """Have the clients do something."""
        self._clients.stdin.write(" ".join(map(str, words)) + "\n")
        self._clients.stdin.flush()
        line = self._clients.stdout.readline()
        if not line:
            raise SystemExit("the clients ended: see their message above")
        return json.loads(line)

    def get(self, path: str) -> bytes:
        """Ask the hub's API."""
        connection = http.client.HTTPConnection("127.0.0.1", self.api, timeout=60)
        with closing(connection):
            connection.request("GET", path)
            return connection.getresponse().read()

    def states(self) -> int:
        """Return how many states the hub has received."""
        found = re.search(rb"^paebiru_states_total (\S+)", self.get("/metrics"), re.MULTILINE)
        return int(float(found[1]))

    def settle(self, patience: float = 60) -> int:
        """Wait until the hub has all that was posted; return how many states that were."""
        end = time.monotonic() + patience
        while (told := self.ask("told"))["posted"] != self.states() and time.monotonic() < end:
            time.sleep(0.1)
        return told["posted"]

    def seconds(self) -> tuple[float, float]:
        """Return the CPU time of the hub and of the clients so far."""
        return _seconds(self.hub.pid), _seconds(self._clients.pid)

    def memory(self) -> float:
        """Return the hub's resident memory in MB."""
        status = Path(f"/proc/{self.hub.pid}/status").read_text()
        return int(re.search(r"VmRSS:\s+(\d+)", status)[1]) / 1024


def _seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICK


class Lag(threading.Thread):
    """Asks the hub for little, again and again, and keeps how long the answers took."""

    def __init__(self, served: Served) -> None:
        super().__init__(daemon=True)
        self._served = served
        self._is_over = threading.Event()
        self.found: list[float] = []

    def run(self) -> None:
        """Ask until told to stop."""
        while not self._is_over.wait(0.05):
            begun = time.monotonic()
            with suppress(OSError):  # a time-out: as late as it was
                self._served.get("/v1/rounds?limit=1")
            self.found.append(1000 * (time.monotonic() - begun))

    def stop(self) -> float:
        """Return the 95th percentile, ms."""
        self._is_over.set()
        self.join()
        return sorted(self.found)[int(0.95 * len(self.found))]


def measure(served: Served, mode: str, boards: int, seconds: float) -> Row:
    """Return what the hub does for so many boards."""
    served.ask("stream", 1, 0)
    served.ask("grow", boards)
    size = MODES.get(mode, 1)
    served.ask("stream", size, RATE if mode in MODES else 0)
    time.sleep(2 * size / RATE if mode in MODES else 2)  # every board has posted
    lag = Lag(served)
    lag.start()
    posted, states = served.ask("told"), served.states()
    before, begun = served.seconds(), time.monotonic()
    time.sleep(seconds)
    after, passed = served.seconds(), time.monotonic() - begun
    cpu, clients = (b - a for a, b in zip(before, after, strict=True))
    late = lag.stop()
    told, states = served.ask("told"), served.states() - states
    due = boards * RATE * passed if mode in MODES else 0
    return {
        "mode": mode, "boards": boards, "up": told["up"], "states_s": round(states / passed),
        "share": round(states / due, 3) if due else None,
        "lost": told["lost"] - posted["lost"],
        "cpu": round(100 * cpu / passed, 1), "cpu_us": round(1e6 * cpu / passed / boards),
        "clients_cpu": round(100 * clients / passed, 1), "lag_ms": round(late, 1),
        "rss_mb": round(served.memory(), 1),
        "load": round(os.getloadavg()[0], 1),
    }  # fmt: skip


def keeps_up(row: Row) -> bool:
    """Tell whether the hub has served all of them."""
    share = row["share"] is None or row["share"] >= _SHORT
    return share and row["lag_ms"] <= _LATE and row["cpu"] < _FULL and row["up"] == row["boards"]


def idle(seconds: float) -> list[Row]:
    """Return the hub's memory and work with boards that say nothing."""
    with (
        tempfile.TemporaryDirectory() as folder,
        closing(Served(Path(folder), CONNECTED)) as served,
    ):
        return [
            {**measure(served, "idle", boards, seconds), "share": None} for boards in (1, CONNECTED)
        ]


def rising(mode: str, seconds: float, first: int, most: int) -> list[Row]:
    """Return rows of more and more boards, the last one too many."""
    rows: list[Row] = []
    with tempfile.TemporaryDirectory() as folder, closing(Served(Path(folder), most)) as served:
        boards = first
        while not rows or (keeps_up(rows[-1]) and boards <= most):
            rows.append(measure(served, mode, boards, seconds))
            print(rows[-1], flush=True)
            boards = boards * 5 // 4 // 10 * 10
    return rows


def main() -> None:
    """Measure, print, write results/capacity.json."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--seconds", type=float, default=10, help="that a number of boards is watched"
    )
    parser.add_argument("--most", type=int, default=4000, help="boards")
    args = parser.parse_args()
    rows = idle(args.seconds)
    for mode, first in zip(MODES, (1000, 200), strict=True):
        rows += rising(mode, args.seconds, first, args.most)
    served = [
        {"mode": mode, **max((r for r in rows if r["mode"] == mode and keeps_up(r)),
                             key=lambda r: r["boards"])}
        for mode in MODES
    ]  # fmt: skip
    show("what the hub does; cpu in % of a core, cpu_us a board and second", rows)
    show(f"boards served at {RATE} states a second each", served)
    save("capacity", changed(parser, args), rows=served, steps=rows)


if __name__ == "__main__":
    main()
