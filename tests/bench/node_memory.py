"""What a whole deployed node takes of a board's heap, and the least heap that it works in.

Each row is a bundle as `paebiru deploy` makes it, run by tests/host/heap_lab.py: a recording's
100 samples preloaded, the line on standard input and output, two federated rounds with a hub.
"In place" counts no code: it lies in an image, on a board in flash.
"""

import sys
import tempfile
from pathlib import Path

from report import Row

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "tests" / "host"), str(ROOT / "tests" / "interp")]

import heap_lab  # noqa: E402
from targets import MCU_TARGETS, TARGETS  # noqa: E402

_STEPS = 2000
_STEP = 2048  # bytes between heaps that are tried
_NODES = (
    ("64-bit, from files", "micropython", "x64", False, "digits", 32),
    ("64-bit, in place", "micropython", "x64", True, "digits", 32),
    ("64-bit, in place", "micropython", "x64", True, "wine", 8),
    ("32-bit, from files", "unix32", "x86", False, "digits", 32),
    ("32-bit, in place", "unix32", "x86", True, "digits", 32),
    ("32-bit, in place", "unix32", "x86", True, "wine", 8),
)


def rows() -> list[Row]:
    """Measure every node whose VM is there."""
    found: list[Row] = []
    for name, vm, march, in_place, dataset, hidden in _NODES:
        target = {**TARGETS, **MCU_TARGETS}[vm]
        if target.missing():
            print(f"{name}: not measured, {target.missing()}", file=sys.stderr)
            continue
        work = heap_lab.work(dataset, hidden)
        program = target.command("none")[0][0]
        sizes = "-".join(map(str, work.task.sizes))
        used, least = _measured(program, work, march, in_place)
        found.append({"node": f"{dataset} {sizes}", "vm": name, "used": used, "least heap": least})
    return found


def _measured(vm: str, work: heap_lab.Work, march: str, in_place: bool) -> tuple[int, int]:
    """Return the bytes in use at the end, and the least heap, neither with the image."""
    bundle = heap_lab.bundle(work, march)

    def run(heap: int) -> heap_lab.Counts | str:
        with tempfile.TemporaryDirectory() as folder:
            board = Path(folder) / "board"
            image = heap_lab.place(bundle, board)
            size = image.stat().st_size if in_place else 0
            counts = heap_lab.run(
                vm, str(heap + size), board, work, image if in_place else None, _STEPS
            )
            if isinstance(counts, str) or counts.crash or counts.rounds < 2:
                return str(counts)
            return heap_lab.Counts(**{**vars(counts), "late": counts.late - size})

    free = run(4 << 20)
    assert isinstance(free, heap_lab.Counts), free
    low, high = free.late, free.late * 5 // 4
    while high - low > _STEP:
        middle = (low + high) // 2
        if isinstance(run(middle), str):
            low = middle
        else:
            high = middle
    return free.late, -(-high // 1024) * 1024
