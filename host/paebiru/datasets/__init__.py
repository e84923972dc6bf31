"""Real measurements, one small set a perception layer, as integers.

    split = datasets.load("digits").split(seed=0)
    split.train_x      # uint8 or int8, as a board's network takes them

Where each set is from, under which licence: `data/ORIGIN.md`.  The set ``air`` is not
packaged, since the rights in it are not confirmed: see `air_path`.
"""

import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import numpy.typing as npt

from paebiru.datasets import holdout, scaling
from paebiru.datasets.readers import Recordings, Table, read_csv, read_recordings, window_table
from paebiru.errors import UsageError
from paebiru.rng import Rng
from sil.features import SIGNED, Scaler

__all__ = ["Dataset", "Split", "air_path", "load", "names"]

_DATA = Path(__file__).parent / "data"
_CHECKOUT = Path(__file__).parents[3] / "build" / "data"
_WINDOW_S = 4
_HOLD_OUT_PERCENT = 30
_FIRST_TEST_MONTH = 12 * 2016


@dataclass(frozen=True, eq=False)
class Split:
    """A set's training and test part, scaled by what the training part alone teaches."""

    train_x: scaling.Inputs
    """Inputs [n, features]: uint8 Q8 where values are never negative, else int8 Q5."""
    train_y: npt.NDArray[np.uint8]
    test_x: scaling.Inputs
    test_y: npt.NDArray[np.uint8]
    train_group: npt.NDArray[np.int32] | None
    """The group of each training row, for a natural partition; None if there is none."""
    scaler: Scaler
    """What a board needs to make such inputs of its own measurements."""

    @property
    def signed(self) -> bool:
        """Whether the inputs are int8 Q5."""
        return self.scaler.kind == SIGNED

    @property
    def unit(self) -> int:
        """What an input is divided by to be a real number: 32 for Q5, 256 for Q8."""
        return 32 if self.signed else 256


@dataclass(frozen=True, eq=False)
class Dataset:
    """A set of measurements.  Its arrays are shared by all who load it, and read-only."""

    name: str
    layer: int
    """The perception layer it belongs to: 0 photonic .. 4 dermic."""
    x: npt.NDArray[np.int32]
    """Integer measurements [n, features]; column i in units of 10**-decimals[i]."""
    y: npt.NDArray[np.uint8]
    """Index into `classes` of each row."""
    columns: tuple[str, ...]
    decimals: tuple[int, ...]
    classes: tuple[str, ...]
    non_negative: bool
    """No value can be below zero and columns share a unit: inputs are uint8, else int8."""
    group: npt.NDArray[np.int32] | None
    group_kind: str
    """What a group is: speaker, subject, month; empty without groups."""
    recordings: Recordings | None
    """The raw samples whose windows' features `x` holds, for sets that have them."""
    hold_out: Callable[["Dataset", Rng], holdout.Mask]
    """The rule that chooses the test rows."""

    def split(self, seed: int) -> Split:
        """Return training and test part; the same `seed` gives the same on every machine."""
        test = self.hold_out(self, Rng(seed, "split", self.name))
        train_raw = np.ascontiguousarray(self.x[~test])
        scaler = scaling.learn(train_raw, self.non_negative)
        return Split(
            train_x=scaling.transform(scaler, train_raw),
            train_y=self.y[~test],
            test_x=scaling.transform(scaler, self.x[test]),
            test_y=self.y[test],
            train_group=None if self.group is None else self.group[~test],
            scaler=scaler,
        )


def air_path() -> Path:
    """Return where ``air.csv.gz`` is: in ``$PAEBIRU_DATA``, or in a checkout's build/data.

    Raises:
        UsageError: it is in neither.
    """
    named = os.environ.get("PAEBIRU_DATA")
    path = (Path(named) if named else _CHECKOUT) / "air.csv.gz"
    if not path.is_file():
        raise UsageError(
            f"the set 'air' is not packaged (rights not confirmed) and not at {path}: "
            "fetch it in a checkout with `python tests/fetch_air.py`, "
            "or let PAEBIRU_DATA name the folder that holds it"
        )
    return path


def _stratified(data: Dataset, rng: Rng) -> holdout.Mask:
    return holdout.stratified(data.y, _HOLD_OUT_PERCENT, rng)


def _unseen(count: int) -> Callable[[Dataset, Rng], holdout.Mask]:
    def rule(data: Dataset, rng: Rng) -> holdout.Mask:
        assert data.group is not None
        return holdout.unseen(data.group, count, rng)

    return rule


def _last_year(data: Dataset, _rng: Rng) -> holdout.Mask:
    assert data.group is not None
    return holdout.later(data.group, _FIRST_TEST_MONTH)


def _digits() -> Dataset:
    return _dataset("digits", 0, read_csv(_DATA / "digits.csv.gz"), _stratified, non_negative=True)


def _vowel() -> Dataset:
    table = read_csv(_DATA / "vowel.csv.gz", "speaker")
    return _dataset("vowel", 1, table, _unseen(5), group_kind="speaker")


def _air() -> Dataset:
    return _dataset("air", 2, read_csv(air_path(), "time"), _last_year, group_kind="month")


def _wine() -> Dataset:
    return _dataset("wine", 3, read_csv(_DATA / "wine.csv.gz"), _stratified)


def _watch() -> Dataset:
    recordings = read_recordings(_DATA / "watch.npz")
    table = window_table(recordings, _WINDOW_S)
    return _dataset("watch", 4, table, _unseen(3), group_kind="subject", recordings=recordings)


def _dataset(
    name: str,
    layer: int,
    table: Table,
    hold_out: Callable[[Dataset, Rng], holdout.Mask],
    *,
    non_negative: bool = False,
    group_kind: str = "",
    recordings: Recordings | None = None,
) -> Dataset:
    for values in (table.x, table.y, table.group):
        if values is not None:
            values.setflags(write=False)
    return Dataset(
        name=name,
        layer=layer,
        x=table.x,
        y=table.y,
        columns=table.columns,
        decimals=table.decimals,
        classes=table.classes,
        non_negative=non_negative,
        group=table.group,
        group_kind=group_kind,
        recordings=recordings,
        hold_out=hold_out,
    )


_SETS = {"digits": _digits, "vowel": _vowel, "air": _air, "wine": _wine, "watch": _watch}


def names() -> tuple[str, ...]:
    """Return the names of all sets, by layer; ``air`` may have to be fetched."""
    return tuple(_SETS)


@cache
def load(name: str) -> Dataset:
    """Return the set called `name`; it is read once a process.

    Raises:
        UsageError: there is no such set, or it is not on this machine.
    """
    if name not in _SETS:
        raise UsageError(f"data set {name!r} is unknown: take one of {', '.join(_SETS)}")
    return _SETS[name]()
