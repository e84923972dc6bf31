"""The README quotes what the benchmarks printed, and names what exists."""

import re
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "tests" / "bench"))

import readme_tables  # noqa: E402 - the folder is none of the tests' own


def test_its_tables_are_those_of_the_results() -> None:
    text = (ROOT / "README.md").read_text()
    assert readme_tables.filled(text) == text


def test_every_file_that_it_names_is_there() -> None:
    text = (ROOT / "README.md").read_text()
    links = re.findall(r"\]\(([^)#]+)\)", text)
    assert links
    for link in links:
        assert (ROOT / link).exists(), link
