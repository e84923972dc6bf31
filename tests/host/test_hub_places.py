"""Layer 5 taught on a running hub, and layer 6 that follows it: labels, rounds, what survives."""

import asyncio
import json
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pytest

import light_boards
from hub_api_lab import Caller
from hub_process import HubProcess, free_port
from paebiru import accel, boards
from paebiru.deploy import onto
from paebiru.deploy.copy import copy
from paebiru.deploy.repl import Repl
from paebiru.deploy.settings import device, parse
from paebiru.enrollment import enroll
from paebiru.errors import UsageError
from paebiru.fusion.config import Config
from paebiru.hub import teach
from paebiru.keys import KeyStore
from paebiru.store.group import Job
from paebiru.vboard import VirtualBoard
from places_lab import CLASSES, FAULT, REST, WORK, Bench, bench, byte_of, config
from sil import bytesil, jsil
from sil.jsil_head import ROTATE
from targets import ROOT


@pytest.fixture(scope="module", autouse=True)
def compiled() -> Iterator[None]:
    accel.install("numba")
    yield
    accel.install("plain")


# -- labels and rounds, in this process


def test_labels_of_two_places_teach_both(tmp_path: Path) -> None:
    async def main() -> None:
        with bench(tmp_path, config(every=60)) as made:
            teaching = made.places.teaching
            assert teaching
            running = asyncio.create_task(teaching.run())
            await made.teach(30)
            assert not made.told("learned")
            await made.teach(30, "yard")
            await made.until_learned()
            learned = made.told("learned")
            assert [said["round"] for said in learned] == list(range(1, 9))
            assert [said["left"] for said in learned] == list(range(7, -1, -1))
            assert {(said["places"], said["labels"]) for said in learned} == {(2, 60)}
            assert learned[-1]["model"] == teaching.model.hex()
            assert learned[-1]["accuracy"] > 0.95 > learned[0]["accuracy"]
            assert made.right(30) > 0.95
            assert made.right(30, "yard") > 0.95
            assert not teaching.labels.tried("bench"), "no label came to a model"
            await made.teach(12)
            assert sum(teaching.labels.tried("bench")) >= 11
            assert len(made.told("label")) == 72
            assert made.places.fusion.participants["bench"].count == 42
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)

    asyncio.run(main())


def test_the_hub_goes_on_while_places_learn(tmp_path: Path) -> None:
    """Labels that come meanwhile are kept, and learned from the next time."""

    async def main() -> None:
        with bench(tmp_path, config(every=30, rounds=4, epochs=60, hidden=[64])) as made:
            teaching = made.places.teaching
            assert teaching
            running = asyncio.create_task(teaching.run())
            await made.teach(30)
            turns = worst = 0
            while len(made.told("learned")) < 4:
                begun = time.perf_counter()
                await asyncio.sleep(0.001)
                worst = max(worst, time.perf_counter() - begun)
                turns += 1
                if turns == 1:
                    await made.teach(3)
                    assert teaching.left
            took = sum(said["ms"] for said in made.told("learned"))
            print(f"{turns} turns in {took:.0f} ms of rounds, the longest {1000 * worst:.1f} ms")
            assert turns > 50
            assert made.places.fusion.participants["bench"].count == 33
            assert teaching.new == 3
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)

    asyncio.run(main())


def test_what_was_learned_and_what_is_left_survives(tmp_path: Path) -> None:
    async def first() -> tuple[Any, ...]:
        with bench(tmp_path) as made:
            teaching = made.places.teaching
            assert teaching
            running = asyncio.create_task(teaching.run())
            await made.teach(32)
            while len(made.told("learned")) < 3:
                await asyncio.sleep(0.001)
            running.cancel()  # rounds are left; the one at hand is ended by its thread
            await asyncio.gather(running, return_exceptions=True)
        return teaching.left, made.places.fusion.participants["bench"].samples

    async def second(left: int, samples: Any) -> None:
        with bench(tmp_path, goes_on=True) as made:
            teaching = made.places.teaching
            assert teaching
            assert teaching.left in (left, left - 1)
            assert teaching.round == 8 - teaching.left >= 3
            assert made.places.fusion.participants["bench"].samples == samples
            assert (teaching.labels.last, teaching.new) == (32, 2)
            assert made.places.fusion.snapshot()["model"]
            running = asyncio.create_task(teaching.run())
            await made.until_learned()
            assert teaching.round == 8
            assert made.right(30) > 0.8
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)

    asyncio.run(second(*asyncio.run(first())))


