"""A hub with masked rounds, killed, cut off from power or out of space at every write and sync.

Its life: a new folder, groups dealt, two rounds, in the second of which a group has too few parts.
Whatever happens: no part that a board was told COMMIT of is lost or counted twice, the model at the
end is that of an undisturbed run, to the bit, and the sum with too few parts comes to nothing in
both.  No board masks two things by one ticket, or is asked about one in two ways, which would open
what it sent.
"""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import secure_life
from crash_lab import BROKEN, FULL, TORN, CrashLab, crash_lab, killed, killed_again, powerless
from paebiru import accel
from secure_life import check
from shim import disk


@pytest.fixture(scope="module", autouse=True)
def compiled() -> Iterator[None]:
    accel.install("numba")
    yield
    accel.install("plain")


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CrashLab]:
    with crash_lab(tmp_path_factory.mktemp("shim"), "secure_life") as made:
        yield made


def test_it_cuts_the_key_file_and_the_store_alike(lab: CrashLab) -> None:
    life, log = lab.record()
    points = disk.read_log(log)
    assert life.code == life.signal == 0
    boards = secure_life.the_boards()
    parts = sum(len(boards.there(number)) for number in (1, 2))
    assert len(life.told("acked")) == len(life.told("masked")) == parts
    assert len(life.told("asked")) >= len(boards.counted(2))
    names = {Path(p.path).name for p in points if p.what == "w"}
    assert {"hub.sqlite", "hub.sqlite-wal", "keys.sqlite", "keys.sqlite-wal"} <= names
    assert {p.what for p in points} == set("cwtsrum!")
    check(lab.folder, life.said)


def begins(log: Path) -> int:
    """Return the first point of its rounds; those before are as in test_durable_crash."""
    points = disk.read_log(log)
    return sum(point.what != "!" for point in points[: dealt(points)])


def dealt(points: list[disk.Point]) -> int:
    return next(at for at, point in enumerate(points) if point.path.startswith("dealt"))


def test_killed_at_every_point_of_its_rounds(
    lab: CrashLab, chosen: Callable[[int, int], list[int]]
) -> None:
    life, log = lab.record()
    first = begins(log)
    assert life.points - first > 150
    for at in [*chosen(first - 1, 12), *range(first, life.points + 1)]:
        killed(lab, check, at)


def test_killed_in_the_middle_of_a_write(
    lab: CrashLab, chosen: Callable[[int, int], list[int]]
) -> None:
    for at in chosen(lab.record()[0].points, 12):
        killed(lab, check, at, TORN)


def test_killed_again_and_again(lab: CrashLab) -> None:
    killed_again(lab, check, 1, 90)


def test_power_lost_at_every_point(lab: CrashLab, request: pytest.FixtureRequest) -> None:
    """What was not synced is dropped, kept, torn or reordered."""
    seeds, parts = (40, 1) if request.config.getoption("--nightly") else (3, 5)
    _, log = lab.record()
    assert powerless(lab, check, log, seeds, 0, parts) > 50


def test_the_power_cut_finds_a_ticket_that_is_not_synced(lab: CrashLab) -> None:
    life, log = lab.record(unsafe="tickets")
    assert life.code == 0
    with pytest.raises(AssertionError, match=r"masked 1 .*, and masked 2 "):
        powerless(lab, check, log, 2, first=dealt(disk.read_log(log)))


def test_a_full_disk_is_said_and_loses_nothing(
    lab: CrashLab, chosen: Callable[[int, int], list[int]]
) -> None:
    for at in chosen(lab.record()[0].points, 10):
        lab.clear()
        life = lab.live(FULL, at)
        assert not life.signal
        if life.code:  # the last points are syncs and unlinks, which need no room
            assert any(" room" in text for text in life.told("error")), life.said
        check(lab.folder, life.said)


def test_a_sync_that_fails_acknowledges_nothing(
    lab: CrashLab, chosen: Callable[[int, int], list[int]]
) -> None:
    _, log = lab.record()
    points = [point for point in disk.read_log(log) if point.what != "!"]
    syncs = [at for at, point in enumerate(points, 1) if point.what == "s"]
    failed = 0
    for number in chosen(len(syncs), 3):
        lab.clear()
        life = lab.live(BROKEN, syncs[number - 1])
        assert not life.signal
        failed += bool(life.code)
        check(lab.folder, life.said)
    assert failed > 5, "most syncs matter"
