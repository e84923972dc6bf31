"""Layer 5 goes on to the same bytes: killed at any step of labels and rounds, or short of room."""

import asyncio
import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pytest

import places_life
from crash_lab import CrashLab, crash_lab, killed, powerless
from paebiru import accel
from paebiru.federated import branches
from paebiru.federated.durable import at_head
from paebiru.hub.teach import Teaching
from paebiru.store import Store, StoreError, database, rows
from places_lab import Bench, bench, config

ROUNDS = 4  # a batch and the next one's first


@pytest.fixture
def folder() -> Iterator[Path]:
    """Return a new folder, in memory if that can be: nobody cuts the power here."""
    where = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    with tempfile.TemporaryDirectory(prefix="paebiru-", dir=where) as name:
        yield Path(name).resolve()


@pytest.fixture(scope="module", autouse=True)
def compiled() -> Iterator[None]:
    accel.install("numba")
    yield
    accel.install("plain")


def test_the_script_has_what_is_hard() -> None:
    """Labels within rounds, corrections of what a round learns, and more labels than are kept."""
    words = places_life.script(0, ROUNDS)
    assert {moment for _, moment in (word.when for word in words)} == {0, 1, 2, 3}
    ticks = [(word.place, word.labelled.time) for word in words]
    assert len(ticks) - len(set(ticks)) > 3
    assert len(set(ticks)) > 2 * places_life.CAPACITY
    kept = [entry for entry in places_life.undisturbed(0, ROUNDS) if isinstance(entry, tuple)]
    names = {entry[1] for entry in kept if len(entry) == 5 and isinstance(entry[1], bytes)}
    assert len(names) == ROUNDS, "each round makes another model"


