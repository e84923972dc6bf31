"""The OpenAPI document says what the API does: tried with what it allows, and what it forbids."""

import re
from collections.abc import Iterator
from itertools import cycle
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis.generation import GenerationMode

from hub_api_lab import BOARDS, ApiLab, running
from paebiru.fusion.config import Config
from paebiru.hub import openapi
from paebiru.hub.api_forms import NoQuery
from paebiru.hub.api_routes import ROUTES
from targets import ROOT

PLACES = Config.model_validate(
    {
        "electronic": {"classes": ["red", "white"]},
        "places": {"cellar": {"boards": [BOARDS[0].hex()]}},
    }
)
DOCUMENT = openapi.document()
# Its answer has no end; test_hub_api_events.py reads it.
STREAM = "/v1/events"
CASES = [
    (route.method, route.path, mode)
    for route in ROUTES
    if route.path != STREAM
    for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE)
    # Where nothing can be given, nothing can be given wrongly.
    if mode is GenerationMode.POSITIVE
    or "{" in route.path
    or route.body is not None
    or route.query is not NoQuery
]


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApiLab]:
    with running(tmp_path_factory.mktemp("hub"), places=PLACES) as made:
        made.until(lambda: len(made.hub.summaries) >= 2)
        made.is_frozen = True  # the boards' time: what is sent to them changes nothing here
        yield made


@pytest.mark.parametrize(("method", "path", "mode"), CASES)
def test_it_answers_as_described(lab: ApiLab, method: str, path: str, mode: GenerationMode) -> None:
    schema = schemathesis.openapi.from_dict(DOCUMENT)
    operation = schema[path][method]
    known = cycle([BOARDS[0].hex(), None])
    statuses = set()

    @settings(max_examples=12, phases=[Phase.generate], suppress_health_check=list(HealthCheck))
    @given(case=operation.as_strategy(generation_mode=mode))
    def check(case: Any) -> None:
        device = next(known)
        if mode is GenerationMode.POSITIVE and device and "device" in case.path_parameters:
            if path.endswith("revoke"):
                device = BOARDS[2].hex()  # or the others would be gone for the next cases
            case.path_parameters["device"] = device
        if mode is GenerationMode.POSITIVE and device and "place" in case.path_parameters:
            case.path_parameters["place"] = "cellar"
            if case.method == "POST":
                case.body["class"] = "red"
                case.body.pop("at", None)
        response = case.call_and_validate(base_url=f"http://127.0.0.1:{lab.port}", timeout=60)
        statuses.add(response.status_code)

    check()
    if mode is GenerationMode.POSITIVE and "number" not in path and "{model}" not in path:
        wanted = next(r.status for r in ROUTES if (r.method, r.path) == (method, path))
        assert wanted in statuses, "no case went well"


def test_the_document_is_what_is_served_and_valid(lab: ApiLab) -> None:
    assert lab.get("/v1/openapi.json").json == DOCUMENT
    schemathesis.openapi.from_dict(DOCUMENT).validate()
    text = str(DOCUMENT)
    assert not re.search(r"'(ge|le|gt|lt)': ", text), "pydantic's words, not those of JSON Schema"
    assert set(re.findall(r"'#/components/schemas/(\w+)'", text)) <= set(
        DOCUMENT["components"]["schemas"]
    )


def test_every_route_is_described_in_both_places() -> None:
    described = {
        (method.upper(), path) for path, ways in DOCUMENT["paths"].items() for method in ways
    }
    assert described == {(route.method, route.path) for route in ROUTES}
    page = (ROOT / "host" / "paebiru" / "hub" / "API.md").read_text(encoding="utf-8")
    told = re.findall(r"^\| (GET|POST) (\S+)", page, re.MULTILINE)
    assert set(told) == described
    for route in ROUTES:
        assert len(route.says.splitlines()) == 1, route.name
