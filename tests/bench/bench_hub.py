"""The hub's rules beside Flower's own functions: the same rounds, in turns, in one run.

Each has its own process and environment (`make bench-hub` makes Flower's); a rule is run by one,
then by the other, and the best of several counts.  Ours starts from codes, a byte a weight, so
decoding them to integers is in `ms`; Flower's starts from float32 arrays, but for the mean from
bytes and multi-Krum, whose functions take records of bytes.

What comes before is told apart, and with it (`ratio_whole`): entropy decoding of the boards'
payloads here, one after the other on one core, as a hub does it while they arrive; the reading of
NPY bytes there.  `decoding` has both for an update, with how many bytes it is on the line.

Our rules take all cores (`ms_1`: one of them).  Flower's functions are single-threaded NumPy, but
for the products of multi-Krum, for which BLAS takes all cores.
"""

import argparse
import json
import os
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from report import Row, changed, save, show

from paebiru import accel
from paebiru.federated import coordinates, geometric, loops
from paebiru.federated.rules import decoded, encoded
from sil import nn
from sil.payload import Payload

HERE = Path(__file__).parent
FLOWER = HERE.parents[1] / "build" / "venv-flower" / "bin" / "python"
NETWORKS = {100: (999, 50), 1000: (99, 50)}  # boards: sizes of 50,000 and 5,000 weights
SPREAD = 400  # of an update's weights, Q14: what dense updates of digits have
ONE = 1 << 14
SHARE = 0.05
FROM_BYTES = ("mean, from bytes", "multi-Krum")  # Flower reads them within these


class Flower:
    """Flower's process, asked a line at a time."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [FLOWER, HERE / "flower_side.py"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.version = self._answer()

    def ask(self, line: str):
        """Return the answer to a command."""
        self._process.stdin.write(line + "\n")
        self._process.stdin.flush()
        return self._answer()

    def _answer(self):
        line = self._process.stdout.readline()
        if not line:
            raise SystemExit("Flower's side ended: see its message above")
        return json.loads(line)

    def load(self, folder: Path, frames, samples, f: int) -> None:
        """Hand over a round: the same numbers, as float32."""
        updates = decoded(frames).astype(np.float32) / np.float32(ONE)
        path = folder / "round.npz"
        np.savez(path, updates=updates, samples=samples, f=f)
        self.ask(f"load {path}")

    def close(self) -> None:
        """End the process."""
        self._process.stdin.close()
        self._process.wait(timeout=30)


def seconds(run: Callable[[], object]) -> float:
    """Return what one run takes."""
    begun = time.perf_counter()
    run()
    return time.perf_counter() - begun


def in_turns(ours: Callable[[], object], theirs: Callable[[], float], times: int) -> list[float]:
    """Return the best of both, in ms, after a first run that is not counted."""
    found = [(seconds(ours), theirs()) for _ in range(times + 1)][1:]
    return [1000 * min(column) for column in zip(*found, strict=True)]


def a_round(boards: int) -> tuple[np.ndarray, np.ndarray, list[bytes], Payload]:
    """Return frames, samples, and the same frames as payloads with what decodes them."""
    sizes, rng = NETWORKS[boards], np.random.default_rng(boards)
    first = bytes(nn.initial_codes(sizes, 0))
    values = np.rint(rng.normal(0, SPREAD, (boards, len(first)))).astype(np.int64)
    frames = encoded(values)
    payload = Payload(sizes, first)
    payload.expect(nn.decode(first))
    out = bytearray(payload.limit)
    payloads = [bytes(out[: payload.encode(bytearray(frame), out)]) for frame in frames]
    return frames, rng.integers(1, 2000, boards), payloads, payload


def on_one_core(run: Callable[[], object], times: int) -> float:
    """Return the best of several runs on one thread, in ms."""
    had, loops.threads = loops.threads, 1
    try:
        run()
        return 1000 * min(seconds(run) for _ in range(times))
    finally:
        loops.threads = had


def measure(boards: int, flower: Flower, folder: Path, times: int) -> list[Row]:
    """Return a row a rule."""
    frames, samples, payloads, payload = a_round(boards)
    f, weights = boards // 10, frames.shape[1]
    flower.load(folder, frames, samples, f)
    payload_ms, npy_ms = in_turns(
        lambda: decode(payloads, payload, frames), lambda: flower.ask("decode"), 2
    )
    mean = lambda: coordinates.mean_by_samples(frames, samples)  # noqa: E731
    rules = {
        "mean": mean,
        "mean, from bytes": mean,
        "median": lambda: coordinates.median(frames),
        "trimmed mean": lambda: coordinates.trimmed_mean(frames, f),
        "multi-Krum": lambda: geometric.multi_krum(frames, f),
    }
    rows: list[Row] = []
    for rule, ours in rules.items():
        ms, flower_ms = in_turns(ours, lambda rule=rule: flower.ask(rule), times)
        whole = flower_ms + (0 if rule in FROM_BYTES else npy_ms)
        rows.append({
            "rule": rule, "boards": boards, "weights": weights, "ms": round(ms, 2),
            "ms_1": round(on_one_core(ours, times // 3 + 1), 2), "flower_ms": round(flower_ms, 2),
            "ratio": round(flower_ms / ms, 1), "payload_ms": round(payload_ms, 1),
            "flower_npy_ms": round(npy_ms, 1), "ratio_whole": round(whole / (ms + payload_ms), 2),
        })  # fmt: skip
    return rows


def decode(payloads: list[bytes], payload: Payload, frames: np.ndarray) -> None:
    """Decode a round's payloads; look at some that they are right."""
    frame = bytearray(frames.shape[1])
    for i, body in enumerate(payloads):
        payload.decode(body, frame)
        assert i % 50 or frame == frames[i].tobytes()


