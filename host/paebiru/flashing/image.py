"""Firmware images, looked at before anything is written.

A combined image is what micropython.org and circuitpython.org offer as ``.bin``: bootloader,
partition table and application as they lie in flash, from the bootloader's offset on.
Partition table: 32 bytes an entry, magic AA 50, closed by EB EB and an MD5 of the entries
(ESP-IDF Programming Guide, "Partition Tables"); images: esptool, "Firmware Image Format".
"""

import hashlib
import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from paebiru import files
from paebiru.boards.model import Board, Flash
from paebiru.errors import UsageError

_TABLE = 0x8000  # ESP-IDF's default, which both runtimes keep
_ENTRY = struct.Struct("<2sBBII16sI")  # magic, type, subtype, offset, size, label, flags
_TABLE_SIZE = 0xC00
_MD5 = b"\xeb\xeb" + b"\xff" * 14
_IMAGE = 0xE9
_APPLICATION = 0
_FILES = ("vfs", "ffat", "user_fs")  # MicroPython's, TinyUF2's, CircuitPython's

# Files that people take for the image, by their first bytes.
_OTHERS = {
    b"UF2\n": "a UF2 file, for a drive: take the .bin",
    b"\x7fELF": "an ELF file: take the .bin that was made of it",
    b"PK\x03\x04": "a zip: unpack it and give the .bin in it",
    b"\x1f\x8b": "a gzip: unpack it and give the .bin in it",
    b"<": "a web page: download the file that it links to",
}
_RUNTIMES = (
    ("circuitpython", re.compile(rb"Adafruit CircuitPython ([0-9][\w.+-]*)")),
    ("micropython", re.compile(rb"MicroPython (v?[0-9][\w.+-]*)")),
)
_TITLES = {"micropython": "MicroPython", "circuitpython": "CircuitPython"}


@dataclass(frozen=True)
class Image:
    """An image that fits its board."""

    data: bytes
    runtime: str
    version: str
    files: int
    """Where the runtime keeps its files in flash; 0: it finds that by itself."""
    needs: int
    """The flash that it needs, in bytes."""

    @property
    def title(self) -> str:
        """As people call it: MicroPython v1.29.0."""
        return f"{_TITLES[self.runtime]} {self.version}"


@dataclass(frozen=True)
class Partition:
    """An entry of a partition table."""

    label: str
    kind: int
    offset: int
    size: int


def inspect(path: Path, board: Board) -> Image:
    """Return a firmware image if it is whole and is one for this board.

    Raises:
        UsageError: it is not; says what it is, and what to take instead.
    """
    flash = flash_of(board)
    _has_esptool()
    data = files.read(path)
    name = path.name
    _is_image(name, data)
    _is_for(name, data, board)
    _parse(name, "bootloader", data, board)
    table = _partitions(name, data, flash, board)
    applications = [part for part in table if part.kind == _APPLICATION]
    bodies = [_body(name, data, part, flash, board) for part in applications]
    if not any(bodies):
        raise UsageError(
            f"{name} is cut off before its application: download it again from {board.firmware}"
        )
    runtime, version = _runtime(name, b"".join(bodies), board)
    needs = max(flash.bootloader + len(data), *(part.offset + part.size for part in table))
    if needs > flash.size:
        raise UsageError(
            f"{name} is for {needs >> 10} KiB of flash, and {board.name} has {flash.size >> 10}:"
            f" take the image of {board.firmware}"
        )
    kept = [part.offset for part in table if part.label in _FILES]
    return Image(data, runtime, version, kept[0] if kept else 0, needs)


def flash_of(board: Board) -> Flash:
    """Return a board's flash layout.

    Raises:
        UsageError: it is none that is flashed.
    """
    if board.flash is None:
        raise UsageError(
            f"{board.name} is not flashed: it runs on this machine (paebiru boards lists those"
            " with a flash)"
        )
    return board.flash


def _has_esptool() -> None:
    try:
        import esptool  # noqa: F401
    except ImportError:
        raise UsageError("flashing needs esptool: pip install 'paebiru[deploy]'") from None


def _is_image(name: str, data: bytes) -> None:
    if not data:
        raise UsageError(f"{name} is empty: download it again")
    for head, what in _OTHERS.items():
        if data.startswith(head):
            raise UsageError(f"{name} is {what}")
    if data[0] != _IMAGE or len(data) < 24:
        raise UsageError(
            f"{name} is no firmware of an ESP32 (it starts with {data[:4].hex(' ')}, not e9):"
            " give the .bin of `paebiru flash --board … ` without --image"
        )


