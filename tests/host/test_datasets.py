"""The sets of measurements: what they hold, and that a split is fair and repeatable."""

import hashlib
import importlib.util
import re
from pathlib import Path

import numpy as np
import pytest

from paebiru import datasets
from paebiru.errors import UsageError

_SPEC = importlib.util.spec_from_file_location(
    "fetch_air", Path(__file__).parents[1] / "fetch_air.py"
)
fetch_air = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(fetch_air)

DATA = Path(datasets.__file__).parent / "data"
PACKAGED = ("digits", "vowel", "wine", "watch")
SHAPES = {
    "digits": (0, (1797, 64), 10, None),
    "vowel": (1, (990, 9), 11, 15),
    "air": (2, (11118, 6), 3, 36),
    "wine": (3, (178, 13), 3, None),
    "watch": (4, (1149, 30), 7, 10),
}


@pytest.fixture(params=datasets.names())
def data(request):
    """Each set in turn; one that had to be fetched and could not be is skipped."""
    try:
        return datasets.load(request.param)
    except UsageError as error:
        if request.param in PACKAGED:
            raise
        pytest.skip(str(error))


def test_every_file_is_the_one_of_its_origin():
    origin = dict(
        re.findall(r"^\| (\S+) \|.* ([0-9a-f]{64}) \|$", (DATA / "ORIGIN.md").read_text(), re.M)
    )
    files = {p.name: hashlib.sha256(p.read_bytes()).hexdigest() for p in DATA.iterdir()}
    del files["ORIGIN.md"]
    assert files == origin


def test_a_set_is_what_it_is_known_to_be(data):
    layer, shape, classes, groups = SHAPES[data.name]
    assert (data.layer, data.x.shape, len(data.classes)) == (layer, shape, classes)
    assert len(data.columns) == len(data.decimals) == shape[1]
    assert sorted(set(data.y.tolist())) == list(range(classes))
    assert (None if data.group is None else len(set(data.group.tolist()))) == groups
    assert bool(data.group_kind) == (data.group is not None)


def test_values_are_read_exactly():
    wine = datasets.load("wine")
    named = dict(
        zip(wine.columns, zip(wine.x[0].tolist(), wine.decimals, strict=True), strict=True)
    )
    assert named["alcohol"] == (1423, 2)
    assert named["proline"] == (1065, 0)
    vowel = datasets.load("vowel")
    assert vowel.x[0].tolist() == [-3639, -670, 1779, -168, 1627, -388, 529, -874, -814]
    assert vowel.classes[:2] == ("hid", "hId")
    assert datasets.load("digits").x[0, :8].tolist() == [0, 0, 5, 13, 9, 1, 0, 0]


def test_windows_of_the_watch_are_those_of_its_recordings():
    watch = datasets.load("watch")
    recordings = watch.recordings
    start, row = 0, 0
    for length, label, subject in zip(
        recordings.lengths, recordings.labels, recordings.subjects, strict=True
    ):
        for first in range(start, start + length - 199, 200):
            frames = recordings.samples[first : first + 200].astype(np.int64)
            found = watch.x[row].reshape(6, 5)
            assert np.array_equal(found[:, 2], frames.min(axis=0))
            assert np.array_equal(found[:, 3], frames.max(axis=0))
            assert np.all(np.abs(found[:, 0] - frames.mean(axis=0)) <= 0.5)
            assert (watch.y[row], watch.group[row]) == (label, subject)
            row += 1
        start += length
    assert row == len(watch.x)
    assert start == len(recordings.samples)


def test_a_split_keeps_every_row_once(data):
    split = data.split(3)
    assert len(split.train_x) == len(split.train_y)
    assert len(split.test_x) == len(split.test_y)
    assert len(split.train_x) + len(split.test_x) == len(data.x)
    both = np.concatenate([split.train_y, split.test_y])
    assert np.array_equal(np.bincount(both), np.bincount(data.y))


def test_a_split_is_the_seed_s(data):
    one, same, other = data.split(1), data.split(1), data.split(2)
    for name in ("train_x", "train_y", "test_x", "test_y", "train_group"):
        assert np.array_equal(getattr(one, name), getattr(same, name))
    if data.name != "air":  # that one is cut by time
        assert not np.array_equal(one.test_x, other.test_x)


# The bytes of a split decide the hash of a model that is trained on it: if one of these
# changes, so do all published hashes.
GOLDEN = {
    "digits": "b99c007bddd2245f",
    "vowel": "8e73e6a8c1575a43",
    "air": "afeb33d208a06095",
    "wine": "f4a203b75e6e3147",
    "watch": "50731744b8365c2b",
}


