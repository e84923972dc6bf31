"""Checkpoints on flash that loses its power: littlefs here, littlefs and FAT in the VM."""

import io
import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from littlefs import LittleFS, LittleFSError
from littlefs.context import UserContext

from paebiru.sim.flash import Flash
from paebiru_node.errors import PortError
from paebiru_node.slots import GOLD, NAMES, Slots

ROOT = Path(__file__).parents[2]
VM = shutil.which("micropython", path=str(Path(sys.executable).parent))
BLOCK, BLOCKS, PROG = 4096, 32, 32  # as MicroPython's littlefs on an ESP32, a small one
WRITES = 8
TORN = ("nothing", "half", "all")


def model(generation: int) -> bytes:
    return bytes([generation]) * 8


def parts(generation: int) -> list[bytes]:
    return [bytes([generation]) * 1000, bytes([generation ^ 0x55]) * 2100]


class CutFlash(UserContext):
    """Flash whose power goes at the n-th write or erase, and how much of that one still happens."""

    def __init__(self, buffer: bytearray, cut: int = 0, torn: str = "nothing") -> None:
        super().__init__(buffer=buffer)
        self.count, self.cut, self.torn = 0, cut, torn

    def _left(self, size: int) -> int:
        self.count += 1
        if not self.cut or self.count < self.cut:
            return size
        if self.count > self.cut:
            return 0
        return {"nothing": 0, "half": size // 2, "all": size}[self.torn]

    def prog(self, cfg: Any, block: int, off: int, data: bytes) -> int:
        size = self._left(len(data))
        start = block * cfg.block_size + off
        self.buffer[start : start + size] = data[:size]
        return 0

    def erase(self, cfg: Any, block: int) -> int:
        size = self._left(cfg.block_size)
        start = block * cfg.block_size
        self.buffer[start : start + size] = b"\xff" * size
        return 0

    @property
    def is_dead(self) -> bool:
        return bool(self.cut) and self.count >= self.cut


class PowerGone(BaseException):
    """Nothing of the board runs on."""


@dataclass
class Writing:
    """A file on littlefs, until the power goes."""

    file: Any
    flash: CutFlash

    def write(self, data: bytes) -> int:
        return int(self._do(self.file.write, bytes(data)))

    def close(self) -> None:
        self._do(self.file.close)

    def _do(self, act: Any, *arguments: Any) -> Any:
        try:
            if not self.flash.is_dead:
                return act(*arguments)
        except OSError:
            if not self.flash.is_dead:
                raise
        finally:
            if self.flash.is_dead:  # nobody closes it, not even the garbage collector
                self.file.__setattr__("__IOBase_closed", True)
        raise PowerGone


@dataclass
class LittlePort:
    """The files of a port, on littlefs."""

    fs: LittleFS
    flash: CutFlash

    def open(self, name: str, mode: str) -> Any:
        if mode == "rb":
            with self.fs.open(name, "rb", buffering=0) as file:
                return io.BytesIO(file.readall())
        return Writing(self.fs.open(name, "wb", 0), self.flash)


def mounted(flash: CutFlash) -> LittlePort:
    fs = LittleFS(
        context=flash, mount=False, block_size=BLOCK, block_count=BLOCKS, read_size=PROG,
        prog_size=PROG, cache_size=4 * PROG, lookahead_size=32,
    )  # fmt: skip
    fs.mount()
    return LittlePort(fs, flash)


@pytest.fixture(scope="module")
def formatted() -> bytes:
    flash = CutFlash(bytearray(b"\xff" * BLOCK * BLOCKS))
    fs = LittleFS(
        context=flash, mount=False, block_size=BLOCK, block_count=BLOCKS, read_size=PROG,
        prog_size=PROG, cache_size=4 * PROG, lookahead_size=32,
    )  # fmt: skip
    fs.format()
    return bytes(flash.buffer)


def write_until_cut(flash: CutFlash) -> int:
    """Write checkpoints, one pinned, until the power goes; return the last one that was told."""
    told = 0
    slots = Slots(mounted(flash))  # type: ignore[arg-type]
    slots.scan()
    for generation in range(1, WRITES + 1):
        try:
            slots.write(parts(generation), model(generation))
            told = generation
            if generation == WRITES // 2:
                slots.write(parts(generation), model(generation), GOLD)
        except (PowerGone, LittleFSError):
            assert flash.is_dead
            break
    return told


@pytest.mark.parametrize("torn", TORN)
def test_power_cut_at_every_write_of_a_littlefs_loses_nothing(formatted: bytes, torn: str) -> None:
    probe = CutFlash(bytearray(formatted))
    assert write_until_cut(probe) == WRITES
    assert probe.count > 100
    for cut in range(1, probe.count + 1):
        flash = CutFlash(bytearray(formatted), cut, torn)
        told = write_until_cut(flash)
        again = Slots(mounted(CutFlash(flash.buffer)))  # type: ignore[arg-type]
        found = again.scan()
        generation = found.generation if found else 0
        assert told <= generation <= told + 1, f"cut at write {cut} of {probe.count}"
        if found:
            body = bytearray(3100)
            again.body(found).readinto(body)
            assert bytes(body) == b"".join(parts(generation))
            assert found.model == model(generation)
        gold = again.look(GOLD)
        assert gold is None or gold.model == model(WRITES // 2)
        assert (gold is not None) or told <= WRITES // 2


@pytest.mark.skipif(VM is None, reason="micropython is not installed: make setup")
def test_power_cuts_in_the_firmwares_own_file_systems() -> None:
    """On MicroPython's littlefs and its FAT: nothing told is lost, nothing wrong is found."""
    environment = {**os.environ, "MICROPYPATH": f"{ROOT}/shared:{ROOT}/firmware:.frozen"}
    script = str(Path(__file__).with_name("vm_cuts.py"))
    done = subprocess.run(
        [str(VM), "-X", "heapsize=16M", script],
        env=environment, capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    found = json.loads(done.stdout.splitlines()[-1])  # before it: files that were never closed
    assert found["lfs"]["cuts"] > 100
    assert found["lfs"]["lost"] == found["lfs"]["wrong"] == 0
    assert found["fat"]["cuts"] > 50
    assert found["fat"]["lost"] == found["fat"]["wrong"] == 0
    for name, row in found.items():
        print(f"{name}: {row['cuts']} cuts, {row['lost']} lost, {row['wrong']} wrong")


def stored() -> Flash:
    flash = Flash()
    slots = Slots(flash)  # type: ignore[arg-type]
    slots.scan()
    slots.write(parts(1), model(1))
    slots.write(parts(2), model(2))
    return flash


@given(at=st.integers(0, 28 + 3100 + 31), bit=st.integers(0, 7))
def test_a_slot_with_one_wrong_bit_is_none(at: int, bit: int) -> None:
    flash = stored()
    body = bytearray(flash.files[NAMES[1]])
    body[at] ^= 1 << bit
    flash.files[NAMES[1]] = bytes(body)
    found = Slots(flash).scan()  # type: ignore[arg-type]
    assert found is not None
    assert found.generation == 1


@given(size=st.integers(0, 28 + 3100 + 31), tail=st.binary(max_size=3))
def test_a_slot_that_was_cut_is_none(size: int, tail: bytes) -> None:
    flash = stored()
    whole = flash.files[NAMES[1]]
    changed = whole[:size] + tail
    if changed == whole:
        return
    flash.files[NAMES[1]] = changed
    found = Slots(flash).scan()  # type: ignore[arg-type]
    assert found is not None
    assert found.generation == 1


def test_bytes_behind_a_slot_make_it_none() -> None:
    flash = stored()
    flash.files[NAMES[1]] += b"\0"
    found = Slots(flash).scan()  # type: ignore[arg-type]
    assert found is not None
    assert found.generation == 1


def test_a_write_that_is_not_read_back_as_it_was_is_told() -> None:
    flash = stored()
    slots = Slots(flash)  # type: ignore[arg-type]
    slots.scan()
    original = flash.open

    def worn(name: str, mode: str) -> Any:
        if mode == "rb":
            body = bytearray(original(name, mode).read())  # type: ignore[union-attr]
            body[100] ^= 1
            return io.BytesIO(bytes(body))
        return original(name, mode)

    flash_port: Any = type("Port", (), {"open": staticmethod(worn)})()
    slots._port = flash_port
    with pytest.raises(PortError, match="not stored as written"):
        slots.write(parts(3), model(3))
    found = Slots(flash).scan()  # type: ignore[arg-type]
    assert found is not None
    assert found.generation >= 2


def test_the_parent_is_the_model_before() -> None:
    flash = stored()
    slots = Slots(flash)  # type: ignore[arg-type]
    newest = slots.scan()
    assert newest is not None
    assert (newest.generation, newest.model, newest.parent) == (2, model(2), model(1))
    assert slots.find(model(1)) is not None
    assert slots.find(model(9)) is None
