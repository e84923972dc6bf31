"""The store's parts: blobs, the lock, versions, commits in groups, what is noted of boards."""

import asyncio
import sqlite3
import subprocess
import sys
import threading
import time
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from durable_fleet import DEVICES, federation, new, play, update
from paebiru.errors import UsageError
from paebiru.federated.durable import begin, resume
from paebiru.store import RoundRow, State, Store, StoreError, UpdateRow
from paebiru.store.blobs import Blobs
from paebiru.store.group import Group, beside
from sil.link import messages as m


def a_round(number: int = 1) -> RoundRow:
    return RoundRow(number, 0, State.OPEN, 1, b"12345678", "{}", 0.5)


def an_update(device: int, number: int = 1, body: bytes = b"body") -> UpdateRow:
    name = b"device%02d" % device
    return UpdateRow(number, name, len(body), 10, 5, sha256(body).digest(), 1.5, body)


# -- blobs


def test_blobs_are_what_was_written(tmp_path: Path) -> None:
    blobs = Blobs(tmp_path / "blobs")
    digests = [blobs.put(bytes([n]) * n) for n in range(50)]
    assert digests[7] == blobs.put(b"\7" * 7), "the same bytes are one blob"
    assert [blobs.get(digest) for digest in digests] == [bytes([n]) * n for n in range(50)]
    assert set(blobs.names()) == set(digests)
    blobs.sweep(set(digests[:3]))
    assert set(blobs.names()) == set(digests[:3])
    with pytest.raises(StoreError, match="is missing"):
        blobs.get(digests[4])


def test_a_blob_that_rotted_is_named_and_written_anew(tmp_path: Path) -> None:
    blobs = Blobs(tmp_path / "blobs")
    digest = blobs.put(b"a model")
    blobs.path(digest).write_bytes(b"a modem")
    with pytest.raises(StoreError, match=f"{digest.hex()} is damaged"):
        blobs.get(digest)
    assert blobs.put(b"a model") == digest
    assert blobs.get(digest) == b"a model"


def test_parts_of_a_crash_are_swept(tmp_path: Path) -> None:
    store = Store(tmp_path)
    orphan = store.blobs.put(b"nobody names it")
    part = store.blobs.path(orphan).with_suffix(".part")
    part.write_bytes(b"half")
    store.close()
    store = Store(tmp_path)
    assert not part.exists()
    assert not list(store.blobs.names())


# -- the folder


def test_one_hub_at_a_time(tmp_path: Path) -> None:
    store = Store(tmp_path)
    with pytest.raises(StoreError, match="in use by a hub"):
        Store(tmp_path)
    script = (
        f"from paebiru.store import Store; from pathlib import Path; Store(Path({str(tmp_path)!r}))"
    )
    env = {"PYTHONPATH": ":".join(sys.path), "PATH": "/usr/bin:/bin"}
    other = subprocess.run(
        [sys.executable, "-c", script], env=env, capture_output=True, text=True, timeout=180
    )
    assert "in use by a hub" in other.stderr
    store.close()
    Store(tmp_path).close()


@pytest.mark.parametrize(
    ("pragma", "says"),
    [("user_version=2", "has version 2, this Paebiru reads version 1"),
     ("application_id=77", "no store of Paebiru")],
)  # fmt: skip
def test_another_version_is_refused(tmp_path: Path, pragma: str, says: str) -> None:
    Store(tmp_path).close()
    db = sqlite3.connect(tmp_path / "hub.sqlite")
    db.execute(f"PRAGMA {pragma}")
    db.close()
    before = (tmp_path / "hub.sqlite").read_bytes()
    with pytest.raises(StoreError, match=says):
        Store(tmp_path)
    assert (tmp_path / "hub.sqlite").read_bytes() == before


def test_another_programs_file_is_left_alone(tmp_path: Path) -> None:
    db = sqlite3.connect(tmp_path / "hub.sqlite")
    db.execute("CREATE TABLE t (x)")
    db.close()
    before = (tmp_path / "hub.sqlite").read_bytes()
    with pytest.raises(StoreError, match="no store of Paebiru"):
        Store(tmp_path)
    assert (tmp_path / "hub.sqlite").read_bytes() == before
    (tmp_path / "hub.sqlite").write_bytes(b"no database at all, but a text of some length" * 30)
    with pytest.raises(StoreError, match="is damaged"):
        Store(tmp_path)


