"""Accuracy against bytes: float32 FedAvg beside the integer fleet, on real measurements.

Every row is a federation of real payloads, run by `paebiru.sim`: the core that a board
runs.  Differences to float32 are paired by seed (same split, boards, first model).
"""

import argparse
import os
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from statistics import mean, stdev

from report import Row, changed, save, show

from paebiru import accel
from paebiru.errors import UsageError
from paebiru.sim.federation import Federation, floats
from paebiru.sim.plan import Plan, prepare

TAIL = 5
WAYS: dict[str, float | None] = {
    "float32 FedAvg": None, "dense": 1.0, "5 %": 0.05, "2 %": 0.02, "1 %": 0.01,
}  # fmt: skip
CASES = {
    "digits, IID": Plan("digits"),
    "digits, Dirichlet 0.3": Plan("digits", split="dirichlet"),
    "wine, IID": Plan("wine"),
    "vowel, unseen speakers": Plan("vowel", split="natural"),
    "watch, unseen subjects": Plan("watch", split="natural", clients=7),
    "air, next year": Plan("air", split="natural", rounds=30),
    "digits 64-512-32-10, IID": Plan("digits", hidden=(512, 32), rounds=40),
}
LONG = ("air, next year", "digits 64-512-32-10, IID")
# Shares chosen for the byte goals: whole payloads of at most 110 and 55 bytes.
GOALS: dict[str, dict[str, float | None]] = {
    "digits, IID": {"1.8 %": 0.018},
    "digits, Dirichlet 0.3": {"1.8 %": 0.018},
}


@dataclass(frozen=True)
class Run:
    """What one seed of one row gave."""

    accuracy: float
    up: float
    down: float


def run(plan: Plan, share: float | None) -> Run:
    """Run one federation; share None is the float32 reference."""
    accel.install()
    if share is None:
        world = prepare(plan)
        found = list(floats(world))
        return Run(mean(found[-TAIL:]), 4 * world.weights, 4 * world.weights)
    federation = Federation(prepare(replace(plan, share=share)))
    rounds = list(federation.rounds())
    return Run(
        mean(r.accuracy for r in rounds[-TAIL:]),
        mean(r.bytes_up for r in rounds),
        mean(r.bytes_down for r in rounds),
    )


def rows_of(pool: ProcessPoolExecutor, case: str, plan: Plan, seeds: int) -> list[Row]:
    """Return the rows of one data set."""
    ways = WAYS | GOALS.get(case, {})
    plans = [replace(plan, seed=seed) for seed in range(seeds)]
    jobs = {name: [pool.submit(run, p, share) for p in plans] for name, share in ways.items()}
    found = {name: [job.result() for job in some] for name, some in jobs.items()}
    base = [r.accuracy for r in found["float32 FedAvg"]]
    return [row_of(case, name, runs, base) for name, runs in found.items()]


def row_of(case: str, name: str, runs: list[Run], base: list[float]) -> Row:
    """Return one row: percent, percentage points and bytes."""
    accuracy = [100 * r.accuracy for r in runs]
    apart = [100 * (r.accuracy - b) for r, b in zip(runs, base, strict=True)]
    return {
        "data": case,
        "sent": name,
        "accuracy": round(mean(accuracy), 2),
        "sd": round(stdev(accuracy), 2),
        "to_float32": round(mean(apart), 2),
        "se": round(stdev(apart) / len(apart) ** 0.5, 2),
        "bytes_up": round(mean(r.up for r in runs), 1),
        "bytes_down": round(mean(r.down for r in runs), 1),
        "seeds": len(runs),
    }


def main() -> None:
    """Run every case and write results/learning.json."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=10, help="of the long cases, half")
    parser.add_argument("--case", choices=CASES, action="append")
    args = parser.parse_args()
    rows: list[Row] = []
    with ProcessPoolExecutor(os.cpu_count()) as pool:
        for case in args.case or CASES:
            try:
                seeds = args.seeds // 2 if case in LONG else args.seeds
                some = rows_of(pool, case, CASES[case], seeds)
            except UsageError as error:
                print(f"skipped {case}: {error}")
                continue
            show(f"{case}, mean of the last {TAIL} rounds, bytes a board and round", some)
            rows += some
    save("learning", changed(parser, args), rows=rows)


if __name__ == "__main__":
    main()
