"""What masked sums cost: bytes a board and round of the real messages, and of the line under them.

The same digits, boards and seeds, plainly and under masks.  Messages are counted where simulated
boards hand them over, the line where whole boards' frames cross it (`paebiru simulate --whole`).
The time is that of MicroPython's VM on this machine, kernels as bytecode: a board's is longer.
"""

import subprocess
import sys
import tempfile
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from statistics import mean

from report import Row, save, show

from paebiru import accel
from paebiru.sim.federation import Federation
from paebiru.sim.masked import memberships
from paebiru.sim.plan import Plan, prepare
from paebiru.sim.whole import WholeFederation

ROOT = Path(__file__).resolve().parents[2]
VM = Path(sys.executable).with_name("micropython")
ROUNDS = 60
LINE_ROUNDS = 4  # the first is left out: a model and two healths travel as well

_RUNS = 5  # of which the shortest counts

PLAN = Plan("digits", clients=10, rounds=ROUNDS)
MODES = {
    "plain, 5 %": PLAN,
    "plain, all weights": replace(PLAN, share=1.0),
    "masked": replace(PLAN, share=1.0, secure=True),
}

SCRIPT = """
import time
from array import array
from sil import groups, masks
group = groups.unpack(bytes.fromhex('%s'))
weights = %d
board = masks.Masker(group, weights)
changes = array("h", [(k * 31 & 2047) - 1000 for k in range(weights)])
out = bytearray(board.size)
begun = time.ticks_us()
board.mask(1, changes, 0, out)
print(time.ticks_diff(time.ticks_us(), begun))
"""


def costs() -> list[Row]:
    """Run each mode; return its bytes a board and round, and what was learned."""
    found: list[Row] = []
    for name, plan in MODES.items():
        world = prepare(plan)
        with closing(Federation(world)) as made:
            rounds = list(made.rounds())
        with closing(WholeFederation(prepare(replace(plan, rounds=LINE_ROUNDS)))) as whole:
            lines = list(whole.rounds())[1:]
        found.append(
            {
                "rounds": name,
                "up": round(mean(one.bytes_up for one in rounds)),
                "down": round(mean(one.bytes_down for one in rounds)),
                "line_up": round(mean(one.bytes_up for one in lines)),
                "line_down": round(mean(one.bytes_down for one in lines)),
                "accuracy": 100 * mean(one.accuracy for one in rounds[-10:]),
            }
        )
    return found


def times() -> list[Row]:
    """Return how long a board of MicroPython's VM masks, by group and model."""
    found: list[Row] = []
    for members, weights in ((4, 2410), (10, 2410), (16, 2410), (10, 50826)):
        names = [b"board%03d" % number for number in range(members)]
        stored = memberships(names, 0)[names[0]]
        best = min(_masking(stored, weights) for _ in range(_RUNS))
        row: Row = {"boards": members, "weights": weights, "ms": best // 1000}
        found.append(row)
    return found


def _masking(stored: bytes, weights: int) -> int:
    """Return the microseconds of one run in a VM of its own."""
    with tempfile.TemporaryDirectory() as folder:
        script = Path(folder) / "mask.py"
        script.write_text(SCRIPT % (stored.hex(), weights))  # no argument may be so long
        done = subprocess.run(
            [str(VM), "-X", "heapsize=4M", str(script)],
            env={"MICROPYPATH": f"{ROOT / 'shared'}:.frozen"}, capture_output=True, text=True,
            check=True, timeout=300,
        )  # fmt: skip
    return int(done.stdout)


def main() -> None:
    """Print the tables, and keep them."""
    accel.install()
    cost = costs()
    show(f"Bytes a board and round: digits, 64-32-10, 10 boards, {ROUNDS} rounds", cost)
    time = times()
    show("Making a part of a masked sum, MicroPython's VM, bytecode", time)
    save("secure", costs=cost, times=time)


if __name__ == "__main__":
    main()