def test_a_split_is_the_same_on_every_machine(data):
    split = data.split(7)
    seen = hashlib.sha256()
    for part in (split.train_x, split.train_y, split.test_x, split.test_y):
        seen.update(part.tobytes())
    assert seen.hexdigest()[:16] == GOLDEN[data.name]


@pytest.mark.parametrize("name", ["digits", "wine"])
def test_stratified_thirty_percent_of_each_class(name):
    data = datasets.load(name)
    for label, count in enumerate(np.bincount(data.y)):
        held = int(np.sum(data.split(5).test_y == label))
        assert abs(held - 0.3 * count) <= 0.5


@pytest.mark.parametrize(("name", "unseen"), [("vowel", 5), ("watch", 3)])
def test_the_tested_were_never_heard_in_training(name, unseen):
    data = datasets.load(name)
    for seed in range(5):
        split = data.split(seed)
        trained = set(split.train_group.tolist())
        tested = set(data.group.tolist()) - trained
        assert len(tested) == unseen
        assert len(split.test_y) == int(np.isin(data.group, list(tested)).sum())


def test_the_scaler_is_learned_on_the_training_part_alone(data):
    split = data.split(0)
    assert split.signed == (not data.non_negative)
    assert split.unit == (32 if split.signed else 256)
    assert split.train_x.dtype == split.test_x.dtype == (np.int8 if split.signed else np.uint8)
    if split.signed:  # means are 0 there to a fraction of a step, which a clamp may shift
        centre = np.abs(split.train_x.mean(axis=0))
        assert np.all(centre <= 1.5)
        assert np.abs(split.test_x.mean(axis=0)).max() > centre.max()
    else:
        assert split.train_x.max() == 255


def test_arrays_that_all_share_cannot_be_written(data):
    for values in (data.x, data.y, data.group):
        if values is not None:
            with pytest.raises(ValueError, match="read-only"):
                values[0] = 0


def test_an_unknown_name_is_refused_with_those_there_are():
    with pytest.raises(UsageError, match=r"'mnist' is unknown.*digits, vowel, air, wine, watch"):
        datasets.load("mnist")


def test_the_air_that_is_not_there_says_how_to_get_it(tmp_path, monkeypatch):
    monkeypatch.setenv("PAEBIRU_DATA", str(tmp_path))
    with pytest.raises(UsageError, match=r"tests/fetch_air\.py"):
        datasets.air_path()
    (tmp_path / "air.csv.gz").touch()
    assert datasets.air_path() == tmp_path / "air.csv.gz"


def test_the_air_is_not_in_the_package():
    assert not [path for path in DATA.rglob("*") if "air" in path.name]


def test_no_tool_to_fetch_with_is_a_reason_to_skip(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr("sys.argv", ["fetch_air.py", str(tmp_path)])
    assert fetch_air.main() == 75
    assert "apt-get is not installed" in capsys.readouterr().err


def test_other_values_than_known_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(fetch_air, "download", lambda folder: folder)
    monkeypatch.setattr(fetch_air, "extract", lambda deb: b"")
    monkeypatch.setattr(fetch_air, "to_csv", lambda data: b"label,time\n")
    with pytest.raises(ValueError, match="other values"):
        fetch_air.fetch(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_data_frame_is_read_from_r_s_bytes():
    def word(value):
        return value.to_bytes(4, "big", signed=True)

    def text(value):
        return word(9) + word(len(value)) + value.encode()

    def strings(*values):
        return word(16) + word(len(values)) + b"".join(map(text, values))

    def tagged(name, value):
        return word(2 | 0x400) + word(1) + text(name) + value

    factor = word(13 | 0x200) + word(3) + word(2) + word(1) + word(-(2**31))
    factor += tagged("levels", strings("7:00", "8:00")) + word(254)
    reals = word(14) + word(2) + b"\x40\x35\x80\0\0\0\0\0" + b"\xbf\xf0\0\0\0\0\0\0"
    frame = word(19 | 0x200) + word(2) + factor + reals
    frame += tagged("names", strings("time", "temp")) + word(254)
    data = b"RDX2\nX\n" + word(2) + word(0) + word(0) + tagged("air", frame) + word(254)
    assert fetch_air.RData(data).item() == {
        "air": {"time": ["8:00", "7:00", None], "temp": [21.5, -1.0]}
    }
    with pytest.raises(ValueError, match="not an R data file"):
        fetch_air.RData(data[1:])
    with pytest.raises(ValueError, match="R type 3 "):
        fetch_air.RData(data[:19] + word(3) + word(0)).item()