def test_what_cannot_go_on_is_told(tmp_path: Path) -> None:
    async def begin() -> None:
        with bench(tmp_path, config(every=3, rounds=1)) as made:
            await made.learn(3)

    async def again(**changes: Any) -> str:
        goes_on = changes.pop("goes_on", True)
        with pytest.raises(UsageError) as caught, bench(tmp_path, config(**changes), goes_on):
            pass
        assert "\n" not in str(caught.value)
        return str(caught.value)

    asyncio.run(begin())
    assert "30-8-3 network for layer 5" in asyncio.run(again(hidden=[9]))
    renamed = asyncio.run(again(classes=["rest", "work", "idle"]))
    assert "labels whose class 'fault' is none of rest, work, idle" in renamed
    assert "in this order" in asyncio.run(again(classes=CLASSES[::-1]))
    assert "--resume" in asyncio.run(again(goes_on=False))
    with sqlite3.connect(tmp_path / "hub.sqlite") as db:
        db.execute("UPDATE samples SET found = 'rest' WHERE id = 2")
    assert "a row of samples, id 2" in asyncio.run(again())


def test_a_label_that_cannot_be_kept_is_not_learned_and_may_come_again(tmp_path: Path) -> None:
    async def main() -> None:
        with bench(tmp_path) as made:
            teaching = made.places.teaching
            assert teaching
            tick = made.feel("work")
            with sqlite3.connect(tmp_path / "hub.sqlite") as db:
                db.execute("CREATE TRIGGER full BEFORE INSERT ON samples"
                           " BEGIN SELECT RAISE(ABORT, 'full'); END")  # fmt: skip
            made.places.fusion.label("bench", "work", tick, made.now)
            assert "problem" in made.told("label")[-1]
            assert not made.places.fusion.participants["bench"].count
            assert (teaching.labels.last, teaching.new) == (0, 0)
            with sqlite3.connect(tmp_path / "hub.sqlite") as db:
                db.execute("DROP TRIGGER full")
            made.places.fusion.label("bench", "work", tick, made.now)
            await teaching.labels.kept("bench", tick)
            assert "problem" not in made.told("label")[-1]
            assert made.places.fusion.participants["bench"].count == 1
            assert (teaching.labels.last, teaching.new) == (1, 1)

    asyncio.run(main())


def test_a_correction_that_cannot_be_kept_leaves_the_label(tmp_path: Path) -> None:
    async def main() -> None:
        with bench(tmp_path) as made:
            teaching = made.places.teaching
            assert teaching
            place = made.places.fusion.participants["bench"]
            await made.teach(1)
            tick = made.feel("work")
            made.places.fusion.label("bench", "fault", tick, made.now)
            with sqlite3.connect(tmp_path / "hub.sqlite") as db:
                db.execute("CREATE TRIGGER full BEFORE INSERT ON samples"
                           " BEGIN SELECT RAISE(ABORT, 'full'); END")  # fmt: skip
            made.places.fusion.label("bench", "rest", tick, made.now)
            assert "problem" in made.told("label")[-1]
            assert [found for _, found in place.samples] == [0, 2]
            with sqlite3.connect(tmp_path / "hub.sqlite") as db:
                assert db.execute("SELECT found FROM samples").fetchall() == [("rest",), ("fault",)]
                db.execute("DROP TRIGGER full")
            made.places.fusion.label("bench", "work", tick, made.now)
            assert [found for _, found in place.samples] == [0, 1]
            assert teaching.labels.last == 3
            with sqlite3.connect(tmp_path / "hub.sqlite") as db:
                found = db.execute("SELECT id, found FROM samples").fetchall()
            assert found == [(1, "rest"), (3, "work")]

    asyncio.run(main())


