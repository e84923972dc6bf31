"""Whom the hub's HTTP API lets in, and how it says what is wrong with a request."""

import os
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from hub_api_lab import BOARDS, ApiLab, Reply, running
from paebiru.errors import UsageError
from paebiru.hub import api as api_module
from paebiru.hub.api import Api
from paebiru.hub.api_guard import ENVIRONMENT, Guard, token
from paebiru.hub.api_routes import ROUTES

TOKEN = "a-token-of-some-length"
ONE = BOARDS[0].hex()


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApiLab]:
    with running(tmp_path_factory.mktemp("hub"), 1, Api("127.0.0.1", 0, patience=3)) as made:
        made.until(lambda: made.hub.devices)
        made.is_frozen = True
        yield made


def assert_refused(reply: Reply, status: int, word: str) -> None:
    assert reply.status == status, reply.data
    assert reply.headers["Content-Type"].startswith("application/json")
    told = reply.json
    assert set(told) == {"error", "hint"}
    assert word in told["error"] + told["hint"]
    assert "\n" not in told["error"] + told["hint"]


# -- pages of a browser


@pytest.mark.parametrize(
    "host",
    ["evil.example", "evil.example:7380", "127.0.0.1.evil.example", "192.168.1.5", "[fe80::1]:80",
     "127.0.0.1:x", "a b", ""],
)  # fmt: skip
def test_a_name_that_resolves_to_this_machine_is_not_this_machine(lab: ApiLab, host: str) -> None:
    assert_refused(lab.get("/v1/hub", Host=host), 403, "Host")


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost:1234", "LOCALHOST", "[::1]:7380"])
def test_this_machine_has_several_names(lab: ApiLab, host: str) -> None:
    assert lab.get("/v1/hub", Host=host).status == 200


@pytest.mark.parametrize("origin", ["https://evil.example", "null", "http://127.0.0.1:1"])
def test_a_page_of_another_site_is_refused(lab: ApiLab, origin: str) -> None:
    assert_refused(lab.post("/v1/rounds/stop", Origin=origin), 403, "page")
    assert lab.get("/v1/hub").json["round"]["is_paused"] is False


def test_a_form_is_refused(lab: ApiLab) -> None:
    for kind in ("application/x-www-form-urlencoded", "text/plain", "multipart/form-data", ""):
        reply = lab.post("/v1/rounds/stop", **{"Content-Type": kind})
        assert_refused(reply, 415, "application/json")
    assert_refused(lab.ask("POST", "/v1/rounds/stop"), 415, "application/json")
    assert lab.get("/v1/hub").json["round"]["is_paused"] is False


# -- the token


def test_with_a_token_nothing_is_told_without_it(tmp_path: Path) -> None:
    with running(tmp_path, 1, Api("127.0.0.1", 0, TOKEN)) as lab:
        right = f"Bearer {TOKEN}"
        for route in ROUTES:
            path = (
                route.path.replace("{device}", ONE)
                .replace("{number}", "1")
                .replace("{name}", "ab" * 8)
            )
            for wrong in ({}, {"Authorization": "Bearer wrong"}, {"Authorization": TOKEN},
                          {"Authorization": f"Basic {TOKEN}"}, {"Authorization": right + "x"},
                          {"Authorization": "Bearer " + TOKEN[:-1]}):  # fmt: skip
                reply = lab.ask(route.method, path, {}, wrong)
                assert_refused(reply, 401, "Bearer")
                assert reply.headers["WWW-Authenticate"] == "Bearer"
        assert lab.get("/v1/hub", Authorization=right).status == 200
        assert lab.get("/v1/hub", Authorization=f"bearer {TOKEN}").status == 200
        assert lab.post("/v1/rounds/stop", Authorization=right).status == 200
        assert lab.get("/v1/hub", Authorization=right, Host="evil.example").status == 403


def test_beyond_this_machine_only_with_a_token(tmp_path: Path) -> None:
    for host in ("0.0.0.0", "192.168.1.5", "::", "hub.example"):
        with pytest.raises(UsageError, match="--token-file"):
            Guard(host, "")
    for host in ("127.0.0.1", "127.8.8.8", "::1", "localhost"):
        Guard(host, "")
    with running(tmp_path, 0, Api("0.0.0.0", 0, TOKEN)) as lab:
        far = {"Host": "hub.example:7380", "Authorization": f"Bearer {TOKEN}"}
        assert lab.get("/v1/hub", **far).status == 200
        assert lab.get("/v1/hub", Host="hub.example").status == 401
    with pytest.raises(UsageError, match="needs a token"), running(tmp_path, 0, Api("0.0.0.0", 0)):
        pass


def test_tokens_come_from_a_file_or_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(ENVIRONMENT, raising=False)
    assert token(None) == ""
    monkeypatch.setenv(ENVIRONMENT, "from-the-environment")
    assert token(None) == "from-the-environment"
    file = tmp_path / "token"
    file.write_text(TOKEN + "\n")
    assert token(file) == TOKEN
    for bad in ("", "short", "with a space in it, but long", "ünïcödé-ünïcödé-ünïcödé"):
        file.write_text(bad, encoding="utf-8")
        with pytest.raises(UsageError, match="holds no token"):
            token(file)
    with pytest.raises(UsageError, match="cannot be read"):
        token(tmp_path / "none")
    monkeypatch.setenv(ENVIRONMENT, "short")
    with pytest.raises(UsageError, match=ENVIRONMENT):
        token(None)


def test_the_token_is_not_shown() -> None:
    assert TOKEN not in repr(Api("127.0.0.1", 0, TOKEN))


# -- requests that are wrong