def test_a_folder_that_is_none(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(StoreError, match="file"):
        Store(tmp_path / "file")


def test_it_is_its_owners_alone(tmp_path: Path) -> None:
    store = Store(tmp_path / "deep" / "hub")
    store.blobs.put(b"x")
    assert (tmp_path / "deep" / "hub").stat().st_mode & 0o077 == 0
    assert (tmp_path / "deep" / "hub" / "hub.sqlite").stat().st_mode & 0o077 == 0
    store.close()


def test_every_commit_is_synced(tmp_path: Path) -> None:
    store = Store(tmp_path)
    assert store.db.rows("PRAGMA journal_mode") == [("wal",)]
    assert store.db.rows("PRAGMA synchronous") == [(2,)]
    store.close()


# -- commits in groups


def test_many_updates_share_a_commit(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.put_round(a_round())
    jobs: list[Any] = []
    store.updates.run = jobs.append
    told: list[object] = []
    for n in range(20):
        store.add_update(an_update(n), told.append)
    assert not told
    assert len(jobs) == 1
    commits = statements(store, jobs.pop())
    assert commits.count("COMMIT") == 1
    assert told == [None] * 20
    assert [row.device for row in store.updates_of(1)] == [b"device%02d" % n for n in range(20)]
    store.close()


def statements(store: Store, job: Any) -> list[str]:
    said: list[str] = []
    store.db._db.set_trace_callback(said.append)
    job()()
    store.db._db.set_trace_callback(None)
    return said


def test_nobody_is_told_before_the_commit(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.put_round(a_round())
    reader = sqlite3.connect(tmp_path / "hub.sqlite")
    seen: list[int] = []
    count = "SELECT count(*) FROM updates"
    store.add_update(an_update(1), lambda e: seen.append(reader.execute(count).fetchone()[0]))
    assert seen == [1], "another connection sees it when it is told"
    reader.close()
    store.close()


def test_a_second_update_of_a_board_is_told_durable_and_left(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.put_round(a_round())
    told: list[object] = []
    store.add_update(an_update(1, body=b"first"), told.append)
    store.add_update(an_update(1, body=b"second"), told.append)
    assert told == [None, None]
    assert [row.body for row in store.updates_of(1)] == [b"first"]
    store.close()


def test_updates_of_rounds_that_are_not_open_are_refused(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.put_round(a_round())
    jobs: list[Any] = []
    store.updates.run = jobs.append
    told: list[StoreError | None] = []
    store.add_update(an_update(1), told.append)
    store.add_update(an_update(2, number=7), told.append)
    jobs.pop()()()
    assert told[0] is None
    assert told[1]
    assert told[1].code == m.E_STATE
    store.close()


def test_a_thread_commits_while_the_loop_goes_on(tmp_path: Path) -> None:
    """Everything that comes during one commit is in the next one; all are told in the loop."""
    fed = new(tmp_path)
    fed.open()
    codes: list[int] = []
    threads = set()
    batches: list[int] = []
    gate = threading.Event()
    write = fed.store.updates._write

    def slow(items: list[UpdateRow]) -> list[StoreError | None]:
        threads.add(threading.get_ident())
        batches.append(len(items))
        assert gate.wait(120)
        return write(items)

    fed.store.updates._write = slow

    async def main() -> None:
        fed.store.updates.run = beside(asyncio.get_running_loop())
        for device in DEVICES:
            fed.take(device, update(fed, device), codes.append)
            while not batches:  # the first is being written when the others come
                await asyncio.sleep(0.001)
        assert not codes
        gate.set()
        while len(codes) < len(DEVICES):
            await asyncio.sleep(0.01)

    asyncio.run(asyncio.wait_for(main(), 120))
    assert codes == [0] * 4
    assert batches == [1, 3]
    assert threads
    assert threading.get_ident() not in threads
    fed.store.updates.run = lambda job: job()()
    fed.close()
    other = federation()
    play(other)
    assert fed.state() == other.state()
    fed.store.close()


def test_a_round_is_closed_while_a_thread_commits(tmp_path: Path) -> None:
    """Who is in the table counts, and is told yes, though its answer comes after the close."""
    fed = new(tmp_path)
    fed.open()
    codes: list[int] = []
    write, begun = fed.store.updates._write, threading.Event()

    def slow(items: list[UpdateRow]) -> list[StoreError | None]:
        begun.set()
        time.sleep(0.1)
        return write(items)

    fed.store.updates._write = slow

    async def main() -> None:
        fed.store.updates.run = beside(asyncio.get_running_loop())
        for device in DEVICES:
            fed.take(device, update(fed, device), codes.append)
        await asyncio.to_thread(begun.wait, 120)
        fed.close()
        assert codes == [0] * 4
        await asyncio.sleep(0.05)

    asyncio.run(asyncio.wait_for(main(), 120))
    assert codes == [0] * 4
    other = federation()
    play(other)
    assert fed.state() == other.state()
    fed.store.close()


def test_a_fault_of_the_writer_tells_no_and_is_raised() -> None:
    def faulty(items: list[int]) -> list[StoreError | None]:
        raise ZeroDivisionError("a bug")

    group = Group(faulty)
    told: list[object] = []
    with pytest.raises(ZeroDivisionError):
        group.add(1, told.append)
    assert isinstance(told[0], StoreError)
    group._write = lambda items: [None] * len(items)
    group.add(2, told.append)
    assert told[1] is None, "it goes on"


# -- transactions


def test_a_change_is_whole_or_not_there(tmp_path: Path) -> None:
    store = Store(tmp_path)
    with pytest.raises(KeyError), store.change():
        store.put_round(a_round(1))
        store.put_round(a_round(2))
        raise KeyError
    assert store.last_number() == 0
    assert not store.rounds()
    with store.change():
        store.put_round(a_round(1))
        store.put_round(a_round(2))
    assert [row.number for row in store.rounds()] == [1, 2]
    with pytest.raises(UsageError, match="no round 9: they end at 2"):
        store.round(9)
    store.close()


# -- notes


def test_what_is_noted_of_boards_is_there_again(tmp_path: Path) -> None:
    store = Store(tmp_path)
    notes = store.notes
    notes.seen(b"device01", status={"phase": "idle"})
    notes.seen(b"device00", health={"free": 100})
    notes.seen(b"device01", health={"free": 200})
    for size in (100, 20, 3):
        notes.count(b"device01", "usb", "up", 1, size)
    notes.count(b"device01", "wifi", "up", 1, 7)
    ledger = [(b"device01", "usb", "up", 1, 123), (b"device01", "wifi", "up", 1, 7)]
    assert notes.ledger() == ledger
    notes.count(b"device01", "usb", "up", 1, 1000)
    store.close()
    store = Store(tmp_path)
    boards = store.notes.boards()
    assert [board.device for board in boards] == [b"device00", b"device01"]
    assert (boards[1].status, boards[1].health) == ({"phase": "idle"}, {"free": 200})
    assert boards[1].first <= boards[1].last
    assert store.notes.ledger()[0] == (b"device01", "usb", "up", 1, 1123)
    assert store.notes.ledger(2) == []
    store.close()


def test_notes_that_were_not_written_are_kept_for_the_next_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = Store(tmp_path)
    store.notes.count(b"device01", "usb", "up", 1, 5)
    with monkeypatch.context() as patch:
        patch.setattr(store.db, "run", lambda *a: (_ for _ in ()).throw(OSError(28, "full")))
        with pytest.raises(StoreError, match="no space left"):
            store.notes.flush()
    assert store.notes.ledger() == [(b"device01", "usb", "up", 1, 5)]
    store.close()


def test_many_rounds_stay_small(tmp_path: Path) -> None:
    """Models and bodies are let go; the history, who took part and figures stay."""
    fed = begin(Store(tmp_path), federation())
    play(fed, 40, DEVICES[:1])
    assert len(list(fed.store.blobs.names())) == fed.keep + 1
    assert len(fed.store.rounds()) == 40
    assert len(fed.store.history.all()) == 41
    fed.store.close()
    assert resume(Store(tmp_path)).counted == {DEVICES[0]: 40}