def test_a_label_is_corrected(tmp_path: Path) -> None:
    """Also while the one before is being written, and while places learn; in the store as well."""

    async def main() -> Any:
        with bench(tmp_path, config(every=6, rounds=3, epochs=50)) as made:
            teaching = made.places.teaching
            assert teaching
            running = asyncio.create_task(teaching.run())
            await made.teach(5)
            ticks = [made.feel(found) for found in CLASSES]
            for found in ("fault", "rest", "fault"):  # the first of them begins the rounds
                made.places.fusion.label("bench", found, ticks[0], made.now)
            await teaching.labels.kept("bench", ticks[0])
            while not teaching.left:
                await asyncio.sleep(0.001)
            made.places.fusion.label("bench", "work", ticks[0], made.now)
            made.places.fusion.label("bench", "work", ticks[1], made.now)
            await made.until_learned()
            await teaching.labels.kept("bench", ticks[1])
            samples = made.places.fusion.participants["bench"].samples
            assert (len(samples), teaching.labels.last) == (7, 10), "corrections count as labels"
            assert [found for _, found in samples[5:]] == [1, 1]
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)
            return samples

    async def again() -> Any:
        with bench(tmp_path, config(every=6), goes_on=True) as made:
            return made.places.fusion.participants["bench"].samples

    assert asyncio.run(main()) == asyncio.run(again())


@pytest.mark.parametrize("capacity", [1, 2, 7, 40])
def test_corrected_labels_are_learned_in_the_same_order_after_a_start(
    tmp_path: Path, capacity: int
) -> None:
    """Which ones are kept, in what order, and what is told of the model; written in any batches."""
    random = Random(capacity)
    few = config(capacity, every=6, rounds=1)

    def stands(made: Bench) -> tuple[Any, ...]:
        assert made.places.teaching
        labels = made.places.teaching.labels
        samples = made.places.fusion.participants["bench"].samples
        return samples, labels.tried("bench"), labels.last

    async def begin() -> None:
        with bench(tmp_path, few) as made:
            await made.learn(6)

    async def label(before: tuple[Any, ...] | None) -> tuple[Any, ...]:
        with bench(tmp_path, few, goes_on=True) as made:
            assert made.places.teaching
            assert before in (None, stands(made))
            jobs: list[Job] = []
            made.places.teaching.labels.keeping.run = jobs.append
            ticks: list[int] = []
            for _ in range(60):
                if not ticks or random.random() < 0.5:
                    ticks.append(made.feel(random.choice(CLASSES)))
                found, tick = random.choice(CLASSES), random.choice(ticks)
                made.places.fusion.label("bench", found, tick, made.now)
                while jobs and random.random() < 0.4:
                    jobs.pop()()()
            while jobs:
                jobs.pop()()()
            samples, tried, last = stands(made)
            assert len(samples) == capacity or 6 < len(samples) < capacity == 40
            assert len(tried) <= len(samples), "a correction counts once"
            assert not [said for said in made.told("label") if "problem" in said]
            return samples, tried, last

    asyncio.run(begin())
    stood = None
    for _ in range(3):
        stood = asyncio.run(label(stood))
    assert stood and stood[1]


def test_what_is_corrected_after_many_newer_labels_is_kept(tmp_path: Path) -> None:
    few = config(3)

    async def main() -> Any:
        with bench(tmp_path, few) as made:
            tick = made.feel("work")
            made.places.fusion.label("bench", "rest", tick, made.now)
            await made.teach(5)
            made.places.fusion.label("bench", "work", tick, made.now)
            assert "problem" not in made.told("label")[-1]
            return made.places.fusion.participants["bench"].samples

    async def again() -> Any:
        with bench(tmp_path, few, goes_on=True) as made:
            return made.places.fusion.participants["bench"].samples

    samples = asyncio.run(main())
    assert [found for _, found in samples] == [0, 1, 1]  # the last two of five, and it
    assert asyncio.run(again()) == samples