@pytest.mark.parametrize(
    ("body", "word"),
    [
        (b"{", "JSON"), (b"\xff\xfe", "JSON"), (b"[]", "body"), (b"7", "body"), ({}, "what"),
        ({"what": "explode"}, "explode"), ({"what": "health", "more": 1}, "more"),
        ({"what": "pin"}, "model"), ({"what": "pin", "model": "12"}, "model"),
        ({"what": "pin", "model": "AB" * 8}, "model"), ({"what": "fork", "branch": 16}, "branch"),
        ({"what": "fork", "branch": "3"}, "branch"), ({"what": "fork", "branch": True}, "branch"),
        ({"what": "period", "ms": 9}, "ms"), ({"what": "period", "ms": 65536}, "ms"),
        ({"what": "period", "ms": 10.5}, "ms"), ({"what": "restart", "boots": -1}, "boots"),
        ({"what": "restart", "boots": 1 << 29}, "boots"),
        (b'{"what": "fork", "branch": NaN}', "branch"),
        (b"[" * 16000, "JSON"),
    ],
)  # fmt: skip
def test_a_wrong_body_names_what_is_wrong(lab: ApiLab, body: Any, word: str) -> None:
    assert_refused(lab.post(f"/v1/devices/{ONE}/control", body), 400, word)


@pytest.mark.parametrize("body", [{}, {"class": -1}, {"class": 256}, {"class": "1"}, {"class_": 1}])
def test_a_wrong_label_names_what_is_wrong(lab: ApiLab, body: Any) -> None:
    assert_refused(lab.post(f"/v1/devices/{ONE}/label", body), 400, "class")
    assert_refused(lab.post(f"/v1/devices/{ONE}/label", {"class": 1, "to": 2}), 400, "to")


@pytest.mark.parametrize(
    "query",
    ["limit=0", "limit=1001", "limit=-1", "limit=", "limit=x", "limit=1_0", "limit=%2B1",
     "limit=1.0", "offset=99999999999999999", "page=2", "limit=1&limit=2", "limit=%D9%A1"],
)  # fmt: skip
def test_a_wrong_query_names_what_is_wrong(lab: ApiLab, query: str) -> None:
    assert_refused(lab.get(f"/v1/rounds?{query}"), 400, "query")


def test_routes_take_no_query_and_no_keys_that_they_do_not_know(lab: ApiLab) -> None:
    assert_refused(lab.get("/v1/hub?verbose=1"), 400, "verbose")
    assert_refused(lab.post("/v1/rounds/stop", {"now": True}), 400, "now")
    assert_refused(lab.get("/v1/events?since=x"), 400, "since")
    assert_refused(lab.get("/v1/rounds/12x"), 400, "round")
    assert_refused(lab.get("/v1/rounds/%0a1"), 400, "round")


def test_other_paths_and_methods_are_refused(lab: ApiLab) -> None:
    assert_refused(lab.get("/"), 404, "openapi")
    assert_refused(lab.get("/v1/devices/"), 404, "openapi")
    reply = lab.ask("DELETE", f"/v1/devices/{ONE}")
    assert_refused(reply, 405, "GET")
    assert reply.headers["Allow"] == "GET"
    assert_refused(lab.get("/v1/rounds/stop/"), 404, "openapi")


def test_a_large_body_is_refused(lab: ApiLab) -> None:
    assert_refused(lab.post("/v1/rounds/stop", b" " * 20_000), 413, "16384 bytes")


def test_a_packed_body_is_refused(lab: ApiLab) -> None:
    assert_refused(lab.post("/v1/rounds/stop", b"{}", **{"Content-Encoding": "gzip"}), 415, "plain")


def test_a_body_that_does_not_come_is_not_waited_for(lab: ApiLab) -> None:
    head = (
        b"POST /v1/rounds/stop HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        b"Content-Length: 10\r\n\r\n{"
    )
    with socket.create_connection(("127.0.0.1", lab.port), timeout=60) as line:
        line.sendall(head)
        assert b" 408 " in line.recv(100)


def test_a_head_that_does_not_come_is_not_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(api_module, "_IDLE", 0.5)
    monkeypatch.setattr(api_module, "_CONNECTIONS", 2)
    with running(tmp_path, 0) as lab:
        address = ("127.0.0.1", lab.port)
        with socket.create_connection(address, timeout=60) as one:
            one.sendall(b"GET /v1/hub HTTP/1.1\r\nHost: local")
            with socket.create_connection(address, timeout=60) as two:
                two.sendall(b"GET /")
                with socket.create_connection(address, timeout=60) as three:
                    assert three.recv(1) == b"", "the third of two is hung up on"
                assert two.recv(1) == b""
            assert one.recv(1) == b""
        lab.until(lambda: True)
        assert lab.get("/v1/hub").status == 200


def test_a_taken_port_is_said(lab: ApiLab, tmp_path: Path) -> None:
    with (
        pytest.raises(UsageError, match=r"cannot listen on 127.0.0.1:\d+.*--no-api"),
        running(tmp_path, 0, Api("127.0.0.1", lab.port)),
    ):
        pass


def test_a_fault_of_the_hub_is_told_without_its_inside(
    lab: ApiLab, caplog: pytest.LogCaptureFixture
) -> None:
    federation, known = lab.do(lambda: (lab.hub.federation, lab.hub.known))
    lab.do(lambda: setattr(lab.hub, "known", None))
    try:
        assert_refused(lab.get("/v1/devices"), 500, "fault")
    finally:
        lab.do(lambda: setattr(lab.hub, "known", known))
    assert lab.do(lambda: lab.hub.federation) is federation
    assert "TypeError" in caplog.text
    assert os.linesep not in lab.get("/v1/devices").data.decode()