@pytest.mark.parametrize("seed", range(2))
def test_killed_before_every_commit_it_goes_on_to_the_same_models(
    folder: Path, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    """Rounds, models, labels and what places keep back are those of an undisturbed life.

    The folder is copied as each transaction begins: that is what a kill between two commits
    leaves.  What a kill within one leaves is the shim's to try, below.
    """
    after = places_life.undisturbed(seed, ROUNDS)
    copies = copy_at_every_commit(folder, monkeypatch, seed)
    assert len(copies) > 10 * ROUNDS
    for number, copy in enumerate(copies):
        places_life.live(copy, seed=seed, rounds=ROUNDS)
        assert places_life.stands(copy) == after, f"cut at commit {number} of {len(copies)}"
        shutil.rmtree(copy)


def copy_at_every_commit(
    root: Path, monkeypatch: pytest.MonkeyPatch, seed: int
) -> list[Path]:  # fmt: skip
    """Return what a kill at each commit of a life leaves, once the store has its tables."""
    folder = root / "life"
    copies: list[Path] = []

    def executed(statement: str) -> None:
        if statement.startswith("BEGIN") and (folder / "hub.sqlite-wal").exists():
            copies.append(root / f"copy{len(copies)}")
            shutil.copytree(folder, copies[-1], ignore=shutil.ignore_patterns("lock*"))

    prepare = database.Database._prepare

    def traced(self: database.Database) -> None:
        prepare(self)
        self._db.set_trace_callback(executed)

    with monkeypatch.context() as patched:
        patched.setattr(database.Database, "_prepare", traced)
        places_life.live(folder, seed=seed, rounds=ROUNDS)
    return copies


@pytest.mark.parametrize("table", ["rounds", "updates", "residuals", "checkpoints"])
def test_a_store_that_fails_in_a_round_changes_no_model(
    folder: Path, monkeypatch: pytest.MonkeyPatch, table: str
) -> None:
    """Once, at every row that a round writes: it stays open and is gone on with, here."""
    run = database.Database.run
    count = fails_at = failed = 0

    def failing(self: database.Database, sql: str, args: tuple[Any, ...] = ()) -> int:
        nonlocal count
        count += sql.startswith(f"INSERT INTO {table} ")
        if count == fails_at and sql.startswith(f"INSERT INTO {table} "):
            raise StoreError("there is no room")
        return run(self, sql, args)

    def on_error() -> None:
        nonlocal failed
        failed += 1

    after = places_life.undisturbed(0, ROUNDS)
    monkeypatch.setattr(database.Database, "run", failing)
    places_life.live(folder / "counted", seed=0, rounds=ROUNDS)
    total = count
    assert total >= ROUNDS
    first = 2 if table == "checkpoints" else 1  # without the first model nothing begins
    for fails_at in range(first, total + 1):
        count = 0
        at = folder / str(fails_at)
        places_life.live(at, on_error=on_error, seed=0, rounds=ROUNDS)
        assert places_life.stands(at) == after, f"row {fails_at} of {total}"
    assert failed == total + 1 - first


def test_a_store_of_an_older_version_goes_on(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:  # fmt: skip
    """It has nothing of what places keep back, and its open round says not up to which label."""
    copies = copy_at_every_commit(folder, monkeypatch, 0)
    after = places_life.undisturbed(0, ROUNDS)
    opened = 0
    for copy in copies[-30::3]:
        with closing(Store(copy)) as store, store.change():
            store.db.run("DROP TABLE residuals")
            store.db.run("DROP TABLE past_samples")
            for row in store.rounds():
                said = json.loads(row.settings)
                del said["samples"]
                rows.put(store.db, rows.changed(row, settings=json.dumps(said, sort_keys=True)))
            held = len(store.rounds())
            opened += store.unfinished(0) is not None
        places_life.live(copy, seed=0, rounds=ROUNDS)
        now = places_life.stands(copy)
        assert now[: 2 * held - 2 : 2] == after[: 2 * held - 2 : 2], "older models stay"
        assert [entry[2] for entry in now[: 2 * ROUNDS : 2]] == ["published"] * ROUNDS
        assert [e for e in now if e[1] in places_life.PLACES] == [
            e for e in after if e[1] in places_life.PLACES
        ], "labels stay"
    assert opened > 3


@pytest.mark.parametrize("back", [0, 2])
def test_a_store_that_was_taken_back_begins_with_nothing_kept_back(folder: Path, back: int) -> None:
    """What waits behind an update of another model is not taken."""
    places_life.live(folder / "places", rounds=ROUNDS)
    with closing(Store(folder / "places")) as store:
        branches.rollback(at_head(store), ROUNDS + 1 - back)  # the first model is number 1

    async def main() -> None:
        made = config(places_life.CAPACITY, every=places_life.EVERY, epochs=1, hidden=[2])
        with bench(folder / "places", made, goes_on=True) as again:
            teaching = again.places.teaching
            assert teaching
            assert teaching.round == ROUNDS - back
            for place in again.places.fusion.participants.values():
                assert bool(place._waiting) == (back == 0)
            await again.teach(places_life.EVERY)
            await teaching._round()
            assert teaching.round == ROUNDS + 1

    asyncio.run(main())


# -- within a commit


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CrashLab]:
    with crash_lab(tmp_path_factory.mktemp("shim"), "places_life") as made:
        yield made


def test_killed_at_any_write_or_sync(lab: CrashLab, request: pytest.FixtureRequest) -> None:
    """SIGKILL; a share of the points, drawn by seed, every one in nightly runs."""
    total = lab.record()[0].points
    one_of = 1 if request.config.getoption("--nightly") else 30
    tried = [at for at in range(1, total + 1) if Random(at).randrange(one_of) == 0]
    assert len(tried) > 5
    for at in tried:
        killed(lab, places_life.check, at)


def test_power_lost_at_any_point(lab: CrashLab, request: pytest.FixtureRequest) -> None:
    """What a place keeps back is on the disk before its update is, also where writes are torn."""
    parts = 1 if request.config.getoption("--nightly") else 60
    _, log = lab.record()
    assert powerless(lab, places_life.check, log, 3, 0, parts) > 5


# -- rounds that come to nothing


def breaking(made: Bench) -> Teaching:
    """Let every update be so large that no board, and no hub, could run the model."""
    teaching = made.places.teaching
    assert teaching
    federation = teaching._federation
    mean = federation.combine
    federation.combine = lambda *of: np.full_like(mean(*of), 1 << 20)
    return teaching


def said(made: Bench) -> list[str]:
    return [warning["text"] for warning in made.told("warning")]


def test_rounds_that_come_to_nothing_are_given_up_until_new_labels_come(tmp_path: Path) -> None:
    """Also where hubs end between them; what was given up stays so, and is told again."""
    wide = config(every=6, rounds=8, hidden=[128])

    async def two() -> None:
        with bench(tmp_path, wide) as made:
            teaching = breaking(made)
            await made.teach(6)
            for left in (7, 6):
                await teaching._round()
                assert teaching.left == left
            await asyncio.sleep(0)  # a thread's warnings are told by the loop
            assert len(said(made)) == 2
            assert all("came to nothing: unit" in text for text in said(made))

    async def third() -> None:
        with bench(tmp_path, wide, goes_on=True) as made:
            teaching = breaking(made)
            assert teaching.left == 6
            running = asyncio.create_task(teaching.run())
            async with asyncio.timeout(60):
                while teaching.left:
                    await asyncio.sleep(0.01)
            await asyncio.sleep(0.2)
            assert teaching.round == 3
            assert not teaching._is_due()
            assert len(said(made)) == 2
            assert "layer 5: 3 rounds in a row came to nothing" in said(made)[-1]
            assert "until there are 6 new labels" in said(made)[-1]
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)

    async def later() -> None:
        with bench(tmp_path, wide, goes_on=True) as made:
            teaching = made.places.teaching
            assert teaching
            await asyncio.sleep(0)
            (text,) = said(made)
            assert "layer 5: 3 rounds in a row" in text
            assert (teaching.left, teaching.new) == (0, 0)
            running = asyncio.create_task(teaching.run())
            await made.teach(5)
            await asyncio.sleep(0.2)
            assert not made.told("learned")
            await made.teach(1)
            await made.until_learned()
            assert [entry["round"] for entry in made.told("learned")] == list(range(4, 12))
            assert len(said(made)) == 1
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)

    for part in (two, third, later):
        asyncio.run(part())


def test_only_three_in_a_row_and_of_one_batch_give_up_the_rest(tmp_path: Path) -> None:
    wide = config(every=6, rounds=9, hidden=[128])

    async def rounds(made: Bench, plan: str) -> list[int]:
        """Hold rounds, good ones (g) and broken ones (b); return how many are left after each."""
        teaching = made.places.teaching
        assert teaching
        federation, left = teaching._federation, []
        good = federation.combine
        breaking(made)
        broken = federation.combine
        for kind in plan:
            federation.combine = good if kind == "g" else broken
            await teaching._round()
            left.append(teaching.left)
        return left

    async def life(labels: int, plan: str, goes_on: bool = True) -> list[int]:
        with bench(tmp_path, wide, goes_on=goes_on) as made:
            await made.teach(labels)
            return await rounds(made, plan)

    assert asyncio.run(life(6, "bbgb", goes_on=False)) == [8, 7, 6, 5]
    assert asyncio.run(life(0, "bb")) == [4, 0]
    assert asyncio.run(life(6, "b")) == [8]
    assert asyncio.run(life(0, "bgb")) == [7, 6, 5]
