"""`paebiru hub` with its HTTP API, boards that are MicroPython processes, and API.md's examples."""

import hashlib
import http.client
import json
import os
import re
import shutil
import subprocess
import threading
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

import light_boards
from documented import SPEC, assert_documented
from hub_api_lab import BOARDS, ApiLab, Caller, running
from hub_process import PAEBIRU, PATIENCE, HubProcess, free_port
from paebiru.device import Answer
from targets import ROOT
from test_hub import make_boards

TOKEN = "a-token-of-some-length"
STREAM_ONLY = {"alive", "gap", "dropped"}


def test_what_is_told_has_the_fields_that_are_documented(tmp_path: Path) -> None:
    with running(tmp_path, 2) as lab:
        lab.until(lambda: lab.hub.summaries)
        one = BOARDS[0].hex()
        lab.post("/v1/rounds/stop")
        lab.post("/v1/rounds/start")
        lab.post(f"/v1/devices/{one}/control", {"what": "health"})
        lab.until(lambda: lab.hub.known[BOARDS[0]].health)
        lab.until(lambda: lab.hub.known[BOARDS[0]].state)
        by_hand(lab)
        lab.post(f"/v1/devices/{one}/revoke")
        lab.until(lambda: not lab.hub.known[BOARDS[0]].is_up)
        said = lab.do(lambda: list(lab.tell.newest))
    for one_said in said:
        assert_documented(one_said)
    boards = SPEC[SPEC.index("## Boards") :].split("\n## ")[0]
    of_boards = set(re.findall(r"^\| `(\w+)`", boards, re.MULTILINE))
    assert of_boards <= {one_said["event"] for one_said in said}


def by_hand(lab: ApiLab) -> None:
    """Have the hub hear what these boards have no reason to say."""

    def say() -> None:
        device = lab.hub.devices[BOARDS[1]]
        lab.hub.on_text(device, "hello")
        lab.hub.on_answer(device, Answer(bytes(10)))
        lab.hub.take(device, 3, b"no update", lambda code: None)
        lab.hub.told("shares", device, 32)  # boards that are in no group send none

    lab.do(say)


# -- the command


def test_it_is_not_open_to_others_without_a_token(tmp_path: Path) -> None:
    def refused(*options: str) -> str:
        environment = {k: v for k, v in os.environ.items() if k != "PAEBIRU_TOKEN"}
        done = subprocess.run(
            [PAEBIRU, "hub", "--dir", str(tmp_path), "--no-find", "--listen", "127.0.0.1:0",
             *options],
            capture_output=True, text=True, check=False, timeout=180, env=environment,
        )  # fmt: skip
        assert done.returncode == 2
        assert len(done.stderr.strip().splitlines()) == 1
        return done.stderr

    assert "--token-file" in refused("--api", "0.0.0.0:0")
    assert "HOST:PORT" in refused("--api", "7380")
    short = tmp_path / "token"
    short.write_text("short")
    assert "holds no token" in refused("--token-file", str(short))


@pytest.mark.skipif(light_boards.VM is None, reason="no micropython: make setup")
def test_boards_rounds_and_the_examples_of_the_documentation(tmp_path: Path) -> None:
    port, api = free_port(), free_port()
    boards = make_boards(tmp_path, 2, port, samples=20)
    (tmp_path / "token").write_text(TOKEN)
    (tmp_path / "places.toml").write_text(
        '[electronic]\nclasses = ["work", "fault"]\n'
        f'[places.greenhouse]\nboards = ["{boards[0].device.hex()}"]\n'
    )
    options = ("--listen", f"127.0.0.1:{port}", "--boards", "2", "--rounds", "1000",
               "--api", f"127.0.0.1:{api}", "--token-file", str(tmp_path / "token"),
               "--places", str(tmp_path / "places.toml"))  # fmt: skip
    with ExitStack() as stack:
        running = HubProcess(tmp_path / "hub", *options, api=True)
        stack.callback(running.process.kill)
        for board in boards:
            stack.callback(board.kill)
        assert running.event("api")["token"] is True
        running.event("listening")
        caller = Caller(api, Authorization=f"Bearer {TOKEN}")
        streamed = stream(api, stack)
        for board in boards:
            board.start()
        running.event("round")
        running.event("round")
        examples(api, boards[0].device.hex(), tmp_path)
        caller.post("/v1/rounds/stop")  # models of old rounds are let go while one looks
        end = time.monotonic() + PATIENCE
        while caller.get("/v1/hub").json["round"]["is_open"]:
            assert time.monotonic() < end
            time.sleep(0.1)
        ledger = caller.get("/v1/ledger").json
        shown = caller.get("/v1/hub").json
        older = caller.get("/v1/rounds?limit=2").json["rounds"][1]["model"]
        model = caller.get(f"/v1/models/{older}")
        assert model.status == 200
        assert model.headers["ETag"] == f'"{hashlib.sha256(model.data).hexdigest()}"'
        assert model.data != caller.get("/v1/model").data
        assert caller.get(f"/v1/models/{'00' * 8}").status == 404
        assert running.stop() == 0
        stopped = running.event("stopped")
        assert streamed()[-1] == stopped
    assert {entry["device"] for entry in ledger["entries"]} == {b.device.hex() for b in boards}
    for entry in ledger["entries"]:
        assert entry["link"] == "tcp"
        assert entry["up"] > 1000
        assert entry["down"] > 1000
    assert shown["devices_up"] == 2
    assert shown["round"]["number"] >= 2
    for said in running.events:
        assert_documented(said)
    assert [s for s in streamed() if s["event"] not in STREAM_ONLY] == running.events


def stream(port: int, stack: ExitStack) -> Any:
    """Read the events from the first one on, in a thread; return what waits for and returns all."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=180)
    stack.callback(connection.close)
    connection.request("GET", "/v1/events?since=0", headers={"Authorization": f"Bearer {TOKEN}"})
    response = connection.getresponse()
    assert response.status == 200
    heard: list[dict[str, Any]] = []
    reader = threading.Thread(
        target=lambda: heard.extend(json.loads(line) for line in response), daemon=True
    )
    reader.start()

    def all_of_it() -> list[dict[str, Any]]:
        reader.join(PATIENCE)
        assert not reader.is_alive()
        return heard

    return all_of_it


def examples(port: int, device: str, folder: Path) -> None:
    """Run the documentation's curl lines."""
    if shutil.which("curl") is None:
        assert os.environ.get("CI") != "true", "curl must run in CI"
        return
    page = (ROOT / "host" / "paebiru" / "hub" / "API.md").read_text(encoding="utf-8")
    blocks = re.findall(r"```sh\n(.*?)```", page, re.DOTALL)
    lines = [line for line in "".join(blocks).splitlines() if line.startswith("curl ")]
    assert len(lines) > 8
    for line in lines:
        command = line.replace("127.0.0.1:7380", f"127.0.0.1:{port}")
        if "Authorization" not in command:
            command += f" -H 'Authorization: Bearer {TOKEN}'"
        done = subprocess.run(
            ["bash", "-c", command], cwd=folder, capture_output=True, timeout=180, check=False,
            env={**os.environ, "DEVICE": device},
        )  # fmt: skip
        ends = 28 if "--max-time" in line else 0  # the stream has no end of its own
        assert done.returncode == ends, (line, done.stdout, done.stderr)
        if "-o " not in line:
            assert done.stdout
    assert (folder / "model.jsil").stat().st_size > 500
