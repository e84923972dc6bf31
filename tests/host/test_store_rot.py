"""Bits that flip in a store: a clear error, or no harm; never another model, nothing lost silently.

A hub's folder in the middle of its second round, two of four boards counted, once with all in the
database file, once with all in the write-ahead log; then one bit of one file is turned.
"""

import shutil
from pathlib import Path
from random import Random

import pytest

from crash_lab import check
from durable_fleet import DEVICES, new, play, update
from paebiru.federated.durable import resume
from paebiru.store import Store, StoreError, wal

ACKED = [
    f"acked {n} {d.hex()}" for n, d in [(1, d) for d in DEVICES] + [(2, d) for d in DEVICES[:2]]
]


@pytest.fixture(scope="module", params=["closed", "in the log"])
def image(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("store")
    fed = new(folder / "hub")
    fed.keep = 1
    play(fed, 1)
    fed.open()
    for device in DEVICES[:2]:
        fed.take(device, update(fed, device))
    fed.store.notes.seen(DEVICES[0], status={"phase": "after"})
    fed.store.notes.flush()
    if request.param == "closed":
        fed.store.close()
    shutil.copytree(folder / "hub", folder / "image")  # as a kill would leave it
    return folder / "image"


def turned(image: Path, folder: Path, name: str, bit: int) -> None:
    """Make a copy of a store in which one bit of a file is another."""
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(image, folder)
    data = bytearray((folder / name).read_bytes())
    data[bit // 8] ^= 1 << bit % 8
    (folder / name).write_bytes(data)


def names(image: Path) -> list[str]:
    found = [path.relative_to(image) for path in image.rglob("*") if path.is_file()]
    return sorted(str(path) for path in found if not path.name.endswith("-shm"))


def outcome(folder: Path) -> str:
    """Return why a store is refused, or nothing when all is there and goes on as it should."""
    try:
        check(folder, [*ACKED, "published 1"])
    except StoreError as error:
        assert str(folder) in str(error), "it names what is damaged"
        return str(error)
    return ""


def test_the_image_is_whole(image: Path, tmp_path: Path) -> None:
    shutil.copytree(image, tmp_path / "hub")
    assert not outcome(tmp_path / "hub")


def test_a_bit_turned_anywhere(image: Path, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    random = Random(1)
    count = 3_000 if request.config.getoption("--nightly") else 120
    refused = 0
    for _ in range(count):
        name = random.choice([n for n in names(image) if (image / n).stat().st_size])
        bit = random.randrange(8 * (image / name).stat().st_size)
        turned(image, tmp_path / "hub", name, bit)
        try:
            refused += bool(outcome(tmp_path / "hub"))
        except AssertionError as error:
            raise AssertionError(f"bit {bit} of {name}: {error}") from error
    assert refused > count // 4


def test_a_bit_turned_in_the_models_blob_is_said(image: Path, tmp_path: Path) -> None:
    store = Store(Path(shutil.copytree(image, tmp_path / "copy")))
    head = store.history.ref(0, "head")
    assert head
    assert head.blob
    name = str(store.blobs.path(head.blob).relative_to(tmp_path / "copy"))
    for bit in range(0, 8 * (image / name).stat().st_size, 97):
        turned(image, tmp_path / "hub", name, bit)
        assert name in outcome(tmp_path / "hub")
    store.close()


@pytest.mark.parametrize("table", ["rounds", "updates", "checkpoints", "refs"])
def test_a_value_that_changed_unseen_is_said(image: Path, tmp_path: Path, table: str) -> None:
    """Whatever value of whatever row: SQLite itself finds nothing wrong with it."""
    store = Store(Path(shutil.copytree(image, tmp_path / "hub")))
    columns = {row[1] for row in store.db.rows(f"PRAGMA table_info({table})")}
    if table == "updates":  # looked up by these: of them there is a second copy, in an index
        columns -= {"round", "device"}
    for column in sorted(columns):
        with store.db.change():
            store.db.run(f'UPDATE {table} SET "{column}" = ifnull("{column}", 0) || "7"')
        store.close()
        said = outcome(tmp_path / "hub")
        assert "damaged" in said, column
        shutil.rmtree(tmp_path / "hub")
        store = Store(Path(shutil.copytree(image, tmp_path / "hub")))
    store.close()


def test_rows_that_vanish_are_said(image: Path, tmp_path: Path) -> None:
    for sql in ("DELETE FROM refs", "DELETE FROM checkpoints WHERE round = 1"):
        shutil.rmtree(tmp_path / "hub", ignore_errors=True)
        store = Store(Path(shutil.copytree(image, tmp_path / "hub")))
        with store.db.change():
            store.db.run(sql)
        store.close()
        assert "damaged" in outcome(tmp_path / "hub")


def test_a_missing_update_of_a_sealed_round_is_said(tmp_path: Path) -> None:
    fed = new(tmp_path)
    fed.open()
    for device in DEVICES:
        fed.take(device, update(fed, device))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fed, "_aggregate", lambda row: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            fed.close()
    with fed.store.db.change():
        fed.store.db.run("DELETE FROM updates WHERE device = ?", (DEVICES[1],))
    fed.store.close()
    store = Store(tmp_path)
    with pytest.raises(StoreError, match="updates of round 1 are missing"):
        resume(store)


# -- the write-ahead log


def log_of(folder: Path) -> Path:
    return folder / "hub.sqlite-wal"


def test_damage_to_a_transaction_that_others_follow_is_said(tmp_path: Path) -> None:
    """Every byte of every frame but the last transaction's; SQLite would end there, silently."""
    fed = new(tmp_path / "hub")
    play(fed, 1)
    log = log_of(tmp_path / "hub").read_bytes()
    ends = [at for at in range(32, len(log), 4120) if any(log[at + 4 : at + 8])]
    assert len(ends) > 5
    random = Random(2)
    spoiled = tmp_path / "spoiled-wal"
    for _ in range(150):
        at = random.randrange(ends[-3])
        data = bytearray(log)
        data[at] ^= 1 << random.randrange(8)
        spoiled.write_bytes(data)
        with pytest.raises(StoreError, match="spoiled-wal is damaged"):
            wal.check(spoiled)
    fed.store.close()


def test_what_a_power_cut_leaves_of_a_log_is_no_damage(tmp_path: Path) -> None:
    fed = new(tmp_path / "hub")
    play(fed, 1)
    log = log_of(tmp_path / "hub").read_bytes()
    ends = [at + 4120 for at in range(32, len(log), 4120) if any(log[at + 4 : at + 8])]
    cut = tmp_path / "cut-wal"
    random = Random(3)
    for start, end in zip([32, *ends], ends, strict=False):
        for _ in range(10):
            data = bytearray(log[:end])
            for sector in range(start, end, 512):
                if random.random() < 0.5:
                    data[sector : sector + 512] = bytes(len(data[sector : sector + 512]))
            cut.write_bytes(data[: random.choice([end, random.randrange(start, end)])])
            wal.check(cut)
    for size in (0, 7, 32):
        cut.write_bytes(log[:size])
        wal.check(cut)
    fed.store.close()
