"""Write learner.json: a short federation of two boards and a hub's answer, as payloads.

The pieces have definitions of their own (core.json, jsil.json); here the whole chain is
recorded once, so that every interpreter must send the same bytes as the one that wrote it.
"""

import json
import random
from array import array
from pathlib import Path

from sil import nn
from sil.learner import Learner

OUT = Path(__file__).with_name("learner.json")
SIZES, SHARE, SAMPLES, ROUNDS, SEED = (6, 8, 3), 1500, 20, 3, 11


def samples(rng: random.Random) -> tuple[bytes, bytes]:
    """Return inputs and labels in which the label shows in two inputs."""
    labels = bytes(rng.randrange(SIZES[-1]) for _ in range(SAMPLES))
    rows = [
        [rng.randrange(120) + (120 if k // 2 == label else 0) for k in range(SIZES[0])]
        for label in labels
    ]
    return bytes(v for row in rows for v in row), labels


def main() -> None:
    """Run the federation: each round both boards report, and hear board 0's report as the hub's."""
    rng = random.Random(SEED)
    first = bytes(nn.initial_codes(SIZES, SEED))
    data = [samples(rng) for _ in range(2)]
    boards = [Learner(SIZES, False, first, SHARE) for _ in data]
    orders = [array("H", range(SAMPLES)) for _ in data]
    out = bytearray(boards[0].limit)
    rounds = []
    for number in range(ROUNDS):
        ups = []
        for i, board in enumerate(boards):
            board.train(*data[i], orders[i], 2, SEED + 10 * number + i)
            ups.append(bytes(out[: board.report(out)]))
        for board in boards:
            board.receive(ups[0])
        rounds.append([up.hex() for up in ups])
    assert boards[0].base == boards[1].base
    golden = {
        "sizes": SIZES, "share": SHARE, "seed": SEED, "first": first.hex(),
        "data": [[x.hex(), y.hex()] for x, y in data], "rounds": rounds,
        "model": nn.encode(boards[0].base).hex(),
    }  # fmt: skip
    OUT.write_text(json.dumps(golden, indent=1) + "\n")
    print(f"wrote {OUT.name}")


if __name__ == "__main__":
    main()
