"""FedProx on boards: does drawing them back to the round's model help where their data differ?

Digits, ten boards, five local epochs, labels dealt by Dirichlet 0.3; every weight sent, or
5 %.  Rows are paired by seed (same split, boards and first model).
"""

import argparse
import os
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from statistics import mean, stdev

from report import Row, changed, save, show

from paebiru import accel
from paebiru.sim.federation import Federation, floats
from paebiru.sim.plan import Plan, prepare

PULLS = (0.0, 0.001, 0.01, 0.1, 1.0)
WAYS = {"float32": None, "dense": 1.0, "5 %": 0.05}
EARLY, TAIL = 10, 5
PLAN = Plan("digits", split="dirichlet", local_epochs=5)


@dataclass(frozen=True)
class Run:
    """Accuracies of one run: of the first rounds, the last ones, and how much those sway."""

    early: float
    last: float
    sway: float


def run(plan: Plan, share: float | None) -> Run:
    """Run one federation; share None is float32 with the same pull."""
    accel.install()
    if share is None:
        found = list(floats(prepare(plan), plan.proximal))
    else:
        found = [r.accuracy for r in Federation(prepare(replace(plan, share=share))).rounds()]
    found = [100 * accuracy for accuracy in found]
    return Run(mean(found[:EARLY]), mean(found[-TAIL:]), stdev(found[-4 * TAIL :]))


def rows_of(pool: ProcessPoolExecutor, alpha: float, seeds: int) -> list[Row]:
    """Return the rows of one way to deal the labels."""
    jobs = {
        (way, pull): [
            pool.submit(run, replace(PLAN, alpha=alpha, seed=seed, proximal=pull), share)
            for seed in range(seeds)
        ]
        for way, share in WAYS.items()
        for pull in PULLS
    }
    found = {case: [job.result() for job in some] for case, some in jobs.items()}
    return [row_of(alpha, way, pull, found[way, pull], found[way, 0.0]) for way, pull in jobs]


def row_of(alpha: float, way: str, pull: float, runs: list[Run], none: list[Run]) -> Row:
    """Return one row: percent, and points to the same way without a pull."""
    apart = [r.last - n.last for r, n in zip(runs, none, strict=True)]
    early = [r.early - n.early for r, n in zip(runs, none, strict=True)]
    return {
        "alpha": alpha,
        "sent": way,
        "mu": f"{pull:g}",
        "accuracy": round(mean(r.last for r in runs), 2),
        "sd": round(stdev(r.last for r in runs), 2),
        "to_none": round(mean(apart), 2),
        "se": round(stdev(apart) / len(apart) ** 0.5, 2),
        "early_to_none": round(mean(early), 2),
        "early_se": round(stdev(early) / len(early) ** 0.5, 2),
        "sway": round(mean(r.sway for r in runs), 2),
        "seeds": len(runs),
    }


def main() -> None:
    """Run every row and write results/proximal.json."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--alpha", type=float, action="append", help="of Dirichlet: 0.3")
    parser.add_argument("--workers", type=int, default=os.cpu_count())
    args = parser.parse_args()
    rows: list[Row] = []
    with ProcessPoolExecutor(args.workers) as pool:
        for alpha in args.alpha or (0.3,):
            some = rows_of(pool, alpha, args.seeds)
            show(f"digits, Dirichlet {alpha}, 5 local epochs; means of the last {TAIL} of 60 rounds"
                 f" and of the first {EARLY}", some)  # fmt: skip
            rows += some
    other = [name for name in changed(parser, args) if name != "--workers"]  # the same for any
    save("proximal", other, rows=rows)


if __name__ == "__main__":
    main()
