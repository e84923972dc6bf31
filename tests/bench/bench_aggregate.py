"""Three ideas of aggregation on the same federations: nibbles, logs, linear.

The boards send whole models (the original idea) or their changes; the hub averages
the bytes' nibbles, the logs of the weights, or the weights.
"""

import os
from array import array
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from statistics import mean, stdev

import numpy as np
from report import Row, save, show

from paebiru import accel
from paebiru.federated import evaluate, rules
from paebiru.rng import Rng
from paebiru.sim.federation import Federation
from paebiru.sim.plan import Plan, World, prepare
from sil import nn
from sil.train import Trainer

ROUNDS, TAIL, SEEDS = 40, 5, 5
CASES = {
    "10 IID": Plan("digits", rounds=ROUNDS),
    "10 Dirichlet 0.3": Plan("digits", rounds=ROUNDS, split="dirichlet"),
    "30 IID": Plan("digits", rounds=ROUNDS, clients=30),
    "30 Dirichlet 0.3": Plan("digits", rounds=ROUNDS, clients=30, split="dirichlet"),
}
RULES = {
    "mean of rho and of theta (nibbles)": rules.nibble_mean,
    "mean of logs (model_average)": rules.model_average,
    "linear mean, re-encoded": lambda models: rules.encoded(
        rules.fedavg_aggregate(rules.decoded(models), np.ones(len(models), dtype=np.int64))
    ),
}


def of_models(plan: Plan, rule: str) -> float:
    """Return the accuracy where boards send models and the hub applies `rule` to them."""
    accel.install()
    world = prepare(plan)
    codes, found = world.codes, []
    for number in range(plan.rounds):
        models = np.array([_trained(world, codes, number, c) for c in range(plan.clients)])
        codes = RULES[rule](models).tobytes()
        found.append(_accuracy(world, codes))
    return mean(found[-TAIL:])


def _trained(world: World, codes: bytes, number: int, client: int) -> list[int]:
    trainer = Trainer(world.sizes, world.split.signed)
    trainer.load(codes)
    rows = world.parts[client]
    x = np.ascontiguousarray(world.split.train_x[rows]).view(np.uint8).reshape(-1)
    seed = Rng(world.plan.seed, "train", number, client).below(1 << 29)
    trainer.epoch(x, world.split.train_y[rows], array("H", range(len(rows))), seed)
    return list(nn.encode(trainer.masters))


def _accuracy(world: World, codes: bytes) -> float:
    split = world.split
    x = split.test_x.view(np.uint8)
    return evaluate.accuracy(world.sizes, codes, x, split.test_y, split.signed)


def of_changes(plan: Plan) -> float:
    """Return the accuracy of the project's own way: dense changes into the hub's master."""
    accel.install()
    federation = Federation(prepare(replace(plan, share=1.0)))
    return mean([r.accuracy for r in federation.rounds()][-TAIL:])


def main() -> None:
    """Run all and write results/aggregate.json."""
    seeds = range(SEEDS)
    rows: list[Row] = []
    with ProcessPoolExecutor(os.cpu_count()) as pool:
        jobs = {
            (rule, case): [pool.submit(of_models, replace(plan, seed=s), rule) for s in seeds]
            for rule in RULES
            for case, plan in CASES.items()
        }
        ours = "changes, linear, int32 master (default)"
        for case, plan in CASES.items():
            jobs[ours, case] = [pool.submit(of_changes, replace(plan, seed=s)) for s in seeds]
        for rule in [*RULES, ours]:
            row: Row = {"rule": rule}
            for case in CASES:
                found = [100 * job.result() for job in jobs[rule, case]]
                row[case], row[f"sd {case}"] = round(mean(found), 2), round(stdev(found), 2)
            rows.append(row)
    show(f"digits, {ROUNDS} rounds, accuracy %, {SEEDS} seeds", rows)
    save("aggregate", rows=rows)


if __name__ == "__main__":
    main()
