"""How little memory a whole node needs: two rounds and 10,000 steps in heaps of given sizes.

A board's heap holds pointers of 4 bytes, the 64-bit VM's of 8.  "160wk" is MicroPython's own way
to ask for as many words as 160 KB have on a board.  In place the code is not counted: it lies in
an image, on a board in flash.  tests/host/heap_lab.py says how a node is run.
"""

import sys
from pathlib import Path

import pytest

import heap_lab
import vm_fleet
from paebiru import boards
from paebiru.coordinator import Coordinator
from paebiru.deploy import onto, settings
from paebiru.deploy.repl import Repl
from paebiru.enrollment import enroll
from paebiru.federated.rounds import Federation
from paebiru.keys import KeyStore
from paebiru.vboard import VirtualBoard

sys.path.append(str(Path(__file__).resolve().parents[1] / "interp"))
from targets import MCU_TARGETS, TARGETS

STEPS = 10_000
ENOUGH = 275 * 1024  # bytes for the node from files, on the 64-bit VM: 5 % above the least, 262 KB


def test_a_board_of_little_memory_does_two_rounds(tmp_path: Path) -> None:
    """Deployed, enrolled and federated as any other: digits, 64-32-10, 100 samples preloaded."""
    work = heap_lab.work("digits", 32)
    federation = Federation(work.task, seed=0)
    keys = KeyStore(tmp_path / "keys.sqlite")
    with VirtualBoard(tmp_path / "board", heap=ENOUGH) as board:
        given = settings.parse(work.settings)
        onto.deploy(board.port, boards.load("vm"), given, {heap_lab.FILE: work.recording})
        with Repl(board.port) as repl:
            enroll(repl, keys)
            repl.reset()
        fleet = vm_fleet.Fleet(tmp_path, keys)
        fleet.boards.append(board)
        said: list[object] = []

        async def main() -> None:
            desk = Coordinator(
                keys.find,
                federation,
                lambda word, device, about: said.append(getattr(about, "text", about)),
            )
            async with vm_fleet.Server(desk, fleet) as server:
                await server.until(lambda: desk.devices, 60)
                for _ in range(2):
                    desk.open()
                    await server.until(desk.has_all, 120)
                    desk.close()
                name = fleet.names()[0]
                device = desk.devices[name]
                await server.until(
                    lambda: device.status and device.status.model == federation.name, 60
                )

        try:
            vm_fleet.run(main())
        except TimeoutError:
            log = (board.folder / "log").read_text()[-1000:]
            pytest.fail(f"no two rounds in {ENOUGH} bytes: {said[-5:]} {log}")
        finally:
            keys.close()
    assert federation.number == 2


@pytest.mark.parametrize(
    ("vm", "heap", "in_place", "dataset", "hidden"),
    [
        pytest.param("micropython", "160wk", False, "digits", 32, id="64-bit-files"),
        pytest.param("micropython", "160k", True, "wine", 8, id="64-bit-in-place"),
        pytest.param("unix32", "160k", True, "digits", 32, id="32-bit-in-place"),
    ],
)
def test_ten_thousand_steps(
    vm: str, heap: str, in_place: bool, dataset: str, hidden: int, tmp_path: Path
) -> None:
    """No MemoryError, two rounds meanwhile, and no more memory at the end than after 1,000."""
    target = {**TARGETS, **MCU_TARGETS}[vm]
    if target.missing():
        pytest.skip(f"{vm}: {target.missing()}")
    work = heap_lab.work(dataset, hidden)
    folder = tmp_path / "board"
    image = heap_lab.place(heap_lab.bundle(work, "x86" if vm == "unix32" else "x64"), folder)
    if in_place:
        heap = str(int(heap.removesuffix("k")) * 1024 + image.stat().st_size)
    program = target.command("none")[0][0]
    counts = heap_lab.run(program, heap, folder, work, image if in_place else None, STEPS)
    assert isinstance(counts, heap_lab.Counts), counts
    print(f"{vm}, heap {heap}{', image included' if in_place else ''}: {counts}")
    assert not counts.crash
    assert counts.steps == STEPS
    assert counts.rounds == 2
    assert counts.least_free > 0
    assert counts.late <= counts.early


def test_a_heap_too_small_is_noticed(tmp_path: Path) -> None:
    """The counting is no decoration: with too little, the node says so and ends."""
    work = heap_lab.work("wine", 8)
    folder = tmp_path / "board"
    heap_lab.place(heap_lab.bundle(work), folder)
    program = TARGETS["micropython"].command("none")[0][0]
    counts = heap_lab.run(program, "180k", folder, work, None, STEPS)
    told = counts if isinstance(counts, str) else counts.crash
    assert "MemoryError" in told