def test_a_round_that_cannot_be_stored_is_held_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(teach, "_AGAIN", 0.05)

    async def main() -> None:
        with bench(tmp_path, config(every=6, rounds=2)) as made:
            teaching = made.places.teaching
            assert teaching
            for table in ("updates", "rounds"):
                with sqlite3.connect(tmp_path / "hub.sqlite") as db:
                    db.execute(f"CREATE TRIGGER full BEFORE INSERT ON {table}"
                               " BEGIN SELECT RAISE(ABORT, 'full'); END")  # fmt: skip
                warned = len(made.told("warning"))
                running = asyncio.create_task(teaching.run())
                await made.teach(6)
                async with asyncio.timeout(180):
                    while len(made.told("warning")) < warned + 3:
                        await asyncio.sleep(0.01)
                assert teaching.left == 2
                before = made.told("learned")
                with sqlite3.connect(tmp_path / "hub.sqlite") as db:
                    db.execute("DROP TRIGGER full")
                await made.until_learned()
                assert len(made.told("learned")) == len(before) + 2
                running.cancel()
                await asyncio.gather(running, return_exceptions=True)

    asyncio.run(main())


def test_a_model_that_cannot_be_run_is_not_taken(tmp_path: Path) -> None:
    """Weights outgrow 30 bits when all changes of a round are as large as can be."""
    wide = config(every=6, rounds=1, hidden=[128])

    async def main() -> bytes:
        with bench(tmp_path, wide) as made:
            teaching = made.places.teaching
            assert teaching
            running = asyncio.create_task(teaching.run())
            await made.teach(6)
            await made.until_learned()
            model, right = teaching.model, teaching.accuracy
            federation = teaching._federation
            mean = federation.combine
            federation.combine = lambda *of: np.full_like(mean(*of), 1 << 20)
            await made.teach(6)
            await made.until_learned()
            assert teaching.round == 2
            (warning,) = made.told("warning")
            assert "layer 5: round 2 came to nothing: unit" in warning["text"]
            assert "too large to sum in 30 bits" in warning["text"]
            assert len(made.told("learned")) == 1
            assert (teaching.model, right is None) == (model, False)
            assert made.places.fusion.snapshot()["model"]
            federation.combine = mean
            await made.teach(6)
            await made.until_learned()
            assert [said["round"] for said in made.told("learned")] == [1, 3]
            assert teaching.model != model
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)
            return teaching.model

    async def again() -> bytes:
        with bench(tmp_path, wide, goes_on=True) as made:
            assert made.places.teaching
            return made.places.teaching.model

    assert asyncio.run(main()) == asyncio.run(again())


def test_places_without_labels_are_not_taught(tmp_path: Path) -> None:
    """All places have other names than those whose labels are kept."""

    async def main() -> None:
        with bench(tmp_path, config(every=6)) as made:
            await made.teach(6)
        renamed = config(every=6).model_dump(by_alias=True)
        renamed["places"] = {
            f"new-{name}": {**form, "boards": [board.hex() for board in form["boards"]]}
            for name, form in renamed["places"].items()
        }
        with bench(tmp_path, Config.model_validate(renamed), goes_on=True) as made:
            teaching = made.places.teaching
            assert teaching
            assert teaching.new == 6
            running = asyncio.create_task(teaching.run())
            await asyncio.sleep(0.2)
            assert not made.told("learned") and not made.told("warning")
            await made.teach(3, "new-yard")
            await made.until_learned()
            assert made.told("learned")[-1]["places"] == 1
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)

    asyncio.run(main())


def test_the_oldest_labels_give_way(tmp_path: Path) -> None:
    async def main() -> None:
        with bench(tmp_path) as made:
            await made.teach(210)
            samples = made.places.fusion.participants["bench"].samples
            assert made.places.teaching
            held = made.places.teaching._store.db
            assert held.rows("SELECT count(*) FROM past_samples")[0][0] <= 1, "no round is open"
        with bench(tmp_path, goes_on=True) as made:
            assert made.places.teaching
            assert made.places.teaching.labels.last == 210
            assert made.places.fusion.participants["bench"].samples == samples
            assert len(samples) == 200

    asyncio.run(main())


