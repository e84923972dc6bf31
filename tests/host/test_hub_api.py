"""The hub's HTTP API: what it answers, asked over a socket, with whole boards behind the hub."""

import hashlib
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from hub_api_lab import BOARDS, ApiLab, running
from paebiru import __version__, models
from paebiru.federated import branches
from paebiru.federated.durable import at_head
from paebiru.store import RoundRow, Store
from paebiru.store.rows import changed

ONE, TWO, AWAY = (device.hex() for device in BOARDS)


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApiLab]:
    with running(tmp_path_factory.mktemp("hub")) as made:
        made.until(lambda: len(made.hub.summaries) >= 3)
        yield made


@pytest.fixture(autouse=True)
def _time_passes_for_one_hub(lab: ApiLab) -> Iterator[None]:
    """Let the module's boards rest between its tests: other modules' hubs share its thread."""
    lab.is_frozen = False
    yield
    lab.is_frozen = True


# -- the hub and its rounds


def test_the_hub_shows_itself(lab: ApiLab) -> None:
    shown = lab.get("/v1/hub").json
    assert shown["version"] == __version__
    assert (shown["devices_up"], shown["devices_known"]) == (2, 3)
    assert shown["policy"]["boards"] == 2
    assert shown["round"]["number"] >= 3
    assert shown["round"]["is_paused"] is False
    assert shown["model"]["weights"] == 139
    assert shown["model"]["sizes"] == [13, 8, 3]
    assert abs(time.time() - shown["started"] - shown["uptime"]) < 60


def test_rounds_come_newest_first_and_by_part(lab: ApiLab) -> None:
    with lab.quiet():
        whole = lab.get("/v1/rounds?limit=1000").json
        numbers = [shown["round"] for shown in whole["rounds"]]
        assert numbers == list(range(whole["total"], 0, -1))
        part = lab.get("/v1/rounds?limit=2&offset=1").json
        assert part["rounds"] == whole["rounds"][1:3]
        assert part["total"] == whole["total"]
        assert lab.get(f"/v1/rounds?offset={whole['total']}").json["rounds"] == []


def put(store: Store, row: RoundRow) -> None:
    with store.change():
        store.put_round(row)


def test_one_round_is_what_was_told_of_it(lab: ApiLab) -> None:
    shown = lab.get("/v1/rounds/2").json
    told = lab.do(lambda: dict(lab.hub.summaries[1]))
    assert told.pop("close_ms") > 0
    assert {key: shown[key] for key in told} == told
    assert (shown["updates"], shown["branch"], shown["settings"]) == (2, 0, {"rule": "mean"})
    assert 0 < shown["accuracy"] <= 1
    assert shown["opened"] < shown["closed"]
    assert [part["device"] for part in shown["parts"]] == [ONE, TWO]
    assert sum(part["bytes"] for part in shown["parts"]) == shown["bytes_up"]
    assert sum(part["samples"] for part in shown["parts"]) == shown["samples"]
    store = lab.federation.store
    row = lab.do(lambda: store.round(2))
    lab.do(lambda: put(store, changed(row, roster=bytes.fromhex(ONE))))  # TWO came to nothing
    assert [part["device"] for part in lab.get("/v1/rounds/2").json["parts"]] == [ONE]
    lab.do(lambda: put(store, row))
    missing = lab.get("/v1/rounds/99999999")
    assert missing.status == 404
    assert "99999999" in missing.json["error"]
    with lab.quiet():
        last = lab.get("/v1/rounds?limit=1").json["rounds"][0]
        assert lab.do(lambda: lab.federation.name.hex()) == last["model"]


def test_the_hubs_own_layers_are_those_of_its_model(lab: ApiLab) -> None:
    for _ in range(2):
        with lab.quiet():
            made = lab.federation
            layers = lab.do(lambda: branches.layers(made, branches.generation(made)))  # noqa: B023
            assert lab.get("/v1/hub").json["model"]["layers"] == bytes(layers).hex()
            count = lab.do(lambda: len(lab.hub.summaries))
        lab.until(lambda: len(lab.hub.summaries) > count)  # noqa: B023


