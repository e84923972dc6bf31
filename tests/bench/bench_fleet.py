"""One round of 1000 boards: each trains an epoch on 32 digits drawn with replacement, codes its
update; the hub decodes and aggregates all of them.  Set-up (data, boards, processes) excluded.
"""

import argparse
import os
from contextlib import closing
from dataclasses import replace
from statistics import median

from report import Row, changed, save, show

from paebiru import accel
from paebiru.rng import Rng
from paebiru.sim.federation import Federation
from paebiru.sim.plan import Plan, World, prepare

SAMPLES = 32


def world_of(clients: int) -> World:
    """Return a world in which every board holds 32 digits drawn with replacement."""
    world = prepare(Plan("digits", clients=1, rounds=5))
    rng, rows = Rng(0, "fleet"), len(world.split.train_y)
    parts = [rng.words(SAMPLES) % rows for _ in range(clients)]
    plan = replace(world.plan, clients=clients)
    return replace(world, plan=plan, parts=[part.astype(int) for part in parts])


def measure(clients: int, workers: int) -> Row:
    """Return the median round of a fleet; the first, which fills caches, is left out."""
    with closing(Federation(world_of(clients), workers)) as federation:
        rounds = list(federation.rounds())[1:]
    seconds = median(r.seconds for r in rounds)
    return {
        "boards": clients,
        "processes": workers,
        "round_s": round(seconds, 3),
        "boards_per_s": round(clients / seconds),
        "bytes_up": round(rounds[-1].bytes_up, 1),
    }


def main() -> None:
    """Measure, print, write results/fleet.json."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clients", type=int, default=1000)
    args = parser.parse_args()
    accel.install()
    cores = os.cpu_count() or 1
    rows = [measure(args.clients, workers) for workers in sorted({1, cores})]
    show(f"one round, {SAMPLES} digits a board, 5 % sent, training, coding and hub included", rows)
    save("fleet", changed(parser, args), rows=rows)


if __name__ == "__main__":
    main()
