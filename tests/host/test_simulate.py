"""The command line as scripts use it: real processes, their output and exit codes."""

import hashlib
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SHORT = ["simulate", "--rounds", "3", "--clients", "4", "--hidden", "8"]
PATIENCE_S = 300


def environment(**more: str) -> dict[str, str]:
    paths = [str(ROOT / "shared"), str(ROOT / "host")]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(paths), "COLUMNS": "200", **more}


def paebiru(*args: str, cwd: Path, **more: str) -> subprocess.CompletedProcess[str]:
    """Run the command; `more` is set in its environment."""
    return subprocess.run(
        [sys.executable, "-m", "paebiru.cli", *args],
        cwd=cwd,
        env=environment(**more),
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )


def events(*args: str, cwd: Path) -> list[dict]:
    done = paebiru(*args, "--json", cwd=cwd)
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def refused(*args: str, cwd: Path, **more: str) -> str:
    """Return the one line that a wrong input is answered with."""
    done = paebiru(*args, cwd=cwd, **more)
    assert done.returncode == 2, (done.stdout, done.stderr)
    assert "Traceback" not in done.stderr
    lines = done.stderr.strip().splitlines()
    assert len(lines) == 1, done.stderr
    return lines[0]


def test_whole_boards_learn_the_same_and_every_byte_is_counted(tmp_path: Path) -> None:
    _, *light, one = events(*SHORT, "--no-reference", cwd=tmp_path)
    _, *whole, other = events(*SHORT, "--no-reference", "--whole", cwd=tmp_path)
    assert other["model_sha256"] == one["model_sha256"]
    for a, b in zip(light, whole, strict=True):
        assert b["accuracy"] == a["accuracy"]
        assert a["bytes_up"] + 100 < b["bytes_up"] < a["bytes_up"] + 1000  # frames, status, offers
        assert a["bytes_down"] + 100 < b["bytes_down"] < a["bytes_down"] + 1000


def test_json_lines_hold_what_scripts_rely_on(tmp_path: Path) -> None:
    start, *rounds, done = events(*SHORT, "--out", "here", cwd=tmp_path)
    assert start["event"] == "start" and start["weights"] == 64 * 8 + 8 + 80 + 10
    assert [r["round"] for r in rounds] == [1, 2, 3]
    assert done["event"] == "done" and done["rounds"] == 3
    assert done["float32_bytes"] == 4 * start["weights"]
    assert done["bytes_up"] == pytest.approx(sum(r["bytes_up"] for r in rounds) / 3)
    assert done["bytes_down"] == pytest.approx(sum(r["bytes_down"] for r in rounds) / 3)
    assert done["accuracy"] == pytest.approx(sum(r["accuracy"] for r in rounds) / 3)
    assert 0 < done["float32_accuracy"] <= 1
    model = (tmp_path / "here" / "model.jsil").read_bytes()
    assert hashlib.sha256(model).hexdigest() == done["model_sha256"]
    assert (tmp_path / "here" / "accuracy.png").read_bytes().startswith(b"\x89PNG")


def test_workers_and_backends_change_no_byte(tmp_path: Path, monkeypatch) -> None:
    plan = [*SHORT, "--no-reference", "--seed", "7", "--split", "dirichlet"]
    hashes = {
        events(*plan, "--workers", str(n), cwd=tmp_path)[-1]["model_sha256"] for n in (1, 2, 3)
    }
    monkeypatch.setenv("PAEBIRU_BACKEND", "plain")
    hashes.add(events(*plan, cwd=tmp_path)[-1]["model_sha256"])
    other = events(*plan[:-3], "8", "--split", "dirichlet", cwd=tmp_path)[-1]["model_sha256"]
    assert len(hashes) == 1 and other not in hashes