def test_stop_lets_the_open_round_end_and_start_goes_on(lab: ApiLab) -> None:
    stopped = lab.post("/v1/rounds/stop")
    assert stopped.status == 200
    assert stopped.json["is_paused"] is True
    lab.until(lambda: not lab.federation.is_open)
    number = lab.do(lambda: lab.federation.number)
    virtual = lab.do(lambda: lab.lab.clock.now)
    lab.until(lambda: lab.lab.clock.now > virtual + 20_000)
    assert lab.do(lambda: (lab.federation.number, lab.federation.is_open)) == (number, False)
    assert lab.get("/v1/hub").json["round"]["is_paused"] is True
    assert lab.post("/v1/rounds/start").json["is_paused"] is False
    lab.until(lambda: lab.federation.number > number)
    assert lab.told("paused")
    assert lab.told("resumed")


def test_the_model_is_the_federations_and_its_etag_its_hash(lab: ApiLab, tmp_path: Path) -> None:
    with lab.quiet():
        reply = lab.get("/v1/model")
        digest = hashlib.sha256(reply.data).hexdigest()
        assert reply.headers["ETag"] == f'"{digest}"'
        assert lab.get("/v1/hub").json["model"]["sha256"] == digest
        file = tmp_path / "model.jsil"
        file.write_bytes(reply.data)
        assert lab.do(lambda: models.load(file, (13, 8, 3))[0] == lab.federation.master.codes())
        again = lab.get("/v1/model", **{"If-None-Match": f'"{digest}"'})
        assert (again.status, again.data) == (304, b"")
        assert again.headers["ETag"] == f'"{digest}"'
        number = lab.do(lambda: len(lab.hub.summaries))
    lab.until(lambda: len(lab.hub.summaries) > number)
    assert lab.get("/v1/model", **{"If-None-Match": f'"{digest}"'}).status == 200


# -- boards


def test_boards_are_listed_with_their_keys(lab: ApiLab) -> None:
    lab.post(f"/v1/devices/{ONE}/control", {"what": "health"})
    lab.until(lambda: lab.hub.known[BOARDS[0]].health)
    listed = lab.get("/v1/devices").json
    assert listed["total"] == 3
    assert [shown["device"] for shown in listed["devices"]] == [ONE, TWO, AWAY]
    one, _, away = listed["devices"]
    assert one["is_up"]
    assert one["key"] == "good"
    assert one["samples"] > 10
    assert len(one["state"]) == 32
    assert one["health"]["boots"] == lab.do(lambda: lab.lab.boards[BOARDS[0]].node.health.boots)
    assert (away["is_up"], away["since"], away["health"]) == (False, 0, None)
    assert lab.get("/v1/devices?limit=1&offset=1").json["devices"][0]["device"] == TWO


def test_one_board_is_shown_and_others_are_not_known(lab: ApiLab) -> None:
    assert lab.get(f"/v1/devices/{TWO}").json["phase"] in ("idle", "training", "reporting")
    for path in ("", "/revoke", "/control", "/label"):
        ask = lab.post if path else lab.get
        unknown = ask(f"/v1/devices/{'ab' * 8}{path}", *_good_body(path))
        assert unknown.status == 404
        assert "/v1/devices" in unknown.json["hint"]
        wrong = ask(f"/v1/devices/xyz{path}", *_good_body(path))
        assert wrong.status == 400
        assert "16 hex digits" in wrong.json["error"]


def _good_body(path: str) -> list[dict[str, object]]:
    if not path:
        return []
    return [{"/control": {"what": "health"}, "/label": {"class": 0}}.get(path, {})]


