"""The hub's stream of events: whole, in order, and nobody's slowness is the hub's."""

import json
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from hub_api_lab import ApiLab, running
from paebiru.hub.api import Api
from paebiru.hub.api_events import Limits

QUICK = Api("127.0.0.1", 0, streams=Limits(clients=3, waiting=50, beat=0.3, patience=20))


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApiLab]:
    """Return a hub without boards: what is told is what the tests tell."""
    with running(tmp_path_factory.mktemp("hub"), 0, QUICK) as made:
        yield made


class Stream:
    """A reader of /v1/events over a plain socket."""

    def __init__(self, port: int, query: str = "") -> None:
        self.line = socket.create_connection(("127.0.0.1", port), timeout=60)
        # HTTP/1.0: the body comes without chunks, and ends with the connection.
        self.line.sendall(f"GET /v1/events{query} HTTP/1.0\r\nHost: localhost\r\n\r\n".encode())
        self._file = self.line.makefile("rb")
        self.head = b""
        while not self.head.endswith(b"\r\n\r\n"):
            self.head += self._file.read(1)

    def __iter__(self) -> Iterator[dict[str, Any]]:
        for line in self._file:
            yield json.loads(line)

    def next(self, event: str = "") -> dict[str, Any]:
        """Return the next event that is not a sign of life, or the next of that name."""
        return next(s for s in self if (s["event"] == event if event else s["event"] != "alive"))

    def close(self) -> None:
        self._file.close()
        self.line.close()


@contextmanager
def reading(lab: ApiLab, query: str = "") -> Iterator[Stream]:
    stream = Stream(lab.port, query)
    try:
        yield stream
    finally:
        stream.close()


def wait_for_none(lab: ApiLab) -> None:
    """Wait until earlier streams are noticed to be gone, by the next sign of life."""
    gone = lambda: not [act for act in lab.tell._listeners if "_Client" in repr(act)]  # noqa: E731
    lab.until(gone)


def test_events_come_as_they_are_told(lab: ApiLab) -> None:
    wait_for_none(lab)
    with reading(lab) as stream:
        assert b" 200 " in stream.head
        assert b"application/x-ndjson" in stream.head
        stream.next("alive")
        for number in range(5):
            lab.do(lambda n=number: lab.tell("text", device="00", text=f"ü {n}"))  # type: ignore[misc]
        heard = [stream.next() for _ in range(5)]
        assert [said["text"] for said in heard] == [f"ü {n}" for n in range(5)]
        assert heard == lab.do(lambda: list(lab.tell.newest)[-5:])
        last = stream.next("alive")
        assert last["id"] == heard[-1]["id"]


def test_a_reader_goes_on_where_it_was(lab: ApiLab) -> None:
    wait_for_none(lab)
    for number in range(4):
        lab.do(lambda n=number: lab.tell("text", device="00", text=str(n)))  # type: ignore[misc]
    known = lab.do(lambda: list(lab.tell.newest))
    with reading(lab, f"?since={known[-3]['id']}") as stream:
        assert [stream.next() for _ in range(2)] == known[-2:]
    with reading(lab, "?since=0") as stream:
        assert [stream.next() for _ in known] == known
    with reading(lab, "?since=5") as stream:
        gap = stream.next()
        assert (gap["event"], gap["after"]) == ("gap", 5)
        assert gap["id"] < known[0]["id"]
        assert stream.next() == known[0]


def test_ids_grow_from_one_start_to_the_next(lab: ApiLab) -> None:
    from paebiru.hub.tell import Telling

    before = lab.do(lambda: lab.tell.last)
    assert Telling().last > before


def test_a_slow_reader_is_told_that_it_is_dropped(lab: ApiLab) -> None:
    wait_for_none(lab)
    with reading(lab) as stream, reading(lab) as other:
        lines = 400  # of 50 KB: more than the two ends' buffers hold
        filler = "x" * 50_000
        for number in range(lines):
            lab.do(lambda n=number: lab.tell("text", device="00", text=f"{n} {filler}"))  # type: ignore[misc]
            other.next("text")
        heard = [said for said in stream if said["event"] != "alive"]
        assert heard[-1]["event"] == "dropped"
        assert "too slow" in heard[-1]["why"]
        numbers = [int(said["text"].split()[0]) for said in heard[:-1]]
        assert numbers == list(range(len(numbers))), "what came is without a hole"
        assert len(numbers) < lines
        assert heard[-1]["id"] == heard[-2]["id"]
        slow = other.next("slow")
        assert slow["address"] == "127.0.0.1"
    with reading(lab, f"?since={heard[-1]['id']}") as again:
        assert again.next()["text"].split()[0] == str(len(numbers))


def test_a_reader_that_takes_nothing_is_hung_up_on(tmp_path: Path) -> None:
    limits = Limits(waiting=1000, beat=0.3, patience=0.5)
    with running(tmp_path, 0, Api("127.0.0.1", 0, streams=limits)) as lab:
        with reading(lab) as stream:
            begun = time.monotonic()
            filler = "x" * 50_000
            while not lab.told("slow"):
                lab.do(lambda: lab.tell("text", device="00", text=filler))
                assert time.monotonic() - begun < 180
            with pytest.raises(OSError):
                for _ in range(100_000):
                    stream.line.sendall(b"x")
        assert lab.get("/v1/hub").status == 200


def test_only_so_many_read(lab: ApiLab) -> None:
    wait_for_none(lab)
    with reading(lab), reading(lab), reading(lab):
        reply = lab.get("/v1/events")
        assert reply.status == 503
        assert "too many" in reply.json["error"]
    wait_for_none(lab)
    with reading(lab) as stream:
        assert b" 200 " in stream.head


def test_the_end_of_the_hub_is_heard(tmp_path: Path) -> None:
    with running(tmp_path, 0) as lab:
        stream = Stream(lab.port)
        lab.stop()
        heard = list(stream)
        stream.close()
    assert heard[-1]["event"] == "stopped"
