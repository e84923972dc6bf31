"""A hub killed, cut off from power, or out of space, at every write and sync of its life.

Its life: a new folder, two rounds of four boards, the end.  Whatever happens in it: no update
that a board was told COMMIT of is lost or counted twice, no published round is taken back, and the
model at the end is that of an undisturbed run, to the bit.
"""

from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random

import pytest

from crash_lab import (
    BROKEN,
    COUNT,
    FULL,
    KILL,
    TORN,
    CrashLab,
    check,
    crash_lab,
    killed,
    killed_again,
    powerless,
)
from durable_fleet import DEVICES, ROUNDS
from paebiru.store import StoreError
from shim import disk


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CrashLab]:
    with crash_lab(tmp_path_factory.mktemp("shim")) as made:
        yield made


def test_it_counts_what_a_hub_does(lab: CrashLab) -> None:
    """The shim sees SQLite and Python alike, and a run without a cut is as one without a shim."""
    life, log = lab.record()
    points = disk.read_log(log)
    assert life.code == life.signal == 0
    assert len(life.told("acked")) == ROUNDS * len(DEVICES)
    assert len(points) == life.points + len([p for p in points if p.what == "!"])
    names = {Path(p.path).name for p in points if p.what == "w"}
    assert {"hub.sqlite", "hub.sqlite-wal"} <= names
    assert {p.what for p in points} == set("cwtsrum!")
    check(lab.folder, life.said)


@pytest.mark.parametrize("mode", [KILL, TORN], ids=["before", "in the middle"])
def test_killed_at_every_point(
    lab: CrashLab, chosen: Callable[[int, int], list[int]], mode: int
) -> None:
    total = lab.record()[0].points
    assert total > 100
    for at in chosen(total, 1 if mode == KILL else 3):
        killed(lab, check, at, mode)


@pytest.mark.parametrize("seed", range(2))
def test_killed_again_and_again(lab: CrashLab, seed: int) -> None:
    """It gets on whenever it gets far enough, and never back."""
    killed_again(lab, check, seed, 70)


@pytest.mark.parametrize("part", range(2))  # of the work, for as many processes
def test_power_lost_at_every_point(
    lab: CrashLab, part: int, request: pytest.FixtureRequest
) -> None:
    """What was not synced is dropped, kept, torn or reordered: dropped all, kept all, at random."""
    seeds = 40 if request.config.getoption("--nightly") else 4
    _, log = lab.record()
    tried = powerless(lab, check, log, seeds, part, 2)
    assert tried > 50


def test_power_lost_while_it_recovers(lab: CrashLab, request: pytest.FixtureRequest) -> None:
    """And the power goes again, anywhere in the life that follows a cut."""
    nightly = request.config.getoption("--nightly")
    random = Random(4)
    _, log = lab.record()
    points = disk.read_log(log)
    for _ in range(60 if nightly else 4):
        first = disk.Disk(str(lab.folder))
        cut = random.randrange(len(points))
        for point in points[:cut]:
            first.play(point)
        image = first.image(random.randrange(1 << 30))
        disk.write(image, lab.folder)
        log.unlink()
        lab.live(COUNT, 0, str(log))
        second = disk.Disk(str(lab.folder), image)
        for at, point in enumerate(disk.read_log(log)):
            second.play(point)
            if random.randrange(4 if nightly else 8):
                continue
            disk.write(second.image(random.randrange(1 << 30)), lab.folder)
            try:
                check(lab.folder, first.marks + second.marks)
            except (AssertionError, StoreError) as error:
                raise AssertionError(f"power lost at {cut}, again behind {at}: {error}") from error


@pytest.mark.parametrize(
    ("unsafe", "finding"), [("normal", "acked 1 "), ("blobs", "is damaged [(]it is missing")]
)
def test_the_power_cut_finds_what_is_not_synced(lab: CrashLab, unsafe: str, finding: str) -> None:
    """Without FULL an acknowledged update is lost; without the blobs' syncs a model is."""
    life, log = lab.record(unsafe=unsafe)
    assert life.code == 0
    with pytest.raises(AssertionError, match=f"power lost behind point .*{finding}"):
        powerless(lab, check, log, 2)


def test_a_full_disk_is_said_and_loses_nothing(
    lab: CrashLab, chosen: Callable[[int, int], list[int]]
) -> None:
    """Whenever it becomes full: one clear error; with room again the next hub goes on."""
    total = lab.record()[0].points
    for at in chosen(total, 3):
        lab.clear()
        life = lab.live(FULL, at)
        assert not life.signal
        if life.code:  # the last points are syncs and unlinks, which need no room
            assert any(" room" in text for text in life.told("error")), life.said
        check(lab.folder, life.said)


def test_a_hub_outlives_a_full_disk(lab: CrashLab, chosen: Callable[[int, int], list[int]]) -> None:
    """The same process goes on as soon as there is room."""
    total = lab.record()[0].points
    tried = 0
    for at in chosen(total, 3):
        lab.clear()
        life = lab.live(FULL, at, goes_on=True)
        if life.code:
            assert not life.told("full"), "at its start it says so and ends"
            continue
        tried += len(life.told("full"))
        check(lab.folder, life.said)
        assert len(life.told("acked")) == ROUNDS * len(DEVICES)
    assert tried > 10


def test_a_sync_that_fails_acknowledges_nothing(
    lab: CrashLab, chosen: Callable[[int, int], list[int]]
) -> None:
    _, log = lab.record()
    points = [point for point in disk.read_log(log) if point.what != "!"]
    syncs = [at for at, point in enumerate(points, 1) if point.what == "s"]
    assert len(syncs) > 20
    failed = 0
    for at in syncs:
        lab.clear()
        life = lab.live(BROKEN, at)
        assert not life.signal
        failed += bool(life.code)
        check(lab.folder, life.said)
    assert failed > 10, "most syncs matter"