def test_what_boards_are_told_happens(lab: ApiLab) -> None:
    board = lab.lab.boards[BOARDS[0]]
    sent = lab.post(f"/v1/devices/{ONE}/control", {"what": "period", "ms": 500})
    assert (sent.status, sent.json) == (202, {"device": ONE, "sent": "period"})
    lab.until(lambda: board.node.config.period == 500)
    refused = lab.post(f"/v1/devices/{ONE}/control", {"what": "period", "ms": 40_500})
    assert refused.status == 400
    assert "whole seconds" in refused.json["error"], refused.json
    with lab.quiet():
        good = lab.do(lambda: board.node.learning.model.hex())
        lab.post(f"/v1/devices/{ONE}/control", {"what": "pin", "model": good})
        lab.until(lambda: "gold.pbc" in board.flash.files)
    lab.post(f"/v1/devices/{ONE}/control", {"what": "roll-back", "model": "00" * 8})
    lab.until(
        lambda: any(
            "no checkpoint has the model 0000000000000000" in reason
            for reason in lab.hub.known[BOARDS[0]].health.get("reasons", ())
        )
    )
    boots = lab.do(lambda: lab.hub.known[BOARDS[0]].health["boots"])
    assert lab.post(f"/v1/devices/{ONE}/control", {"what": "restart"}).status == 202
    lab.until(lambda: board.boots == boots + 1)
    lab.until(lambda: lab.hub.devices[BOARDS[0]].status)


def test_a_label_becomes_a_sample(lab: ApiLab) -> None:
    board = lab.lab.boards[BOARDS[1]]
    before = lab.do(lambda: board.node.samples.count)
    assert lab.post(f"/v1/devices/{TWO}/label", {"class": 2}).status == 202
    lab.until(lambda: board.node.samples.count == before + 1)
    wrong = lab.post(f"/v1/devices/{TWO}/label", {"class": 3})
    assert wrong.status == 409
    assert "from 0 to 2" in wrong.json["hint"]


def test_a_board_that_is_not_there_cannot_be_told(lab: ApiLab) -> None:
    for path in ("control", "label"):
        reply = lab.post(f"/v1/devices/{AWAY}/{path}", *_good_body(f"/{path}"))
        assert reply.status == 409
        assert "is not there" in reply.json["error"]


def test_a_board_with_too_much_waiting_is_said_to_be_busy(lab: ApiLab) -> None:
    lab.is_frozen = True
    try:
        device = lab.do(lambda: lab.hub.devices[BOARDS[1]])
        assert not lab.do(lambda: all(device.control(6) for _ in range(10_000)))
        reply = lab.post(f"/v1/devices/{TWO}/control", {"what": "health"})
    finally:
        lab.is_frozen = False
    assert reply.status == 503
    assert int(reply.headers["Retry-After"]) > 0
    lab.until(lambda: device.control(6))


def test_forking_takes_a_board_out_and_revoking_hangs_up(tmp_path: Path) -> None:
    with running(tmp_path) as lab:
        board = lab.lab.boards[BOARDS[0]]
        lab.until(lambda: len(lab.hub.summaries) >= 1)
        lab.is_frozen = True  # it may say at any time how it is
        if lab.do(lambda: lab.hub.devices[BOARDS[0]].health is None):
            reply = lab.post(f"/v1/devices/{ONE}/control", {"what": "restart"})
            assert reply.status == 409
            assert "boots" in reply.json["hint"]
        lab.is_frozen = False
        lab.post(f"/v1/devices/{ONE}/control", {"what": "fork", "branch": 5})
        lab.until(lambda: lab.hub.known[BOARDS[0]].branch == 5)
        shown = lab.get(f"/v1/devices/{ONE}").json
        assert (shown["branch"], shown["own_branch"]) == (5, 5)
        lab.post(f"/v1/devices/{ONE}/control", {"what": "fork", "branch": None})
        lab.until(lambda: board.node.learning.branch == 0)
        assert lab.get(f"/v1/devices/{ONE}").json["own_branch"] is None
        reply = lab.post(f"/v1/devices/{ONE}/revoke")
        assert (reply.status, reply.json) == (200, {"revoked": ONE})
        lab.until(lambda: not lab.hub.known[BOARDS[0]].is_up)
        assert lab.told("revoked")[0]["device"] == ONE
        assert lab.get(f"/v1/devices/{ONE}").json["key"] == "revoked"
        assert lab.get(f"/v1/devices/{TWO}").json["key"] == "good"
        assert lab.post(f"/v1/devices/{AWAY}/revoke").status == 200
        assert lab.get(f"/v1/devices/{AWAY}").json["key"] == "revoked"


