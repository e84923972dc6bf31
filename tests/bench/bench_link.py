"""Goodput of the link over lines of several speeds and qualities.

    python tests/bench/bench_link.py [--size BYTES]

One object goes from the board to the hub through `paebiru.testing.LossyLink`, in
virtual time and by seed, so the figures are the same on every machine.  A row's
goodput counts from the offer to the COMMIT; ``share_of_line`` is its share of
what the line carries, ``overhead`` the bytes put on the line (both ways) per byte
of the object, less one; ``corrupt`` the objects that arrived with other bytes.
The rows go to tests/bench/results/link.json.
"""

import argparse
import json
from pathlib import Path
from random import Random

from paebiru.testing import CLEAN, Faults, LossyLink, SessionPair

RESULTS = Path(__file__).parent / "results" / "link.json"
STALL = 5000  # ms without a byte of progress that count as a stall

LINES = {
    # name: bytes per second, delay in ms, window in bytes
    "serial 115200": (11520, 2, 8192),
    "serial 921600": (92160, 2, 8192),
    "tcp 10 Mbit/s": (1250000, 5, 65536),
}
FAULTS = {
    "clean": CLEAN,
    "1e-5 of bits wrong": Faults(bit_error=1e-5),
    "1e-4 of bits wrong": Faults(bit_error=1e-4),
    "0.1 % of bytes lost": Faults(byte_loss=0.001),
    "1 % of bytes lost": Faults(byte_loss=0.01),
}


def measure(line: str, fault: str, size: int) -> dict[str, object]:
    """Carry one object over one line; return the row."""
    rate, delay, window = LINES[line]
    up, down = (LossyLink(seed, rate, delay, FAULTS[fault]) for seed in (11, 12))
    pair = SessionPair(up, down, seed=13, window=window)
    pair.run_until(lambda: pair.is_up, limit=60000)
    before = up.carried + down.carried
    data = Random(14).randbytes(size)
    pair.board.offer(data)
    longest = 0
    start = progress = pair.clock.now
    consumed = 0
    while not pair.board.committed:
        pair.step()
        if pair.hub.session.incoming.consumed() != consumed:
            consumed = pair.hub.session.incoming.consumed()
            longest = max(longest, pair.clock.now - progress)
            progress = pair.clock.now
        if pair.clock.now - progress > 60000:
            raise SystemExit(f"{line}, {fault}: stalled at {consumed} of {size} bytes")
    goodput = size * 1000 / (pair.clock.now - start)
    carried = up.carried + down.carried - before
    return {
        "line": line,
        "fault": fault,
        "goodput_Bps": round(goodput),
        "share_of_line": round(goodput / rate, 4),
        "overhead": round(carried / size - 1, 3),
        "longest_wait_ms": longest,
        "stalled": longest > STALL,
        "corrupt": sum(body != data for body in pair.hub.objects.values()),
    }


def main() -> None:
    """Print the table and write it down."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--size", type=int, default=1 << 20, help="bytes of the object")
    size = parser.parse_args().size
    print(f"{'line':14} {'fault':20} {'B/s':>8} {'share':>7} {'overhead':>9} {'wait':>6}  corrupt")
    rows = []
    for line in LINES:
        for fault in FAULTS:
            row = measure(line, fault, size)
            rows.append(row)
            print(
                f"{line:14} {fault:20} {row['goodput_Bps']:8} {row['share_of_line']:7.1%} "
                f"{row['overhead']:9.1%} {row['longest_wait_ms']:6}  {row['corrupt']}",
                flush=True,
            )
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps(rows, indent=1) + "\n")


if __name__ == "__main__":
    main()
