"""How a benchmark shows itself: a table on the terminal, the same rows as JSON in results/."""

import argparse
import json
import os
import platform
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table

RESULTS = Path(__file__).with_name("results")
Row = dict[str, object]


def show(title: str, rows: Sequence[Row]) -> None:
    """Print rows of the same keys as a table."""
    table = Table(title=title, title_justify="left")
    for i, key in enumerate(rows[0]):
        table.add_column(key.replace("_", " "), justify="right" if i else "left", no_wrap=True)
    for row in rows:
        table.add_row(*(_cell(value) for value in row.values()))
    # Wide enough for every column, also where the output is no terminal.
    Console(width=160, highlight=False).print(table)


def _cell(value: object) -> str:
    if value is None:
        return "-"
    return f"{value:,.2f}" if isinstance(value, float) else str(value)


def changed(parser: argparse.ArgumentParser, args: argparse.Namespace) -> list[str]:
    """Return the options whose values are not their defaults: another thing is then measured."""
    found = [key for key, value in vars(args).items() if value != parser.get_default(key)]
    return [f"--{key.replace('_', '-')}" for key in found]


def save(name: str, changed: Sequence[str] = (), **tables: Sequence[Row]) -> None:
    """Write tables to results/<name>.json, with the machine that measured them.

    Not where options are `changed`: what is kept was measured with their defaults.
    """
    if changed:
        print(f"results/{name}.json is left as it is: not the defaults of {', '.join(changed)}")
        return
    RESULTS.mkdir(exist_ok=True)
    machine = {
        "python": platform.python_version(),
        "machine": platform.machine(),
        "cores": os.cpu_count(),
    }
    text = json.dumps({"machine": machine, **tables}, indent=1)
    (RESULTS / f"{name}.json").write_text(text + "\n")
    print(f"wrote {(RESULTS / f'{name}.json').relative_to(RESULTS.parents[2])}")