# -- what is stored


def test_what_was_before_a_start_of_the_hub_is_told(tmp_path: Path) -> None:
    with running(tmp_path) as lab:
        lab.until(lambda: len(lab.hub.summaries) >= 3)
        lab.post("/v1/rounds/stop")
        lab.until(lambda: not lab.federation.is_open)
        lab.do(lambda: lab.hub.count_bytes(BOARDS[0], "tcp", 100, 50))
        before = lab.get("/v1/rounds").json
        shown = lab.get("/v1/hub").json
    with closing(Store(tmp_path / "store")) as store:
        first = store.history.checkpoint(2)
        federation = at_head(store)
        branches.rollback(federation, first.id)
        branches.fork(federation, 1)
        best = store.history.ref(0, "best")
        assert best
    with running(tmp_path, boards=0, branch=1) as lab:
        assert lab.get("/v1/rounds").json == before
        number = before["total"]
        assert lab.get(f"/v1/rounds/{number}").json["ledger"] == [
            {"device": ONE, "link": "tcp", "up": 100, "down": 50}
        ]
        now = lab.get("/v1/hub").json
        assert (now["round"]["number"], now["round"]["branch"]) == (number, 1)
        assert now["model"]["name"] == first.name.hex()
        # LD, LE, LF: branch 1, something that the boards lack still, two rounds old with the first
        assert (shown["model"]["layers"][:2], now["model"]["layers"][:2]) == ("80", "81")
        assert now["model"]["layers"][4:] == "92"
        history = lab.get("/v1/history").json
        assert (history["total"], history["branch"]) == (number + 2, 1)
        newest, *_, oldest = history["checkpoints"]
        assert (newest["kind"], newest["parent"], newest["branch"]) == ("fork", 2, 1)
        assert newest["names"] == [{"branch": 1, "name": "head"}]
        assert (oldest["kind"], oldest["round"], oldest["parent"]) == ("first", None, None)
        back = [{"branch": 0, "name": "head"}]
        assert [c["names"] for c in history["checkpoints"][:-1] if back[0] in c["names"]]
        part = lab.get("/v1/history?branch=0&limit=2&offset=1").json
        assert part["checkpoints"] == history["checkpoints"][2:4]
        assert part["total"] == number + 1
        model = lab.get(f"/v1/models/{first.name.hex()}")
        assert model.data == lab.get("/v1/model").data == lab.get("/v1/models/head").data
        tag = {"If-None-Match": model.headers["ETag"]}
        assert lab.get("/v1/models/head", **tag).status == 304
        for which in ("best", "final", "0" * 16):
            missing = lab.get(f"/v1/models/{which}")
            assert missing.status == 404
            assert which in missing.json["error"]
        figures = lab.get("/metrics").data.decode()
        assert "paebiru_branch 1.0" in figures
    with running(tmp_path, boards=0) as lab:
        assert f"paebiru_best_accuracy {best.accuracy}" in lab.get("/metrics").data.decode()
        held = lab.get("/v1/models/best")
        assert held.data == lab.get(f"/v1/models/{best.name.hex()}").data


def test_a_store_that_rots_is_said_and_the_hub_goes_on(lab: ApiLab) -> None:
    with lab.quiet():
        db = lab.federation.store.db

        def rot(accuracy: float | None) -> None:
            with db.change():
                db.run("UPDATE checkpoints SET accuracy = ? WHERE id = 1", (accuracy,))

        lab.do(lambda: rot(0.5))
        reply = lab.get("/v1/history?limit=1000")
        lab.do(lambda: rot(None))
        assert reply.status == 500
        assert "is damaged (a row of checkpoints, id 1)" in reply.json["error"]
        assert lab.get("/v1/history?limit=1").status == 200


