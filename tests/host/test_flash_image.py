"""Images are looked at before they are written: a real one, made ones, and damaged ones."""

import hashlib
import random
import struct
from pathlib import Path

import pytest
from esptool.bin_image import (
    ELFSection,
    ESP32C3FirmwareImage,
    ESP32FirmwareImage,
    ESP32S3FirmwareImage,
)

from flash_peer import real_image
from paebiru import boards
from paebiru.boards import Board
from paebiru.errors import UsageError
from paebiru.flashing import Image, inspect

OFFSET = 0x1000  # where an ESP32's image begins
KINDS = {
    "esp32": (ESP32FirmwareImage, 0x40080000),
    "esp32s3": (ESP32S3FirmwareImage, 0x40378000),
    "esp32c3": (ESP32C3FirmwareImage, 0x40380000),
}
BANNERS = {
    "micropython": b"MicroPython v1.29.0 on 2026-09-01; Generic ESP32 module\0",
    "circuitpython": b"Adafruit CircuitPython 10.0.3 on 2025-10-17; Adafruit QT Py\0",
}


def made(
    folder: Path,
    board: Board,
    *,
    banner: bytes | None = None,
    files: tuple[int, int] | None = None,
    hashed: bool = True,
    code: int = 20_000,
) -> Path:
    """Return a combined image as the runtimes' builds make them, with esptool's own writer."""
    assert board.flash is not None
    text = BANNERS[board.runtime] if banner is None else banner
    # Not to be compressed away, as code is not.
    program = random.Random(1).randbytes(code) + text
    boot = _image(board.chip, random.Random(2).randbytes(5000), hashed)
    table = _entry(1, 2, 0x9000, 0x6000, b"nvs")
    table += _entry(0, 0, 0x10000, 0x1F0000, b"factory")
    if files:
        table += _entry(1, 0x81, *files, b"vfs")
    table += b"\xeb\xeb" + b"\xff" * 14 + hashlib.md5(table).digest()
    start = board.flash.bootloader
    data = boot.ljust(0x8000 - start, b"\xff") + table
    data = data.ljust(0x10000 - start, b"\xff") + _image(board.chip, program, hashed)
    path = folder / f"{board.name}.bin"
    path.write_bytes(data)
    return path


def _image(chip: str, code: bytes, hashed: bool) -> bytes:
    kind, address = KINDS[chip]
    image = kind()
    image.append_digest = hashed
    image.entrypoint = address
    image.segments = [ELFSection(b".iram0.text", address, code, 0)]
    saved: bytes = image.save(None)
    return saved


def _entry(kind: int, subtype: int, offset: int, size: int, label: bytes) -> bytes:
    return struct.pack("<2sBBII16sI", b"\xaaP", kind, subtype, offset, size, label, 0)


def refusal(path: Path, board: Board) -> str:
    with pytest.raises(UsageError) as caught:
        inspect(path, board)
    message = str(caught.value)
    assert message.startswith(path.name)
    assert "\n" not in message
    return message


def changed(folder: Path, data: bytes) -> Path:
    path = folder / "image.bin"
    path.write_bytes(data)
    return path


def devkit() -> Board:
    return boards.load("esp32_devkit")


def test_a_real_image() -> None:
    image = inspect(real_image(), devkit())
    assert image == Image(
        real_image().read_bytes(), "micropython", "v1.16-237-g1613dc8a1-dirty", 0x200000, 0x400000
    )
    assert image.title == "MicroPython v1.16-237-g1613dc8a1-dirty"


@pytest.mark.parametrize("hashed", [True, False])
@pytest.mark.parametrize(
    "name", ["esp32_devkit", "esp32s3_devkitc", "esp32c3_supermini", "qtpy_esp32s3"]
)
def test_made_images(name: str, hashed: bool, tmp_path: Path) -> None:
    board = boards.load(name)
    image = inspect(made(tmp_path, board, hashed=hashed), board)
    is_circuit = board.runtime == "circuitpython"
    assert image.title == ("CircuitPython 10.0.3" if is_circuit else "MicroPython v1.29.0")
    assert image.files == 0  # its table has none: the runtime takes what is left
    assert image.needs == 0x200000


def test_an_image_for_another_chip(tmp_path: Path) -> None:
    said = refusal(real_image(), boards.load("esp32s3_devkitc"))
    assert "is for ESP32, and esp32s3_devkitc has ESP32-S3: take the image of https://" in said
    c3 = boards.load("esp32c3_supermini")
    assert "is for ESP32-C3, and esp32_devkit has ESP32" in refusal(made(tmp_path, c3), devkit())
    data = bytearray(real_image().read_bytes())
    data[12] = 0xEE
    assert "is for an unknown chip (238)" in refusal(changed(tmp_path, bytes(data)), devkit())


