"""The file of keys and groups, where it is damaged, full or not to be written: told in a line."""

import sqlite3
import subprocess
from contextlib import closing
from pathlib import Path

import pytest

from hub_process import PAEBIRU
from paebiru.key_file import KeyFile
from paebiru.keys import KeyStore
from paebiru.memberships import Memberships
from paebiru.store import StoreError

DEVICES = tuple(b"device-%d" % number for number in range(1, 6))  # 8 bytes
NAME = b"group-01"


def made(path: Path) -> Path:
    """Leave a file behind with keys and a group."""
    with closing(KeyStore(path)) as store, closing(Memberships(path)) as groups:
        for device in DEVICES:
            store.enroll(device, store.new_key(device))
        groups.add(NAME, 3, DEVICES)
    return path


def test_a_file_that_is_none_is_said(tmp_path: Path) -> None:
    path = tmp_path / "keys.sqlite"
    path.write_bytes(b"no database at all" * 100)
    for kind in (KeyStore, Memberships):
        with pytest.raises(StoreError, match=r"keys.sqlite is damaged \(file is not a database\)"):
            kind(path)
    for words in (["list"], ["groups"], ["revoke", "01"]):
        done = subprocess.run(
            [PAEBIRU, "keys", *words, "--keys", path],
            capture_output=True, text=True, check=False, timeout=180,
        )  # fmt: skip
        assert done.returncode == 2
        assert "is damaged" in done.stderr
        assert len(done.stderr.strip().splitlines()) == 1
    folder = tmp_path / "file" / "keys.sqlite"
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(StoreError, match=r"keys\.sqlite: "):
        KeyStore(folder)


def test_a_damaged_page_is_no_traceback(tmp_path: Path) -> None:
    whole = made(tmp_path / "whole.sqlite").read_bytes()
    assert len(whole) > 3 * 4096
    said = 0
    for page in range(0, len(whole), 4096):
        path = tmp_path / f"{page}.sqlite"
        path.write_bytes(whole[:page] + b"\xa5" * 4096 + whole[page + 4096 :])
        for job in (lambda p: closing(KeyStore(p)), lambda p: closing(Memberships(p))):
            try:
                with job(path) as store:
                    if isinstance(store, KeyStore):
                        store.list()
                        store.enroll(DEVICES[0], store.new_key(DEVICES[0]))
                    else:
                        store.all()
                        store.new_ticket(NAME)
            except StoreError as error:
                assert f"{page}.sqlite is damaged" in str(error)
                said += 1
    assert said >= len(whole) // 4096


@pytest.mark.parametrize(
    ("pragma", "back", "says"),
    [("max_page_count=1", "max_page_count=100000", "no space left"),
     ("query_only=1", "query_only=0", "readonly")],
)  # fmt: skip
def test_what_cannot_be_written_is_not_half_there(
    tmp_path: Path, pragma: str, back: str, says: str
) -> None:
    path = made(tmp_path / "keys.sqlite")
    many = [b"other%03d" % number for number in range(500)]
    with closing(KeyStore(path)) as store, closing(Memberships(path)) as groups:
        before = store.list(), groups.all()
        for file in (store._file, groups._file):
            file.rows(f"PRAGMA {pragma}")
        with pytest.raises(StoreError, match=says):
            groups.add(b"group-02", 300, many)
        assert (store.list(), groups.all()) == before
        with pytest.raises(StoreError, match=says):
            for device in many:
                store.enroll(device, store.new_key(device))
        assert groups.all() == before[1]
        for file in (store._file, groups._file):
            file.rows(f"PRAGMA {back}")
        enrolled = len(store.list())
        store.enroll(b"one more", store.new_key(b"one more"))
        assert len(store.list()) == enrolled + 1
        assert groups.new_ticket(NAME) == before[1][0].ticket + 1


def test_another_that_writes_is_waited_for_and_then_said(tmp_path: Path) -> None:
    path = made(tmp_path / "keys.sqlite")
    with closing(KeyStore(path)) as store, closing(sqlite3.connect(path)) as other:
        store._file.rows("PRAGMA busy_timeout=50")
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreError, match="in use by another program"):
            store.revoke(DEVICES[0])
        other.execute("ROLLBACK")
        store.revoke(DEVICES[0])
        assert store.is_revoked(DEVICES[0])


def test_a_block_that_raises_changes_nothing(tmp_path: Path) -> None:
    with closing(KeyFile(tmp_path / "keys.sqlite", "CREATE TABLE one (value INTEGER)")) as file:
        with pytest.raises(ZeroDivisionError), file.change():
            file.run("INSERT INTO one VALUES (1)")
            raise ZeroDivisionError
        with file.change():
            file.run("INSERT INTO one VALUES (2)")
        assert file.rows("SELECT value FROM one") == [(2,)]
