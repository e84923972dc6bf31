"""The history as a tree that can be printed: a line a checkpoint, parents above their children."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from paebiru.store.history import NAMES
from paebiru.store.rows import CheckpointRow, RefRow


@dataclass(frozen=True)
class Line:
    """One checkpoint in the tree."""

    indent: str
    """What joins it to the checkpoint that it follows from; nothing along a line of rounds."""
    row: CheckpointRow
    names: tuple[tuple[int, str], ...]
    """(branch, head, best or final) that it is called."""
    is_rollback: bool
    """It goes on where its branch had gone on before: from an older checkpoint."""

    @property
    def words(self) -> list[str]:
        """What it is, in words."""
        row = self.row
        made = {
            "first": "first",
            "round": f"round {row.round}",
            "fork": f"fork of {row.parent}",
            "merge": f"merge of {row.parent} and {row.second}",
        }[row.kind]
        called = [name if at == row.branch else f"{name} of {at}" for at, name in self.names]
        after = ["after a rollback"] if self.is_rollback else []
        gone = ["not kept"] if row.blob is None else []
        return [made, *after, *called, *gone]


def lines(rows: Iterable[CheckpointRow], refs: Iterable[RefRow]) -> list[Line]:
    """Return all checkpoints, parents first; where several follow from one, each is indented."""
    children: dict[int | None, list[CheckpointRow]] = defaultdict(list)
    for row in sorted(rows, key=lambda row: row.id):
        children[row.parent].append(row)
    names: dict[int, list[tuple[int, str]]] = defaultdict(list)
    for ref in sorted(refs, key=lambda ref: (ref.branch, NAMES.index(ref.name))):
        names[ref.checkpoint].append((ref.branch, ref.name))
    found = []
    ways = [("", "", row, False) for row in reversed(children[None])]
    while ways:
        here, below, row, is_rollback = ways.pop()
        found.append(Line(here, row, tuple(names[row.id]), is_rollback))
        after = children[row.id]
        went_on = [child for child in after if child.kind != "fork"]
        for child in reversed(after):
            is_other = child.branch != row.branch or child is not went_on[0]
            again = child.kind == "round" and is_other
            if len(after) == 1:
                ways.append((below, below, child, again))
            elif child is after[-1]:
                ways.append((below + "└─ ", below + "   ", child, again))
            else:
                ways.append((below + "├─ ", below + "│  ", child, again))
    return found
