"""Rules of aggregation against boards that lie: six attacks on ten boards that learn digits.

Boards train and select as real ones do.  Frames travel uncoded, since coding loses nothing and
would take half of the time.  An attack may use any code for any weight, sparse rounds included.
With options as here the kept results stay as they are:

    python tests/bench/bench_robust.py --seeds 1 --f 2 --rules mean,nnm-trimmed  # a look
"""

import argparse
import os
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from itertools import product
from statistics import mean, stdev

import numpy as np
from report import Row, changed, save, show

from paebiru import accel
from paebiru.federated import evaluate
from paebiru.federated.registry import RULES
from paebiru.federated.rounds import Federation
from paebiru.rng import Rng
from paebiru.sim.board import SimBoard
from paebiru.sim.plan import Plan, World, prepare
from paebiru.testing.attacks import ATTACKS, flipped_labels
from sil.errors import ModelError
from sil.protocol import CHANGES, ORDER_HEAD, TRAIN, UPDATE_HEAD, Task
from sil.protocol_hub import write_order_head

BOARDS, ROUNDS, TAIL = 10, 40, 5
ALL_ATTACKS = ("none", "sign flip", "Gaussian", "saturate", "label flip", "ALIE", "IPM")
RULES_SHOWN = (
    "mean",
    "clipped-mean",
    "median",
    "trimmed-mean",
    "krum",
    "multi-krum",
    "nnm-trimmed",
)
SENT = {"dense": 1.0, "5 %": 0.05}
SPLITS = {"IID": "iid", "Dirichlet 0.3": "dirichlet"}


@dataclass(frozen=True)
class Case:
    """One cell of the table; the first f boards lie."""

    rule: str
    attack: str
    f: int
    sent: str
    split: str


class Verbatim:
    """In a payload's place: the frame as it is."""

    def __init__(self, weights: int):
        self.limit = weights

    def expect(self, base: object) -> None:
        """Nothing is expected."""

    def check(self, out: bytearray) -> None:
        """Any frame fits."""

    def encode(self, frame: bytearray, out: bytearray) -> int:
        out[: self.limit] = frame
        return self.limit

    def decode(self, payload: bytes, frame: bytearray) -> None:
        frame[:] = payload


def world_of(case: Case, seed: int) -> World:
    """Return the boards' data: those who flip labels hold theirs flipped."""
    plan = Plan("digits", clients=BOARDS, rounds=ROUNDS, split=SPLITS[case.split],
                share=SENT[case.sent], seed=seed)  # fmt: skip
    world = prepare(plan)
    if case.attack != "label flip":
        return world
    y = world.split.train_y.copy()
    for rows in world.parts[: case.f]:
        y[rows] = flipped_labels(y[rows], world.sizes[-1])
    return replace(world, split=replace(world.split, train_y=y))


def order(seed: int, number: int, board: int, changes: bytes) -> bytes:
    """Return an ORDER object to train, as `Federation.order` makes them."""
    head = bytearray(ORDER_HEAD)
    draw = Rng(seed, "train", number, board).below(1 << 29)
    flags = TRAIN | (CHANGES if changes else 0)
    write_order_head(head, number, draw, number - 1, 1, flags)
    return bytes(head) + changes


def accuracy(case: Case, seed: int) -> float:
    """Return the mean accuracy of the last rounds of one federation."""
    accel.install()
    world = world_of(case, seed)
    hub = Federation(
        Task(world.sizes, world.split.signed, world.plan.parts), seed, world.plan.server_rate
    )
    boards = [SimBoard(world, number, hub.model()) for number in range(BOARDS)]
    for board in boards:
        board.learning.learner._payload = Verbatim(world.weights)
    samples = np.array([board.samples for board in boards], dtype=np.int64)
    master, rule = hub.master, RULES[case.rule]
    x, split = world.split.test_x.view(np.uint8), world.split
    down, found = b"", []
    for number in range(1, ROUNDS + 1):
        ups = b"".join(
            board.round(order(seed, number, i, down))[UPDATE_HEAD:]
            for i, board in enumerate(boards)
        )
        frames = np.frombuffer(bytearray(ups), dtype=np.uint8).reshape(BOARDS, -1)
        if case.attack in ATTACKS:
            own, honest = frames[: case.f], frames[case.f :]
            frames[: case.f] = ATTACKS[case.attack](honest, own, seed * ROUNDS + number)
        master.add(rule.apply(frames, samples, case.f))
        down = bytes(master.release())
        if number > ROUNDS - TAIL:
            try:
                right = evaluate.accuracy(world.sizes, master.codes(), x, split.test_y, False)
            except ModelError:  # so large that no board takes it any more
                right = 0.0
            found.append(right)
    return 100 * mean(found)


def cases(rules: list[str] | None, sent: list[str], fs: list[int]) -> list[Case]:
    """Return the cells, but for rules that so many liars leave without enough boards."""
    found = []
    for f in fs:
        names = rules or RULES_SHOWN
        for way, split, rule, attack in product(sent, SPLITS, names, ALL_ATTACKS):
            if RULES[rule].least(f) <= BOARDS:
                found.append(Case(rule, attack, f, way, split))
    return found


def table(measured: dict[Case, list[float]]) -> list[Row]:
    """Return a row a rule and setting: accuracy and deviation by attack, and the worst loss.

    The loss is against the plain mean of the same boards without an attack, where measured.
    """
    rows: list[Row] = []
    keys = dict.fromkeys((c.sent, c.split, c.f, c.rule) for c in measured)
    for sent, split, f, rule in keys:
        row: Row = {"rule": rule, "sent": sent, "split": split, "f": f}
        cells = {a: measured[Case(rule, a, f, sent, split)] for a in ALL_ATTACKS}
        for attack, found in cells.items():
            row[attack] = round(mean(found), 2)
            row[f"sd {attack}"] = round(stdev(found), 2) if len(found) > 1 else None
        clean = measured.get(Case("mean", "none", f, sent, split))
        worst = min(mean(found) for found in cells.values())
        row["worst_loss"] = round(mean(clean) - worst, 2) if clean else None
        row["seeds"] = len(next(iter(cells.values())))
        rows.append(row)
    return rows


def main() -> None:
    """Run the cells asked for, print them, write results/robust.json."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--f", default="2,1,3")
    parser.add_argument("--rules", help="names, by comma; all by default")
    parser.add_argument("--sent", default=",".join(SENT))
    args = parser.parse_args()
    rules = args.rules.split(",") if args.rules else None
    wanted = cases(rules, args.sent.split(","), [int(f) for f in args.f.split(",")])
    with ProcessPoolExecutor(os.cpu_count()) as pool:
        jobs = {c: [pool.submit(accuracy, c, s) for s in range(args.seeds)] for c in wanted}
        measured = {c: [job.result() for job in found] for c, found in jobs.items()}
    rows = table(measured)
    title = f"digits, {BOARDS} boards, {ROUNDS} rounds, accuracy %, mean of the last {TAIL}"
    show(title, [{k: v for k, v in row.items() if not k.startswith("sd ")} for row in rows])
    save("robust", changed(parser, args), rows=rows)


if __name__ == "__main__":
    main()
