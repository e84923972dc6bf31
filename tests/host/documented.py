"""The events that SPEC-hub.md lists, and whether what a hub tells is one of them."""

import re
from functools import cache
from pathlib import Path
from typing import Any

from paebiru.hub.tell import Telling

ROOT = Path(__file__).resolve().parents[2]
SPEC = (ROOT / "shared" / "SPEC-hub.md").read_text(encoding="utf-8")


@cache
def documented() -> dict[str, tuple[set[str], set[str]]]:
    """Return each event's fields: those that it always has, and those that it may have."""
    made = {}
    for event, fields in re.findall(r"^\| `(\w+)` \|([^|]*)\|", SPEC, re.MULTILINE):
        names = re.findall(r"`(\w+)(\??)`", fields)
        assert event not in made, f"{event} is listed twice"
        made[event] = {n for n, may in names if not may}, {n for n, may in names if may}
    return made


def assert_documented(said: dict[str, Any]) -> None:
    """Assert that an event is listed, with just the fields that it has."""
    assert said["event"] in documented(), said
    always, sometimes = documented()[said["event"]]
    fields = set(said) - {"id", "at", "event"}
    assert always <= fields <= always | sometimes, said


class Listening:
    """Hears everything that a hub of a test tells; `check` says what of it is not documented."""

    def __init__(self, tell: Telling) -> None:
        self._wrong: list[AssertionError] = []
        tell.listen(self._heard)

    def _heard(self, said: dict[str, Any]) -> None:
        try:
            assert_documented(said)
        except AssertionError as error:  # not raised here, in the middle of a hub
            self._wrong.append(error)

    def check(self) -> None:
        if self._wrong:
            raise self._wrong[0]
