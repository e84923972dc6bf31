"""The conversation drawn in SPEC-link.md is the recorded one."""

import json
import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
LINE = re.compile(r"^(board|hub) +([A-Z_]+) +([0-9a-f]+)(\.\.\.)?$", re.MULTILINE)


def test_the_drawn_frames_are_the_recorded_ones() -> None:
    drawn = LINE.findall((ROOT / "shared" / "SPEC-link.md").read_text())
    recorded = json.loads((ROOT / "tests" / "vectors" / "link.json").read_text())["conversation"]
    assert len(drawn) == len(recorded)
    for (who, kind, head, cut), line in zip(drawn, recorded, strict=True):
        assert (who, kind) == (line["from"], line["type"])
        assert line["bytes"].startswith(head)
        assert cut or line["bytes"] == head
