"""What a disk may hold after a power cut: from what cut.c recorded, any state in between.

Until it is synced, each write may be there or not, whole or in sectors; so may each name (created,
renamed, unlinked), until the folder is synced.  That is less than file systems promise.
"""

import shutil
import struct
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

SECTOR = 512
Image = dict[str, bytes | None]
"""Files by their paths below a folder; None is a folder."""
_HEAD = struct.Struct("<cIIQI")


@dataclass(frozen=True)
class Point:
    """One record of the log."""

    what: str
    path: str
    other: str
    offset: int
    data: bytes


def read_log(path: Path) -> list[Point]:
    data = path.read_bytes()
    points, at = [], 0
    while at < len(data):
        what, first, second, offset, size = _HEAD.unpack_from(data, at)
        at += _HEAD.size
        size = size if what == b"w" else 0
        names = data[at : at + first].decode(), data[at + first : at + first + second].decode()
        at += first + second
        points.append(Point(what.decode(), *names, offset, data[at : at + size]))
        at += size
    return points


@dataclass
class File:
    """An inode: what is on the disk for sure, and what was done since the last sync."""

    durable: bytes = b""
    since: list[Point] = field(default_factory=list)
    is_folder: bool = False

    def after(self, keep: "Keep") -> bytes:
        data = bytearray(self.durable)
        for point in self.since:
            for offset, piece in keep.pieces(point):
                if point.what == "t":
                    del data[point.offset :]
                    data.extend(bytes(point.offset - len(data)))
                else:
                    data.extend(bytes(max(offset + len(piece) - len(data), 0)))
                    data[offset : offset + len(piece)] = piece
        return bytes(data)


class Keep:
    """Which of the unsynced survive: by a seed, and the plain ones first."""

    def __init__(self, seed: int) -> None:
        self._random = Random(seed)
        self.share = {0: 0.0, 1: 1.0}.get(seed, self._random.random())
        self._tears = seed > 1

    def keeps(self) -> bool:
        return self._random.random() < self.share

    def pieces(self, point: Point) -> list[tuple[int, bytes]]:
        """Return the parts of a write, or a truncation, that survive."""
        if point.what == "t" or not self._tears or self._random.random() < 0.5:
            return [(point.offset, point.data)] if self.keeps() else []
        found = []
        at = 0
        while at < len(point.data):
            end = min(at + SECTOR - (point.offset + at) % SECTOR, len(point.data))
            if self.keeps():
                found.append((point.offset + at, point.data[at:end]))
            at = end
        return found


class Disk:
    """Files below a folder, while a log is played to it."""

    def __init__(self, folder: str, image: "Image | None" = None) -> None:
        self.folder = folder
        self.files = {  # as processes see them
            f"{folder}/{name}": File(data or b"", is_folder=data is None)
            for name, data in (image or {}).items()
        }
        self.durable = dict(self.files)  # by the names that a power cut leaves
        self.since: list[tuple[Point, File | None]] = []  # changes of names, not synced
        self.marks: list[str] = []

    def play(self, point: Point) -> None:
        what, path = point.what, point.path
        if what == "!":
            self.marks.append(path)
        elif what in "cm":
            self.files[path] = File(is_folder=what == "m")
            self.since.append((point, self.files[path]))
        elif what == "r":
            self.files[point.other] = self.files.pop(path)
            self.since.append((point, self.files[point.other]))
        elif what == "u":
            del self.files[path]
            self.since.append((point, None))
        elif what == "s" and path in self.files and not self.files[path].is_folder:
            file = self.files[path]
            file.durable, file.since = file.after(Keep(1)), []
        elif what == "s":
            self._sync_folder(path)
        else:
            self.files[path].since.append(point)

    def _sync_folder(self, folder: str) -> None:
        left = []
        for point, file in self.since:
            if _parent(point.path) == folder:
                self._rename(self.durable, point, file)
            else:
                left.append((point, file))
        self.since = left

    @staticmethod
    def _rename(names: dict[str, File], point: Point, file: File | None) -> None:
        if point.what in "cm" and file:
            names.setdefault(point.path, file)
        elif point.what == "r" and file:
            names.pop(point.path, None)
            names[point.other] = file
        elif point.what == "u":
            names.pop(point.path, None)

    def image(self, seed: int) -> Image:
        """Return what a power cut leaves."""
        keep = Keep(seed)
        names = dict(self.durable)
        for point, file in self.since:
            if keep.keeps() and (point.what != "r" or point.path in names or seed > 1):
                self._rename(names, point, file)
        found: Image = {}
        for path in sorted(names):
            relative = path[len(self.folder) :].lstrip("/")
            parent = _parent(relative)
            if not relative or (parent and parent not in found):
                continue  # the folder that it was in is not there
            found[relative] = None if names[path].is_folder else names[path].after(keep)
        return found


def write(image: Image, folder: Path) -> None:
    """Make a folder that holds an image and nothing else."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for relative, data in image.items():
        if data is None:
            (folder / relative).mkdir()
        else:
            (folder / relative).write_bytes(data)


def _parent(path: str) -> str:
    return path.rpartition("/")[0]
