"""Flower's own functions on the arrays given; run by bench_hub.py in Flower's environment.

Reads a command a line, writes an answer a line (JSON): ``load <path>`` takes a round,
``<rule>`` runs it once and says the seconds, ``picks <f>`` says whom Krum picks.
"""

import json
import sys
import time
from importlib.metadata import version

import numpy as np
from flwr.app import Array, ArrayRecord, MetricRecord, RecordDict
from flwr.server.strategy.aggregate import (
    aggregate,
    aggregate_median,
    aggregate_trimmed_avg,
)
from flwr.serverapp.strategy.multikrum import select_multikrum
from flwr.serverapp.strategy.strategy_utils import aggregate_arrayrecords

KEY = "num-examples"


class Round:
    """One round as Flower's server holds it: arrays, and records of their bytes."""

    def __init__(self, path: str):
        held = np.load(path)
        self.results = [
            ([update], int(n)) for update, n in zip(held["updates"], held["samples"], strict=True)
        ]
        self.records = [
            RecordDict({"arrays": ArrayRecord({"w": Array(x)}), "m": MetricRecord({KEY: n})})
            for (x,), n in self.results
        ]
        self.f = int(held["f"])

    def multi_krum(self) -> object:
        """Select and average, as the strategy MultiKrum does."""
        keep = len(self.records) - self.f
        return aggregate_arrayrecords(select_multikrum(self.records, self.f, keep), KEY)

    def run(self, rule: str) -> float:
        """Return the seconds that one run of a rule takes."""
        run = {
            "mean": lambda: aggregate(self.results),
            "mean, from bytes": lambda: aggregate_arrayrecords(self.records, KEY),
            "median": lambda: aggregate_median(self.results),
            "trimmed mean": lambda: aggregate_trimmed_avg(self.results, self.f / len(self.results)),
            "multi-Krum": self.multi_krum,
            "decode": lambda: [record["arrays"]["w"].numpy() for record in self.records],
        }[rule]
        begun = time.perf_counter()
        run()
        return time.perf_counter() - begun

    def picks(self) -> list[int]:
        """Return the number of the one that Krum picks."""
        (picked,) = select_multikrum(self.records, self.f, 1)
        return [i for i, record in enumerate(self.records) if record is picked]


def main() -> None:
    """Answer until the input ends."""
    answer: object = version("flwr")
    held = None
    print(json.dumps(answer), flush=True)
    for line in sys.stdin:
        word, _, rest = line.strip().partition(" ")
        if word == "load":
            held, answer = Round(rest), "ready"
        elif word == "picks":
            answer = held.picks()
        else:
            answer = held.run(line.strip())
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
