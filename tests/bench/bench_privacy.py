"""Accuracy against privacy: clip, sum and discrete Gaussian noise on digits, at several epsilons.

Every board takes part in every round; what is protected is a board with all of its samples.
Noise is the least that keeps all rounds within epsilon.  Runs are the simulator's own, with
dense updates, but for the hub's mean, which is `privacy.PrivateSum`.
"""

import argparse
import os
from concurrent.futures import ProcessPoolExecutor
from statistics import mean, stdev

import numpy as np
from report import Row, changed, save, show

from paebiru import accel
from paebiru.federated import rules
from paebiru.federated.accountant import RATE_ONE, Budget, least_sigma
from paebiru.federated.privacy import PrivateSum, clip_updates
from paebiru.rng import Rng
from paebiru.sim.federation import Federation
from paebiru.sim.plan import Plan, prepare

ROUNDS, EPOCHS, TAIL, DELTA, ONE = 20, 5, 5, 1e-3, 1 << 14
CLIP = ONE // 2  # an L2 norm of 0.5; what five epochs learn is longer
RATES = {100: 512, 30: 256}  # of the hub, in 1/256: clipped means of many boards are short
NETWORKS = {"MLP 64-32-10": (32,), "linear 64-10": ()}
Case = tuple[int, str]  # boards, network
# What the float prototype had at each epsilon (its 30 boards at a clip of 1), where there is one.
CASES: dict[Case, dict[str, float]] = {
    (100, "MLP 64-32-10"): {"none": 89.4, "8": 88.7, "4": 87.9, "2": 83.7},
    (100, "linear 64-10"): {"none": 91.2, "8": 91.5, "4": 91.2, "2": 89.3},
    (30, "MLP 64-32-10"): {"none": 95.0, "8": 89.2, "4": 73.4, "2": 45.0},
    (30, "linear 64-10"): {},
}
WAYS = ("none", "8", "4", "2")  # none: clipped, without noise


class PrivateMean:
    """In the mean's place: clipped updates with equal weights, and noise that a budget pays for."""

    def __init__(self, boards: int, way: str, seed: int):
        self._source = Rng(seed, "privacy", way)
        self._private: PrivateSum | None = None
        if way != "none":
            self._private = PrivateSum(CLIP, sigma(way), boards)
            self._budget = Budget(float(way), DELTA)

    def __call__(self, frames: rules.Codes, samples: rules.Int64) -> rules.Int64:
        """Return one round's mean, Q14."""
        updates = rules.decoded(frames)
        if self._private:
            self._budget.spend(self._private.spend(RATE_ONE))
            return self._private.mean(updates, self._source)
        return rules.fedavg_aggregate(clip_updates(updates, CLIP), np.ones_like(samples))


def sigma(epsilon: str) -> int:
    """Return the least noise by which all rounds stay within epsilon."""
    return least_sigma(CLIP, float(epsilon), DELTA, ROUNDS)


def run(case: Case, way: str, seed: int) -> float:
    """Return the mean accuracy of the last rounds, percent."""
    accel.install()
    boards, network = case
    plan = Plan(
        "digits", clients=boards, rounds=ROUNDS, local_epochs=EPOCHS, share=1.0, seed=seed,
        hidden=NETWORKS[network], rate=RATES[boards] / 256,
    )  # fmt: skip
    federation = Federation(prepare(plan))
    federation.rounds_of.combine = PrivateMean(boards, way, seed)
    found = [r.accuracy for r in federation.rounds()]
    return 100 * mean(found[-TAIL:])


def main() -> None:
    """Run every case and write results/privacy.json."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=3)
    args = parser.parse_args()
    rows: list[Row] = []
    with ProcessPoolExecutor(os.cpu_count()) as pool:
        jobs = {
            (case, way): [pool.submit(run, case, way, seed) for seed in range(args.seeds)]
            for case in CASES
            for way in WAYS
        }
        for (case, way), some in jobs.items():
            found = [job.result() for job in some]
            rows.append({
                "boards": case[0],
                "network": case[1],
                "epsilon": way,
                "z": None if way == "none" else round(sigma(way) / CLIP, 3),
                "accuracy": round(mean(found), 2),
                "sd": round(stdev(found), 2) if len(found) > 1 else None,
                "prototype": CASES[case].get(way),
                "seeds": len(found),
            })  # fmt: skip
            print(rows[-1], flush=True)
    show(f"digits, {ROUNDS} rounds, delta {DELTA:g}, accuracy % (last {TAIL} rounds)", rows)
    save("privacy", changed(parser, args), rows=rows)


if __name__ == "__main__":
    main()