def _is_for(name: str, data: bytes, board: Board) -> None:
    """The image's header names the chip that its bootloader is for."""
    from esptool.targets import CHIP_DEFS

    found = int.from_bytes(data[12:14], "little")
    if found == CHIP_DEFS[board.chip].IMAGE_CHIP_ID:
        return
    known = {rom.IMAGE_CHIP_ID: rom.CHIP_NAME for rom in CHIP_DEFS.values()}
    other = known.get(found) or f"an unknown chip ({found})"
    raise UsageError(
        f"{name} is for {other}, and {board.name} has {CHIP_DEFS[board.chip].CHIP_NAME}: take"
        f" the image of {board.firmware}"
    )


def _parse(name: str, what: str, data: bytes, board: Board) -> int:
    """Return an image's length, its checksum and its hash having been found right."""
    from esptool.bin_image import LoadFirmwareImage
    from esptool.util import FatalError

    wrong = f"{name}: its {what} is damaged or cut off: download it again from {board.firmware}"
    try:
        image = LoadFirmwareImage(board.chip, data)
    except (FatalError, RuntimeError, struct.error, TypeError, ValueError, IndexError):
        # esptool reads on where a damaged header tells it to, and fails in many ways.
        raise UsageError(wrong) from None
    if image.checksum != image.calculate_checksum():
        raise UsageError(wrong)
    if not image.append_digest:
        return max(int(part.file_offs) + len(part.data) for part in image.segments)
    if image.stored_digest != image.calc_digest:
        raise UsageError(wrong)
    return int(image.data_length) + len(image.stored_digest)


def _partitions(name: str, data: bytes, flash: Flash, board: Board) -> list[Partition]:
    start = _TABLE - flash.bootloader
    table = data[start : start + _TABLE_SIZE]
    if table[:2] != b"\xaaP":
        raise UsageError(
            f"{name} is not a whole image: it has no partition table where {board.name} wants it;"
            f" take the .bin (no .app-bin) of {board.firmware}"
        )
    try:
        return list(_entries(table))
    except ValueError:
        raise UsageError(
            f"{name}: its partition table is damaged: download it again from {board.firmware}"
        ) from None


def _entries(table: bytes) -> Iterator[Partition]:
    """Yield a table's partitions.

    Raises:
        ValueError: it does not end, or its hash is wrong.
    """
    for at in range(0, len(table) - _ENTRY.size + 1, _ENTRY.size):
        entry = table[at : at + _ENTRY.size]
        if entry.startswith(_MD5):
            if hashlib.md5(table[:at]).digest() != entry[16:]:
                raise ValueError
            return
        if entry == b"\xff" * _ENTRY.size:
            return
        magic, kind, _, offset, size, label, _ = _ENTRY.unpack(entry)
        if magic != b"\xaaP":
            raise ValueError
        yield Partition(label.rstrip(b"\0").decode("ascii", "replace"), kind, offset, size)
    raise ValueError


def _body(name: str, data: bytes, part: Partition, flash: Flash, board: Board) -> bytes:
    """Return an application as it is in the image; empty if its partition is."""
    start = part.offset - flash.bootloader
    body = data[start : start + part.size] if start >= 0 else b""
    if not body.strip(b"\xff"):
        return b""
    length = _parse(name, f"application ({part.label})", data[start:], board)
    if length > part.size:
        raise UsageError(
            f"{name}: its application has {length >> 10} KiB, and its partition"
            f" {part.size >> 10}: build it with a larger one, or take that of {board.firmware}"
        )
    return body[:length]


def _runtime(name: str, body: bytes, board: Board) -> tuple[str, str]:
    """Return which Python an application is, and its version.

    An ESP-IDF application names its project in a header, but MicroPython leaves it empty;
    both carry the line with which their REPL greets.
    """
    for runtime, pattern in _RUNTIMES:
        found = pattern.search(body)
        if found is None:
            continue
        version = found[1].decode("ascii").rstrip(".-+")
        if runtime != board.runtime:
            raise UsageError(
                f"{name} is {_TITLES[runtime]} {version}, and {board.name} is for"
                f" {_TITLES[board.runtime]}: take {board.firmware}"
            )
        return runtime, version
    raise UsageError(
        f"{name} is an ESP32 program, but neither MicroPython nor CircuitPython: take"
        f" {board.firmware}"
    )
