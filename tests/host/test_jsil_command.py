"""`paebiru jsil` as a user has it: real processes on real files."""

import subprocess
from pathlib import Path

import pytest

from test_simulate import paebiru, refused

PLAIN = {"PAEBIRU_BACKEND": "plain"}  # little data: loading compiled kernels would take longer
FRAMES = b"".join(bytes([n, 0x80, 0x84 + n // 3, 0] * 4) for n in range(50))


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    """Return a folder with `raw`, 50 frames of 16 bytes, and its stream."""
    (tmp_path / "raw").write_bytes(FRAMES)
    done = run(tmp_path, "pack", "--frame", "16", "raw", "out.jsil")
    assert done.returncode == 0, done.stderr
    return tmp_path


def run(where: Path, *args: str) -> subprocess.CompletedProcess[str]:
    return paebiru("jsil", *args, cwd=where, **PLAIN)


@pytest.mark.parametrize("mode", ["none", "xor", "rotate", "xorrotate", "Adaptive"])
def test_unpack_is_the_inverse_of_pack(mode: str, recording: Path) -> None:
    options = ("--mode", mode, "--keyframe", "20")
    assert run(recording, "pack", "--frame", "16", *options, "raw", "x.jsil").returncode == 0
    assert run(recording, "unpack", "x.jsil", "back").returncode == 0
    assert (recording / "back").read_bytes() == FRAMES


def test_info_and_verify_say_what_is_there(recording: Path) -> None:
    about = run(recording, "info", "out.jsil")
    assert about.returncode == 0 and "Adaptive" in about.stdout and "50" in about.stdout
    done = run(recording, "verify", "out.jsil")
    assert done.returncode == 0 and "50 frames" in done.stdout


def test_diff_tells_the_same_from_the_changed(recording: Path) -> None:
    same = run(recording, "diff", "out.jsil", "out.jsil")
    assert same.returncode == 0 and "the same 50 frames" in same.stdout
    changed = bytearray(FRAMES)
    changed[16 * 7 + 2] ^= 1
    (recording / "raw").write_bytes(changed)
    assert run(recording, "pack", "--frame", "16", "raw", "new.jsil").returncode == 0
    done = run(recording, "diff", "out.jsil", "new.jsil")
    assert done.returncode == 1 and "frame 7: 1 of 16 bytes differ" in done.stdout


def test_wrong_files_are_one_line_each(recording: Path) -> None:
    stream = (recording / "out.jsil").read_bytes()
    (recording / "cut.jsil").write_bytes(stream[:-1])
    (recording / "flipped.jsil").write_bytes(stream[:-9] + bytes([stream[-9] ^ 4]) + stream[-8:])
    (recording / "other.jsil").write_bytes(stream[:4] + b"\xff" + stream[5:])
    wrong = {
        ("verify", "raw"): "not JSIL",
        ("info", "missing.jsil"): "cannot be read",
        ("verify", "cut.jsil"): "torn",
        ("unpack", "cut.jsil", "x"): "cut",
        ("verify", "flipped.jsil"): "flipped.jsil: ",
        ("info", "other.jsil"): "other.jsil: ",
        ("pack", "--frame", "7", "raw", "x"): "no whole number of frames",
        ("pack", "--frame", "0", "raw", "x"): "1 or more",
        ("pack", "--frame", "16", "--mode", "zip", "raw", "x"): "take one of",
        ("unpack", "out.jsil", "no/such/folder"): "cannot be written",
    }
    for args, way_out in wrong.items():
        assert way_out in refused("jsil", *args, cwd=recording, **PLAIN), args


def test_models_of_another_shape_are_not_compared(recording: Path) -> None:
    (recording / "short").write_bytes(FRAMES[:80])
    assert run(recording, "pack", "--frame", "8", "short", "short.jsil").returncode == 0
    assert "same shape" in refused("jsil", "diff", "out.jsil", "short.jsil", cwd=recording, **PLAIN)