def test_an_image_of_the_other_python(tmp_path: Path) -> None:
    s3, qtpy = boards.load("esp32s3_devkitc"), boards.load("qtpy_esp32s3")
    said = refusal(made(tmp_path, s3), qtpy)
    assert "is MicroPython v1.29.0, and qtpy_esp32s3 is for CircuitPython: take" in said
    said = refusal(made(tmp_path, qtpy), s3)
    assert "is CircuitPython 10.0.3, and esp32s3_devkitc is for MicroPython: take" in said


def test_another_program(tmp_path: Path) -> None:
    said = refusal(made(tmp_path, devkit(), banner=b"arduino-lib-builder"), devkit())
    assert "neither MicroPython nor CircuitPython" in said


def test_an_application_without_its_bootloader(tmp_path: Path) -> None:
    data = real_image().read_bytes()[0xF000:]
    assert "is not a whole image" in refusal(changed(tmp_path, data), devkit())


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "is empty"),
        (b"UF2\nWQ]\x9e" + b"\0" * 600, "is a UF2 file"),
        (b"\x7fELF\1\1\1" + b"\0" * 600, "is an ELF file"),
        (b"PK\x03\x04" + b"\0" * 600, "is a zip"),
        (b"\x1f\x8b\x08" + b"\0" * 600, "is a gzip"),
        (b"<!doctype html>" + b" " * 600, "is a web page"),
        (b"\xff" * 600, "is no firmware of an ESP32 (it starts with ff ff ff ff, not e9)"),
        (b"\xe9\x04\x02", "is no firmware of an ESP32"),
        (b"\xe9" + b"\0" * 600, "its bootloader is damaged or cut off"),
    ],
)
def test_what_is_no_image(data: bytes, said: str, tmp_path: Path) -> None:
    assert said in refusal(changed(tmp_path, data), devkit())


def test_more_flash_than_the_board_has(tmp_path: Path) -> None:
    board = devkit()
    path = made(tmp_path, board, files=(0x200000, 0x600000))
    assert "is for 8192 KiB of flash, and esp32_devkit has 4096" in refusal(path, board)


def test_an_application_that_outgrows_its_partition(tmp_path: Path) -> None:
    data = bytearray(made(tmp_path, devkit()).read_bytes())
    table = 0x8000 - OFFSET
    data[table + 32 + 8 : table + 32 + 12] = (0x1000).to_bytes(4, "little")
    end = data.index(b"\xeb\xeb" + b"\xff" * 14, table)
    data[end + 16 : end + 32] = hashlib.md5(data[table:end]).digest()
    said = refusal(changed(tmp_path, bytes(data)), devkit())
    assert "its application has 19 KiB, and its partition 4" in said


def test_any_changed_byte_of_the_code_is_seen(tmp_path: Path) -> None:
    whole = real_image().read_bytes()
    table = whole.index(b"\xaaP\1\2")
    parts = [
        range(whole.index(b"\xff" * 64)),
        range(table, table + 0xA0),
        range(0xF000, len(whole)),
    ]
    draw = random.Random(11)
    for part in parts:
        for _ in range(12):
            # The byte that says whether a hash follows is itself under no hash.
            at = draw.choice([n for n in draw.choices(part, k=4) if n - part[0] != 23])
            data = bytearray(whole)
            data[at] ^= 1 << draw.randrange(8)
            refusal(changed(tmp_path, bytes(data)), devkit())


def test_any_cut_is_seen(tmp_path: Path) -> None:
    whole = real_image().read_bytes()
    draw = random.Random(12)
    lengths = [1, 23, 24, 0x7000, 0x7001, 0x70A0, 0xF000, 0xF001, len(whole) - 1]
    for length in lengths + [draw.randrange(len(whole)) for _ in range(20)]:
        refusal(changed(tmp_path, whole[:length]), devkit())


def test_random_damage_is_one_line_or_an_image(tmp_path: Path) -> None:
    """Whatever a file holds, nothing but a UsageError comes out."""
    whole = made(tmp_path, devkit()).read_bytes()
    draw = random.Random(13)
    refused = 0
    for _ in range(300):
        data = bytearray(whole)
        for _ in range(draw.randrange(1, 6)):
            # Mostly in the headers and the table, where the parser's decisions are.
            base = draw.choice((0, 0x7000, 0xF000, draw.randrange(len(data))))
            at = min(base + draw.randrange(64), len(data) - 1)
            data[at] = draw.randrange(256)
        try:
            inspect(changed(tmp_path, bytes(data)), devkit())
        except UsageError:
            refused += 1
    assert refused > 250
