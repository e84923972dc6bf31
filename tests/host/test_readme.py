"""README and RESULTS quote what the benchmarks printed, and name what exists."""

import argparse
import re
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "tests" / "bench"))

import readme_tables  # noqa: E402 - the folder is none of the tests' own
import report  # noqa: E402

PAGES = [page.relative_to(ROOT).as_posix() for page in readme_tables.PAGES]


@pytest.mark.parametrize("page", PAGES)
def test_its_tables_are_those_of_the_results(page: str) -> None:
    text = (ROOT / page).read_text()
    assert "<!-- " in text
    assert readme_tables.filled(text) == text


def test_every_table_is_shown() -> None:
    shown = "".join((ROOT / page).read_text() for page in PAGES)
    assert not [name for name in readme_tables.TABLES if f"<!-- {name} -->" not in shown]


@pytest.mark.parametrize("page", PAGES)
def test_every_file_that_it_names_is_there(page: str) -> None:
    links = re.findall(r"\]\(([^)#]+)\)", (ROOT / page).read_text())
    assert links
    for link in links:
        assert ((ROOT / page).parent / link).exists(), link


def test_a_benchmark_with_other_arguments_leaves_the_results(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(report, "RESULTS", tmp_path / "tests" / "bench" / "results")
    report.RESULTS.parent.mkdir(parents=True)
    parser = argparse.ArgumentParser()
    parser.add_argument("--seeds", type=int, default=5)
    report.save("x", report.changed(parser, parser.parse_args(["--seeds", "5"])), rows=[{"a": 1}])
    kept = (report.RESULTS / "x.json").read_text()
    report.save("x", report.changed(parser, parser.parse_args(["--seeds", "1"])), rows=[{"a": 2}])
    assert (report.RESULTS / "x.json").read_text() == kept
    assert "left as it is: not the defaults of --seeds" in capsys.readouterr().out