def test_a_person_sees_every_round_and_the_table(tmp_path: Path) -> None:
    done = paebiru(*SHORT, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "4 boards" in done.stdout
    for number in (1, 2, 3):
        assert f"round {number:>4} " in done.stdout
    assert "float32 FedAvg" in done.stdout
    assert str(Path("run") / "model.jsil") in done.stdout


WRONG = {
    "unknown set": (["--dataset", "mnist"], "take one of"),
    "no clients": (["--clients", "0"], "1 or more"),
    "more clients than samples": (["--dataset", "wine", "--clients", "999"], "at most"),
    "share 0": (["--share", "0"], "more than 0"),
    "share over 1": (["--share", "1.5"], "at most"),
    "share not a number": (["--share", "nan"], "more than 0"),
    "no rounds": (["--rounds", "0"], "1 or more"),
    "alpha 0": (["--split", "dirichlet", "--alpha", "0"], "1e-6 to 1e6"),
    "alpha not a number": (["--alpha", "nan"], "1e-6 to 1e6"),
    "no number": (["--share", "much"], "--share"),
    "no such option": (["--bogus"], "--help"),
    "markup in a name": (["--dataset", "[/bold]"], "'[/bold]' is unknown"),
    "nowhere to write": (["--out", "/proc/nowhere"], "--out"),
    "unknown split": (["--split", "fair"], "iid, dirichlet or natural"),
    "no natural groups": (["--split", "natural"], "iid or by dirichlet"),
    "hidden not units": (["--hidden", "many"], "32 or 64,32"),
    "hidden too wide": (["--hidden", "100000"], "1..1024"),
    "seed too large": (["--seed", str(2**40)], "below 2**29"),
    "no workers": (["--workers", "0"], "1 or more"),
    "rate 0": (["--rate", "0"], "at most 16"),
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_input_is_one_line_that_names_the_way_out(name: str, tmp_path: Path) -> None:
    args, way_out = WRONG[name]
    assert way_out in refused("simulate", *args, cwd=tmp_path)


def test_an_unknown_backend_is_refused(tmp_path: Path) -> None:
    line = refused(*SHORT, cwd=tmp_path, PAEBIRU_BACKEND="gpu")
    assert "numba, plain" in line


def test_a_model_can_be_gone_on_from(tmp_path: Path) -> None:
    first = events(*SHORT, "--no-reference", cwd=tmp_path)
    more = events(*SHORT, "--no-reference", "--start", "run/model.jsil", cwd=tmp_path)
    assert more[1]["accuracy"] > first[1]["accuracy"]
    size = (tmp_path / "run" / "model.jsil").stat().st_size
    assert more[1]["bytes_down"] > size * 0.9 > more[2]["bytes_down"]


def test_a_start_that_is_no_such_model_is_refused(tmp_path: Path) -> None:
    assert paebiru(*SHORT, "--no-reference", cwd=tmp_path).returncode == 0
    model = (tmp_path / "run" / "model.jsil").read_bytes()
    files = {"cut": model[:-5], "text": b"digits", "flipped": model[:-9] + b"!" + model[-8:]}
    for name, data in files.items():
        (tmp_path / name).write_bytes(data)
        assert name in refused(*SHORT, "--start", name, cwd=tmp_path)
    other = refused("simulate", "--start", "run/model.jsil", cwd=tmp_path)
    assert "64-8-10" in other and "64-32-10" in other
    assert "cannot be read" in refused(*SHORT, "--start", "missing", cwd=tmp_path)


def test_a_run_that_diverges_keeps_its_last_good_round(tmp_path: Path) -> None:
    diverging = ["--rate", "16", "--rounds", "1000"]
    done = paebiru("simulate", *diverging, "--no-reference", "--json", cwd=tmp_path)
    assert done.returncode == 2 and "--rate" in done.stderr
    last = json.loads(done.stdout.splitlines()[-1])
    assert last["event"] == "done" and 0 < last["rounds"] < 1000
    model = (tmp_path / "run" / "model.jsil").read_bytes()
    assert hashlib.sha256(model).hexdigest() == last["model_sha256"]


def test_ctrl_c_keeps_the_rounds_that_are_done(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "paebiru.cli", "simulate", "--rounds", "100000", "--json"]
    with subprocess.Popen(
        command,
        cwd=tmp_path,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        # Whoever runs the tests in the background has it ignore Ctrl-C; the user does not.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    ) as process:
        assert process.stdout is not None and process.stderr is not None
        for _ in range(3):  # the start and two rounds
            process.stdout.readline()
        process.send_signal(signal.SIGINT)
        rest, errors = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 130
    assert b"Traceback" not in errors
    done = json.loads(rest.splitlines()[-1])
    assert done["event"] == "done" and done["rounds"] >= 2
    assert (tmp_path / "run" / "model.jsil").exists()