# -- killed


def test_what_was_said_to_be_kept_survives_kills(tmp_path: Path) -> None:
    """SIGKILL at seeded moments of labels and rounds: what was told is there, and nothing twice."""
    random = Random(3)
    kept = rounds = 0
    for _ in range(4):
        command = [sys.executable, str(ROOT / "tests" / "host" / "places_lab.py"), str(tmp_path)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout
            begun = json.loads(process.stdout.readline())
            assert begun["labels"] in (kept, kept + 1), "the last one may not have been told"
            assert begun["round"] in (rounds, rounds + 1)
            kept, rounds = begun["labels"], begun["round"]
            stop, more = rounds + random.randrange(1, 4), random.randrange(12)
            for line in process.stdout:
                said = json.loads(line)
                kept += said["event"] == "label"
                rounds = said["round"] if said["event"] == "learned" else rounds
                more -= rounds >= stop
                if more < 0 and process.poll() is None:
                    process.kill()
    print(f"{kept} labels, {rounds} rounds")
    assert rounds >= 4
    assert kept > 10


# -- the command, with boards that are real MicroPython VMs

EACH = 16  # states of each class that are labelled: all of them are learned, and soon
LAMP = 4  # the pin of the virtual board's pulsed output
DUTY = {REST: 0, WORK: 127 * 257, FAULT: 255 * 257}  # what `acts` below asks for
PLACES = """
[electronic]
classes = ["rest", "work", "fault"]
hidden = [8]
every = {every}
rounds = 10
epochs = 8

[places.bench]
boards = ["{eye}", "{hand}"]
period_ms = 100
horizon_ms = 600
hold_ms = 1000

[places.bench.acts]
classes = {{ work = {{ rho = -1 }}, fault = {{ rho = 0 }} }}
"""


def recording(layer: int, phases: tuple[str, ...], states: int) -> bytes:
    """Return the states of a board, so many of each phase, as it perceives them.

    Boards do not read in step, nor each of their states anew.  So the eye's phases are so much
    longer than the hand's that each time of work has faults in it, whatever falls together.
    """
    rows = []
    for found in phases:
        for spin in range(states):
            raw = bytearray(16)
            raw[layer] = byte_of(layer, found, spin)
            rows.append(bytes(raw))
    return jsil.pack(rows, mode=ROTATE, group=8)


def settings(name: str, layer: int, port: int) -> dict[str, Any]:
    return {
        "name": name, "links": ["tcp"], "link": {"tcp": {"host": "127.0.0.1", "port": port}},
        "watchdog_ms": 0, "period_ms": 100, "batch": 1,
        "sensors": [{"driver": "replay", "layer": layer, "file": f"{name}.jsil", "period": 100}],
    }  # fmt: skip


def truth(state: str) -> str | None:
    """Return the class of a fused state: what both boards' bytes of then say together."""
    raw = bytes.fromhex(state)
    if not (raw[0] and raw[4]):
        return None
    if bytesil.rho(raw[0]) < 0:
        return REST
    return FAULT if bytesil.phase(raw[4]) >= 8 else WORK


class PlaceOfBoards:
    """An eye and a hand at a place; the hand has a lamp that layer 6 moves."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        self._folder = folder
        self._stack = stack
        self.port, self.api = free_port(), free_port()
        self.hand = stack.enter_context(VirtualBoard(folder / "hand", heap=512 * 1024))
        self.caller = Caller(self.api)
        names = {"eye": b"light000".hex(), "hand": self.hand.id}
        (folder / "places.toml").write_text(PLACES.format(every=EACH * len(CLASSES), **names))

    def hub(self, *options: str) -> HubProcess:
        """Start the hub."""
        running = HubProcess(
            self._folder / "hub", "--listen", f"127.0.0.1:{self.port}", "--api",
            f"127.0.0.1:{self.api}", "--places", str(self._folder / "places.toml"), *options,
            api=True,
        )  # fmt: skip
        self._stack.callback(running.process.wait)
        self._stack.callback(running.process.kill)
        return running

    def start(self) -> None:
        """Give the boards their firmware and keys, and start them."""
        board = boards.load("vm")
        with closing(KeyStore(self._folder / "hub" / "keys.sqlite")) as keys:
            files = {
                "eye.jsil": recording(0, (REST, WORK, WORK), 15),
                "hand.jsil": recording(4, (WORK, FAULT), 6),
            }
            given = {**settings("hand", 4, self.port), "outputs": {"6": "lamp"}}
            bundle = onto.prepare(board, parse(given), files)
            of_eye = device(board, parse(settings("eye", 0, self.port)))
            eye = light_boards.put(self._folder / "eye", 0, bundle.configured(of_eye), keys)
            self._stack.callback(eye.kill)
            eye.start()
            copy(self.hand.port, bundle)
            with Repl(self.hand.port) as repl:
                enroll(repl, keys)
                repl.reset()

    def label(self, running: HubProcess) -> None:
        """Say what fused states were, `EACH` of each class."""
        left = dict.fromkeys(CLASSES, EACH)
        while any(left.values()):
            fused = running.event("fused")
            found = truth(fused["state"])
            if found is None or not left[found]:
                continue
            assert fused["where"] == "nowhere"
            assert not self.hand.outputs.get(LAMP, 0)
            label = {"class": found, "at": fused["time"]}
            sent = self.caller.post("/v1/places/bench/label", label)
            assert (sent.status, sent.json["kept"]) == (202, True), sent.data
            left[found] -= 1

    def watch(self, running: HubProcess, count: int) -> float:
        """See so many states told, and the lamp show each class; return how often L5 is right."""
        right: list[bool] = []
        lit: set[int] = set()
        while len(right) < count or lit != set(DUTY.values()):
            fused = running.event("fused")
            lit.add(self.hand.outputs.get(LAMP, 0))
            found = truth(fused["state"])
            if found:
                assert fused["where"] == "hub"
                right.append(fused["class"] == CLASSES.index(found))
                acts = f"class:{CLASSES[fused['class']]}" if fused["class"] else None
                assert fused["rule"] == acts
            assert len(right) < 20 * count, f"the lamp showed {lit}"
        return sum(right) / len(right)


@pytest.mark.skipif(light_boards.VM is None, reason="no micropython: make setup")
def test_two_boards_teach_their_place_and_the_hub_is_killed(tmp_path: Path) -> None:
    with ExitStack() as stack:
        place = PlaceOfBoards(tmp_path, stack)
        running = place.hub()
        place.start()
        running.event("listening")
        place.label(running)
        running.until(lambda said: said["event"] == "learned" and not said["left"])
        assert place.watch(running, 40) > 0.7
        known = place.caller.get("/v1/places").json
        figures = place.caller.get("/metrics").data.decode()
        assert 'paebiru_labels_total{place="bench"} 48.0' in figures
        assert "paebiru_learned_total 10.0" in figures
        running.process.kill()
        running.process.wait()

        running = place.hub("--resume")
        running.event("listening")
        again = place.caller.get("/v1/places").json
        assert again["learning"] == known["learning"]
        assert (again["learning"]["round"], again["learning"]["labels"]) == (10, 48)
        assert again["places"][0]["samples"] == 48
        running.until(lambda said: said["event"] == "fused" and truth(said["state"]) is not None)
        assert place.watch(running, 40) > 0.7
        assert place.caller.get("/v1/places/bench").json["boards"] == again["places"][0]["boards"]
        assert place.caller.get("/v1/places/yard").status == 404
        late = place.caller.post("/v1/places/bench/label", {"class": WORK, "at": 1})
        assert late.status == 409
        assert "no state of 1 is kept" in late.json["error"]
        assert running.stop() == 0