def test_who_reads_the_store_for_long_holds_nobody_up(lab: ApiLab) -> None:
    slow = ["/v1/rounds", "/v1/rounds/1", "/v1/history", "/v1/models/head", "/v1/ledger"]
    with lab.quiet(), ThreadPoolExecutor(len(slow)) as others:
        lab.is_frozen = True
        with lab.federation.store.db._lock:  # as another reader, in a thread of its own
            waiting = [others.submit(lab.get, path) for path in slow]
            for _ in range(20):
                assert lab.get("/v1/devices").status == 200
            assert lab.get("/metrics").status == 200
            assert not any(reply.done() for reply in waiting)
        assert [reply.result().status for reply in waiting] == [200] * len(slow)
        lab.is_frozen = False


# -- figures


def test_the_ledger_adds_up(lab: ApiLab) -> None:
    with lab.quiet():
        number = lab.do(lambda: lab.federation.number)
        one, two = BOARDS[:2]

        def count() -> None:
            lab.hub.count_bytes(one, "memory", 30, 4)
            lab.hub.count_bytes(one, "serial", 3, 5)
            lab.federation.store.notes.flush()
            lab.hub.count_bytes(one, "serial", 2, 1)
            lab.hub.count_bytes(two, "memory", 1, 2)
            lab.federation.store.notes.count(two, "memory", "up", number - 1, 1000)

        lab.do(count)
        entries = lab.get(f"/v1/rounds/{number}").json["ledger"]
        assert [(e["device"], e["link"], e["up"], e["down"]) for e in entries] == [
            (ONE, "memory", 30, 4), (ONE, "serial", 5, 6), (TWO, "memory", 1, 2),
        ]  # fmt: skip
        ledger = lab.get("/v1/ledger").json
        assert (ledger["up"], ledger["down"]) == (1036, 12)
        assert ledger["entries"][2] == {"device": TWO, "link": "memory", "up": 1001, "down": 2}
        assert lab.get(f"/v1/devices/{ONE}").json["up"] == 35


def test_metrics_are_what_happened(lab: ApiLab) -> None:
    lab.do(lambda: lab.hub.known[BOARDS[1]].count("udp", 7, 8))
    lab.get("/v1/hub?wrong=1")
    lab.post(f"/v1/devices/{ONE}/control", {"what": "roll-back", "model": "ff" * 8})
    lab.until(lambda: "ff" * 8 in str(lab.hub.known[BOARDS[0]].health))
    with lab.quiet():
        reply = lab.get("/metrics")
        expected = lab.do(lambda: (len(lab.hub.summaries), lab.hub.summaries[-1]["accuracy"]))
    assert reply.headers["Content-Type"].startswith("text/plain; version=0.0.4")
    found = {
        (sample.name, *(value for _, value in sorted(sample.labels.items(), reverse=True))): (
            sample.value
        )
        for family in text_string_to_metric_families(reply.data.decode())
        for sample in family.samples
    }
    rounds, accuracy = expected
    assert found[("paebiru_devices_up",)] == 2
    assert found[("paebiru_rounds_total",)] == rounds
    assert found[("paebiru_round",)] == rounds
    assert found[("paebiru_accuracy",)] == accuracy
    assert found[("paebiru_updates_total", ONE)] + found[("paebiru_updates_total", TWO)] >= rounds
    assert found[("paebiru_states_total",)] > 10
    assert found[("paebiru_round_seconds_count",)] == rounds
    assert found[("paebiru_hub_info", __version__)] == 1
    assert found[("paebiru_alarms_total", ONE)] >= 1
    assert found[("paebiru_link_bytes_total", "udp", "up", TWO)] == 7
    assert found[("paebiru_link_bytes_total", "udp", "down", TWO)] == 8
    assert found[("paebiru_api_denied_total", "400")] >= 1
