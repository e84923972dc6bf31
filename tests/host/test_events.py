"""Every event that a hub tells is in SPEC-hub.md, with its fields; and no other is."""

import ast
import asyncio
import re
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

import pytest

from documented import SPEC, assert_documented, documented
from durable_fleet import DEVICES, federation, update
from paebiru.federated.durable import begin
from paebiru.federated.rounds import Federation
from paebiru.hub import run
from paebiru.hub.policy import Policy
from paebiru.hub.private import Private
from paebiru.hub.service import Hub
from paebiru.hub.tell import Telling
from paebiru.keys import KeyStore
from paebiru.store import Store
from places_lab import bench, config
from sil.errors import ModelError
from targets import ROOT


class Call(NamedTuple):
    """Where the hub's source tells of an event."""

    event: str
    fields: set[str]
    is_whole: bool
    """Every field is named there; else some are of a mapping (`**`)."""


def calls() -> Iterator[Call]:
    folder = ROOT / "host" / "paebiru"
    for path in [*(folder / "hub").glob("*.py"), folder / "coordinator.py"]:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.Call) or not node.args:
                continue
            name = ast.unparse(node.func).rpartition(".")[2].strip("_")
            at = 1 if name == "own" else 0
            if name not in ("tell", "told", "own") or len(node.args) <= at:
                continue
            fields = {keyword.arg for keyword in node.keywords if keyword.arg}
            # What a board says is told by `words.of`: `told` and `own` pass it on with no field.
            is_whole = len(fields) == len(node.keywords) and name == "tell"
            for word in ast.walk(node.args[at]):
                if isinstance(word, ast.Constant) and isinstance(word.value, str):
                    yield Call(word.value, fields, is_whole)


def test_every_event_that_the_source_names_is_documented_and_no_other() -> None:
    found = [call for call in calls() if call.event != "committed"]  # not told
    assert {call.event for call in found} | {"gap"} == set(documented())
    for call in found:
        always, sometimes = documented()[call.event]
        assert call.fields <= always | sometimes, call
        assert always <= call.fields or not call.is_whole, call


def test_events_whose_fields_are_not_named_are_those_that_are_tried() -> None:
    """Below; and in test_hub_api_process what boards say and what is in the stream alone."""
    tried = {"round", "broken", "privacy", "fused", "label"}
    for heading in ("## Boards", "## In the stream alone"):
        part = SPEC[SPEC.index(heading) :].split("\n## ")[0]
        tried |= set(re.findall(r"^\| `(\w+)`", part, re.MULTILINE))
    assert {call.event for call in calls() if not call.is_whole} <= tried | {"committed"}


@pytest.mark.parametrize("epsilon", [None, 8.0])
def test_rounds_that_are_closed(tmp_path: Path, epsilon: float | None) -> None:
    """With the figures that a hub measures, with privacy and without; and one that is broken."""
    options = run.Options(tmp_path, epsilon=epsilon, policy=Policy(rounds=2, boards=4))
    _, measure = run.federation(options, run.granted(options))
    figures = measure(run.federation(options)[0])

    def broken(made: Federation) -> dict[str, float]:
        raise ModelError("unit 0 is too large")

    with closing(KeyStore(tmp_path / "keys.sqlite")) as keys, closing(Store(tmp_path)) as store:
        made, tell = begin(store, federation()), Telling()
        hub = Hub(keys, made, Policy(), tell, lambda federation: figures)
        for measured in (lambda federation: figures, broken):
            made.measure = measured
            hub.open()
            for device in DEVICES:
                made.take(device, update(made, device))
            hub._close()
    assert [said["event"] for said in tell.newest] == ["round", "broken"]
    assert ("epsilon" in tell.newest[0]) == (epsilon is not None)
    assert "accuracy" in tell.newest[0]
    for said in tell.newest:
        assert_documented(said)


@pytest.mark.parametrize("secure", [False, True])
def test_the_terms_of_privacy(secure: bool) -> None:
    terms = Private(8.0, 1e-3, 0.25, 7, 3, secure=secure).terms()
    assert_documented({"event": "privacy", **terms})


def test_what_is_told_of_places(tmp_path: Path) -> None:
    """States with and without a model, labels kept and not, a round that comes to nothing."""

    async def main() -> list[str]:
        with bench(tmp_path, config(every=3, rounds=1)) as made:
            teaching = made.places.teaching
            assert teaching
            await made.teach(3)
            await teaching._round()
            await made.teach(2)
            made.now += 5000  # in which nobody perceives anything
            made.places.fusion.label("bench", "work", made.now, made.now)
            made.now += 5000
            made.places.fusion.tick(made.now)

            def broken(federation: Federation) -> dict[str, float]:
                raise ModelError("unit 0 is too large")

            teaching._federation.measure = broken
            await teaching._round()
            await asyncio.sleep(0)
            problems = ["problem" in said for said in made.told("label")]
            assert problems == [False] * 5 + [True]
            for said in made.tell.newest:
                assert_documented(said)
            return [said["event"] for said in made.tell.newest if said["event"] != "fused"]

    told = asyncio.run(main())
    assert told.count("learned") == 1
    assert told[-1] == "warning", "instead of `learned`"