def decoding(boards: int) -> list[Row]:
    """Return what decoding one update takes, dense and with 5 % of its weights."""
    rng, rows = np.random.default_rng(boards), []
    frames, _, payloads, payload = a_round(boards)
    few = np.where(rng.random(frames.shape) < SHARE, frames, 0).astype(np.uint8)
    out = bytearray(payload.limit)
    sparse = [bytes(out[: payload.encode(bytearray(frame), out)]) for frame in few]
    for sent, some, right in (("all", payloads, frames), ("5 %", sparse, few)):
        ms = 1000 * min(seconds(lambda: decode(some, payload, right)) for _ in range(3))  # noqa: B023
        rows.append({
            "weights": frames.shape[1], "sent": sent, "ms": round(ms / boards, 3),
            "bytes": round(sum(map(len, some)) / boards), "float32_bytes": 4 * frames.shape[1],
        })  # fmt: skip
    return rows


def picks(flower: Flower, folder: Path, cases: int = 20) -> list[Row]:
    """Return how often each side picks Krum's one right, by Python's integers.

    Half of the weights are large and the same in all models, the others small: float32 has no
    digits left for what differs.
    """
    right, theirs = 0, 0
    for seed in range(cases):
        rng = np.random.default_rng(seed)
        frames = np.full((9, 4000), 0xA0, dtype=np.uint8)
        frames[:, ::2] = encoded(np.rint(rng.normal(0, 160, (9, 2000))).astype(np.int64))
        best = krum_by_definition(frames, 2)
        flower.load(folder, frames, np.ones(9, dtype=np.int64), 2)
        right += np.array_equal(geometric.krum_aggregate(frames, 2), frames[best])
        theirs += flower.ask("picks 1") == [best]
    return [{"case": "9 models with large weights in common", "cases": cases,
             "right": right, "flower_right": theirs}]  # fmt: skip


def krum_by_definition(frames: np.ndarray, f: int) -> int:
    """Return whom Krum picks, in Python's integers."""
    rows = decoded(frames).tolist()
    scores = []
    for a in rows:
        nearest = sorted(sum((x - y) ** 2 for x, y in zip(a, b, strict=True)) for b in rows)
        scores.append(sum(nearest[: len(rows) - f - 1]))  # itself, at 0, and n - f - 2 others
    return scores.index(min(scores))


def main() -> None:
    """Measure, print, write results/hub.json."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--times", type=int, default=15, help="runs of which the best counts")
    args = parser.parse_args()
    if not FLOWER.exists():
        raise SystemExit("Flower's environment is missing: run `make bench-hub`")
    accel.install()
    flower = Flower()
    with TemporaryDirectory() as folder:
        rows = [row for n in NETWORKS for row in measure(n, flower, Path(folder), args.times)]
        exact = picks(flower, Path(folder))
    flower.close()
    apart = [row for n in NETWORKS for row in decoding(n)]
    how = f"ms, best of {args.times} in turns, {loops.threads} threads"
    show(f"beside Flower {flower.version}, {how}", rows)
    show("decoding one update, ms, on one core", apart)
    show("Krum's picks", exact)
    about = {"version": flower.version, "threads": loops.threads, "load": os.getloadavg()[1]}
    other = changed(parser, args)
    save("hub", other, rows=rows, decoding=apart, picks=exact, flower=[about])


if __name__ == "__main__":
    main()
