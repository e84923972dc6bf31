"""Reading the files of measurements into integers, as a board's driver would give them.

A value of ``k`` decimals is read as an integer of 10**-k units; nothing becomes a float.
"""

import csv
import gzip
from array import array
from dataclasses import dataclass
from decimal import Decimal
from functools import cache
from pathlib import Path

import numpy as np
import numpy.typing as npt

from sil.features import FEATURES, RAW_LIMIT, Windows


@dataclass(frozen=True, eq=False)
class Table:
    """Rows read from a file: values, their columns, labels, and what groups the rows."""

    x: npt.NDArray[np.int32]
    """Integer values [n, features]."""
    y: npt.NDArray[np.uint8]
    """Index into `classes` of each row."""
    columns: tuple[str, ...]
    decimals: tuple[int, ...]
    """Column i is in units of 10**-decimals[i]."""
    classes: tuple[str, ...]
    group: npt.NDArray[np.int32] | None
    """Whom or when each row is from, or None."""


def read_csv(path: Path, group_column: str | None = None) -> Table:
    """Read a gzipped CSV whose first column is ``label``, by the header's names.

    A `group_column` holds an integer, or a time as 2013-01-31T02:00: its group is the
    month, 12 * year + month - 1.
    """
    with gzip.open(path, "rt", encoding="ascii", newline="") as file:
        header, *rows = list(csv.reader(file))
    group = None
    first = 1
    if group_column is not None:
        first = 2
        group = np.array([_group(row[header.index(group_column)]) for row in rows], np.int32)
    columns = [[Decimal(row[i]) for row in rows] for i in range(first, len(header))]
    decimals = tuple(_decimals(column) for column in columns)
    x = np.array(
        [[round(v.scaleb(k)) for v in col] for col, k in zip(columns, decimals, strict=True)],
        np.int32,
    ).T
    # In the order of appearance, which is that of the source for digits and cultivars.
    classes = tuple(dict.fromkeys(row[0] for row in rows))
    number = {label: i for i, label in enumerate(classes)}
    y = np.array([number[row[0]] for row in rows], np.uint8)
    return Table(np.ascontiguousarray(x), y, tuple(header[first:]), decimals, classes, group)


def _group(text: str) -> int:
    if "T" not in text:
        return int(text)
    return 12 * int(text[:4]) + int(text[5:7]) - 1


def _decimals(column: list[Decimal]) -> int:
    """Return how many decimals `column` has, at most as many as fit the core's raw range."""
    places = max(-int(v.normalize().as_tuple().exponent) for v in column)
    most = max(abs(v) for v in column)
    while places > 0 and most.scaleb(places) > RAW_LIMIT:
        places -= 1
    return max(places, 0)


@dataclass(frozen=True, eq=False)
class Recordings:
    """Raw recordings of a motion sensor, one after another."""

    samples: npt.NDArray[np.int16]
    """Frames [n, channels]; channel i is in units of `scale[i]`."""
    scale: npt.NDArray[np.float64]
    channels: tuple[str, ...]
    lengths: tuple[int, ...]
    """Frames of each recording."""
    labels: tuple[int, ...]
    subjects: tuple[int, ...]
    classes: tuple[str, ...]
    rate_hz: int


@cache
def read_recordings(path: Path) -> Recordings:
    """Read an archive of recordings; the arrays are shared, and read-only."""
    with np.load(path, allow_pickle=False) as archive:
        samples = archive["samples"]
        samples.setflags(write=False)
        return Recordings(
            samples=samples,
            scale=archive["scale"],
            channels=tuple(str(v) for v in archive["channels"]),
            lengths=tuple(int(v) for v in archive["lengths"]),
            labels=tuple(int(v) for v in archive["label"]),
            subjects=tuple(int(v) for v in archive["subject"]),
            classes=tuple(str(v) for v in archive["classes"]),
            rate_hz=int(archive["rate_hz"]),
        )


def window_table(recordings: Recordings, seconds: int) -> Table:
    """Return features of consecutive windows of `seconds`, through the core's `Windows`.

    What is left at the end of a recording is shorter than a window, and dropped.
    """
    channels = len(recordings.channels)
    windows = Windows(channels, seconds * recordings.rate_hz)
    flat = array("h", np.ascontiguousarray(recordings.samples).tobytes())
    rows: list[list[int]] = []
    labels: list[int] = []
    group: list[int] = []
    i = 0
    meta = zip(recordings.lengths, recordings.labels, recordings.subjects, strict=True)
    for length, label, subject in meta:
        windows.reset()
        end = i + length * channels
        while i < end:
            i = windows.feed(flat, i, end)
            if windows.ready:
                rows.append(list(windows.out))
                labels.append(label)
                group.append(subject)
    names = [f"{c} {f}" for c in recordings.channels for f in ("mean", "sd", "min", "max", "delta")]
    return Table(
        x=np.array(rows, np.int32),
        y=np.array(labels, np.uint8),
        columns=tuple(names),
        decimals=(0,) * (FEATURES * channels),
        classes=recordings.classes,
        group=np.array(group, np.int32),
    )
