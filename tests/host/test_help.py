"""What `--help` shows: every verb, in groups where there is much, and without loading the rest."""

import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from typer.main import get_command
from typer.testing import CliRunner

from paebiru.commands.app import app

HEAVY = {"numpy", "numba", "pydantic", "aiohttp", "matplotlib", "serial", "paebiru.boards"}


def verbs(command: Any, words: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Return every command with its groups."""
    yield words
    for name, inner in getattr(command, "commands", {}).items():
        yield from verbs(inner, (*words, name))


VERBS = list(verbs(get_command(app)))


def shown(*words: str) -> str:
    done = CliRunner().invoke(app, [*words, "--help"], env={"COLUMNS": "100"}, color=False)
    assert done.exit_code == 0, done.output
    return str(done.output)


@pytest.mark.parametrize("words", VERBS, ids=lambda words: " ".join(words) or "paebiru")
def test_every_verb_has_help_that_fits(words: tuple[str, ...]) -> None:
    usage, says, *rest = [line.strip() for line in shown(*words).splitlines() if line.strip()]
    assert " ".join(words) in usage
    assert says[0].isupper()
    assert len(says.split()) > 2
    assert all(len(line) <= 100 for line in rest)


def test_the_verbs_are_those_that_the_readme_and_others_rely_on() -> None:
    first = {words[0] for words in VERBS if words}
    assert {"simulate", "hub", "store", "enroll", "keys", "flash", "deploy", "monitor"} <= first
    store = {words[1] for words in VERBS if words[:1] == ("store",) and len(words) == 2}
    assert store == {"history", "rollback", "fork", "merge", "model", "ledger"}


def test_the_hubs_options_are_in_groups() -> None:
    text = shown("hub")
    places = [text.index(f"─ {title} ─") for title in (
        "Boards and lines", "What is learned", "Rounds", "Rules and privacy", "Places",
        "HTTP API", "Store",
    )]  # fmt: skip
    assert places == sorted(places)
    assert text.index("--deadline") > text.index("─ Rounds ─") > text.index("--dataset")
    assert text.index("--resume") > text.index("─ Store ─") > text.index("--token-file")


def test_help_loads_nothing_that_it_does_not_need() -> None:
    script = f"import sys, paebiru.commands.app; print(sorted({HEAVY!r} & set(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=180
    )
    assert done.stdout.strip() == "[]"
