"""The emulated boards: what the harness takes for granted of them, and a real copy by mpremote."""

import hashlib
import subprocess
import sys
from pathlib import Path

import pytest

from targets import MCU, MCU_TARGETS, staged_twin

sys.path.append(str(MCU))

import emulator


@pytest.fixture(params=["arm", "rv32"])
def arch(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    reason = MCU_TARGETS[f"qemu-{name}"].missing()
    if reason:
        pytest.skip(reason)
    return name


def test_it_is_a_32_bit_board(arch: str) -> None:
    """Small ints have 31 bits: with the heap locked, the next one does not fit."""
    script = """
import gc, micropython, sys
most = 2**30 - 1
micropython.heap_lock()
fits = most - 1 + 1
try:
    most + 1
    print("room")
except MemoryError:
    print("full")
micropython.heap_unlock()
print(sys.maxsize == 2**31 - 1)
"""
    with emulator.powered(arch) as board:
        done = board.mpremote("exec", script, timeout=60)
    assert done.stdout.split() == ["full", "True"]


def test_the_twin_copied_by_mpremote_runs(arch: str, tmp_path: Path) -> None:
    """`mpremote fs cp` of kernels as machine code; they are there to the byte, and right."""
    twin = staged_twin(emulator.ARCHES[arch].march) / "sil"
    for name in ("__init__", "compat", "crc", "kernels/__init__", "kernels/wire"):
        target = tmp_path / "sil" / f"{name}.mpy"
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes((twin / f"{name}.mpy").read_bytes())
    script = """
import hashlib
from sil.crc import Crc32
crc = Crc32()
crc.update(b"123456789", 0, 9)
print("%04x%04x" % (crc.halves[1], crc.halves[0]))
with open("/sil/kernels/wire.mpy", "rb") as file:
    print(hashlib.sha256(file.read()).digest().hex())
"""
    with emulator.powered(arch) as board:
        copied = board.mpremote("fs", "cp", "-r", str(tmp_path / "sil"), ":/", timeout=120)
        assert not copied.returncode, copied.stdout
        # A soft reset lies between: the disk outlives it.
        done = board.mpremote("exec", script, timeout=60)
    digest = hashlib.sha256((tmp_path / "sil/kernels/wire.mpy").read_bytes()).hexdigest()
    assert done.stdout.split() == ["cbf43926", digest], done.stdout


def test_a_board_that_hangs_is_given_up(arch: str) -> None:
    with emulator.powered(arch) as board, pytest.raises(subprocess.TimeoutExpired):
        board.mpremote("exec", "while True: pass", timeout=5)
