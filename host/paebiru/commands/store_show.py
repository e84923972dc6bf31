"""What `paebiru store` prints: trees and tables for a person, a JSON object a line for a script."""

import json
from collections import defaultdict
from datetime import datetime
from typing import Any

from rich.table import Table
from rich.text import Text

from paebiru.console import out, say, size
from paebiru.store.rows import CheckpointRow, RefRow
from paebiru.store.tree import Line, lines

Entry = tuple[bytes, str, str, int, int]
"""(device, link, direction, round, bytes) of the ledger."""


def history(rows: list[CheckpointRow], refs: list[RefRow], branch: int | None) -> None:
    """Print the tree of all checkpoints, or a branch's line in it."""
    table = Table(box=None, pad_edge=False)
    for heading in ("checkpoint", "branch", "what", "accuracy", "model", "time"):
        right = heading in ("branch", "accuracy")
        wraps = heading == "what"
        table.add_column(heading, justify="right" if right else "left", no_wrap=not wraps)
    for line in _lines(rows, refs, branch):
        row = line.row
        table.add_row(
            Text(f"{line.indent}{row.id}"),
            str(row.branch),
            ", ".join(line.words),
            "" if row.accuracy is None else f"{row.accuracy:.2%}",
            Text(row.name.hex(), style="dim" if row.blob is None else ""),
            datetime.fromtimestamp(row.time).isoformat(" ", "minutes"),
        )
    out.print(table)


def history_json(rows: list[CheckpointRow], refs: list[RefRow], branch: int | None) -> None:
    """Print a line a checkpoint, the oldest first."""
    for line in sorted(_lines(rows, refs, branch), key=lambda line: line.row.id):
        _emit(checkpoint(line))


def checkpoint(line: Line) -> dict[str, Any]:
    """Return what is told of a checkpoint."""
    row = line.row
    return {
        "checkpoint": row.id, "kind": row.kind, "branch": row.branch,
        "round": row.round if row.kind == "round" else None, "model": row.name.hex(),
        "accuracy": row.accuracy, "parent": row.parent, "second": row.second,
        "names": [{"branch": at, "name": name} for at, name in line.names],
        "is_rollback": line.is_rollback, "is_kept": row.blob is not None,
        "time": round(row.time, 3),
    }  # fmt: skip


def _lines(rows: list[CheckpointRow], refs: list[RefRow], branch: int | None) -> list[Line]:
    found = lines(rows, refs)
    return found if branch is None else [line for line in found if line.row.branch == branch]


# -- the ledger


def ledger(entries: list[Entry]) -> None:
    """Print bytes by round, then by board over all rounds."""
    if not entries:
        say("no board has been there yet")
        return
    by_round = _sums(entries, lambda entry: str(entry[3]))
    boards = {entry[3]: set[bytes]() for entry in entries}
    for entry in entries:
        boards[entry[3]].add(entry[0])
    table = _table("round", "boards", "up", "down", "a board up", "a board down")
    for number, (up, down) in by_round.items():
        there = len(boards[int(number)])
        table.add_row(number, str(there), *map(size, (up, down, up / there, down / there)))
    out.print(table)
    out.print()
    _by_board(entries, "all rounds")


def ledger_of_round(entries: list[Entry]) -> None:
    """Print the bytes of a round by board and line."""
    if not entries:
        say("no bytes are noted of that round")
        return
    _by_board(entries, "the round")


def ledger_json(entries: list[Entry]) -> None:
    """Print a line for each board, line and round."""
    found: dict[tuple[int, str, str], list[int]] = defaultdict(lambda: [0, 0])
    for device, link, direction, number, count in entries:
        found[number, device.hex(), link][direction == "down"] += count
    for (number, name, link), (up, down) in found.items():
        _emit({"round": number, "device": name, "link": link, "up": up, "down": down})


def _by_board(entries: list[Entry], of: str) -> None:
    table = _table("board", "line", "up", "down")
    sums = _sums(entries, lambda entry: (entry[0].hex(), entry[1]))
    for (name, link), (up, down) in sorted(sums.items()):
        table.add_row(name, link, size(up), size(down))
    up, down = (sum(both[side] for both in sums.values()) for side in (0, 1))
    table.add_row(of, "", size(up), size(down), style="bold")
    out.print(table)


def _sums(entries: list[Entry], key: Any) -> dict[Any, list[int]]:
    """Return the bytes up and down by `key` of an entry."""
    found: dict[Any, list[int]] = defaultdict(lambda: [0, 0])
    for entry in entries:
        found[key(entry)][entry[2] == "down"] += entry[4]
    return found


def _table(*headings: str) -> Table:
    table = Table(box=None, pad_edge=False)
    for heading in headings:
        left = heading in ("board", "line")
        table.add_column(heading, justify="left" if left else "right", no_wrap=True)
    return table


def _emit(values: dict[str, Any]) -> None:
    print(json.dumps(values, allow_nan=False))
