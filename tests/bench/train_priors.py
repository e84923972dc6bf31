"""Train the entropy coder's shipped priors on real streams; write shared/sil/coder_tables.py.

    python tests/bench/train_priors.py

Which contexts a decision is coded in does not depend on any probability, so each frame
gives counts of zeros and ones a slot.  A slot's prior is the mean and the confidence under
which those counts, frame by frame, were likeliest (a beta distribution).  The mixing
weights start where they end up after many frames.  Streams of seed 0, the vowels, and the
recordings that bench_jsil.py measures take no part.

A new table changes every coded byte: raise the version in sil.jsil_head, `make vectors`.
"""

import math
from array import array
from pathlib import Path

import numpy as np
from coder_tables_text import logistic, text
from numba import njit
from numpy.typing import NDArray
from streams import DENSE, Sent, Streams, air_states, digit_states, federation, watch_states

from paebiru import accel
from paebiru.rng import Rng
from sil import coder_tables
from sil.coder import SLOTS, Coder
from sil.kernels import entropy, spans

OUT = Path(coder_tables.__file__)
CONFIDENCES = [(1 << c) - 1 for c in range(8)]
SETS = 12


class Frame:
    """One block to learn from: its bytes, the frame before if it is a delta, its coder."""

    def __init__(self, shape: tuple[int, int, tuple[int, ...]], sent: Sent, old: bytes = b""):
        self.shape = shape
        self.delta = len(old) > 0
        self.raw = bytearray(old + sent[0])
        self.before = len(old)
        self.side = sent[1]

    def code(self, model: Coder) -> int:
        """Code the block with `model`; return the bytes that it took."""
        n = len(self.raw) - self.before
        out = bytearray(2 * n + 64)
        return model.encode(self.raw, self.before, n, int(self.delta), self.side, out, 0, len(out))


def frames_of(streams: Streams, rng: Rng, most: int) -> list[Frame]:
    """Return frames of a federation: updates with and without expectation, models, deltas."""
    size = len(streams.models[0])
    shape = (size, 1, streams.sizes)
    frames = []
    for sent in (streams.up, streams.down):
        for i in rng.permutation(len(sent))[:most]:
            frames.append(Frame(shape, sent[i]))
            if sent[i][1] is not None and i % 3 == 0:
                frames.append(Frame(shape, (sent[i][0], None)))
            if i % 8 == 0 and size < 5000:
                frames.append(Frame((size, 1, ()), (sent[i][0], None)))
    for i in rng.permutation(len(streams.models) - 1)[: 1 + most // 6]:
        frames.append(Frame(shape, (streams.models[i], None)))
        frames.append(Frame(shape, (streams.models[i + 1], None), streams.models[i]))
    return frames


def recording(states: list[bytes]) -> list[Frame]:
    """Return blocks of a recording: long and short ones, and some against the state before."""
    frames = []
    for at in range(0, len(states) - 256, 256):
        block = b"".join(states[at : at + 256])
        frames.append(Frame((16, 256, ()), (block, None)))
        if at % 512 == 0:
            frames.append(Frame((16, 256, ()), (block[:640], None)))
            frames.append(Frame((16, 256, ()), (block[16:], None), block[:16]))
    return frames


def training_frames() -> list[Frame]:
    """Return everything that the priors are trained on."""
    rng = Rng(1, "priors")
    frames = []
    for seed in (1, 2):
        for split in ("iid", "dirichlet"):
            for share in (500, 200, 100, DENSE):
                frames += frames_of(federation("digits", share, seed, split), rng, 16)
        for name, split in (("wine", "iid"), ("watch", "natural")):
            for share in (3000, 500, 200, DENSE):
                frames += frames_of(federation(name, share, seed, split, rounds=40), rng, 12)
    for share in (500, 200, DENSE):
        wide = federation("digits", share, 1, hidden=(512, 32), rounds=12)
        frames += frames_of(wide, rng, 2)
    for states in (watch_states(3), watch_states(4), air_states(0, 3000), digit_states(0, 900)):
        frames += recording(states[:3000])
    return frames


def counting_kernel() -> object:
    """Return the coder's kernel, compiled once more with a line that counts what it codes."""
    source = Path(entropy.__file__).read_text()
    for old, new in (
        ("from ..compat", "from sil.compat"),
        ("segment: ptr16,\n", "segment: ptr16, hits: ptr32,\n"),
        (
            "            prob[x] = p\n",
            "            prob[x] = p\n            hits[2 * x + bit] += 1\n",
        ),
    ):
        assert source.count(old) == 1, f"the kernel no longer has {old!r}: adapt this script"
        source = source.replace(old, new)
    names: dict[str, object] = {}
    exec(compile(source, entropy.__file__, "exec"), names)
    return njit(names["code"])


def counts(frames: list[Frame]) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Return (slot) and (zeros, ones, weight) for every slot that a frame used, by slot."""
    kernel, plain = counting_kernel(), entropy.code
    hits = array("i", bytes(8 * SLOTS))
    slots, rows = [], []
    entropy.code = lambda *arguments: kernel(*arguments, hits)
    for frame in frames:
        hits[:] = array("i", bytes(8 * SLOTS))
        size = frame.code(Coder(*frame.shape))
        seen = np.array(hits).reshape(-1, 2)
        used = np.flatnonzero(seen.sum(1))
        slots.append(used)
        weight = np.full(len(used), 100 / (size + 20))  # short payloads live by the priors
        rows.append(np.column_stack([seen[used], weight]))
    entropy.code = plain
    order = np.argsort(np.concatenate(slots), kind="stable")
    return np.concatenate(slots)[order], np.concatenate(rows)[order]


@njit
def likeliest(slots, rows, means, confidences, priors):  # type: ignore[no-untyped-def]
    """Set each used slot's prior byte to the likeliest mean and confidence."""
    first = 0
    while first < len(slots):
        last = first
        while last < len(slots) and slots[last] == slots[first]:
            last += 1
        best = -1e300
        for mean in range(len(means)):
            for sure in range(len(confidences)):
                total = confidences[sure] + 1.5
                a = max(means[mean] * total, 1e-3)
                b = max((1 - means[mean]) * total, 1e-3)
                base = math.lgamma(a) + math.lgamma(b) - math.lgamma(a + b)
                score = -0.01 * sure  # where it matters little, learn fast
                for k in range(first, last):
                    zeros, ones, weight = rows[k]
                    score += weight * (
                        math.lgamma(a + ones) + math.lgamma(b + zeros)
                        - math.lgamma(a + b + zeros + ones) - base
                    )  # fmt: skip
                if score > best:
                    best = score
                    priors[slots[first]] = mean * 8 + sure
        first = last


def trained_weights(frames: list[Frame], passes: int = 2) -> list[int]:
    """Return the mixing weights that frames start best from: the mean way over the last pass."""
    rng = Rng(5, "weights")
    weights = np.full(5 * SETS, 5000.0)
    total = np.zeros_like(weights)
    for number in range(passes):
        for i in rng.permutation(len(frames)):
            model = Coder(*frames[i].shape)
            start = array("h", np.round(weights).astype(np.int16).tobytes())
            spans.weigh(start, len(start), model._st)
            size = frames[i].code(model)
            step = min(1, 60 / (size + 20)) ** 0.5 * 0.3 + 0.02
            weights += (np.array(model._st[-len(start) :]) - weights) * step
            np.clip(weights, -32767, 32767, out=weights)
            if number == passes - 1:
                total += weights
    return [round(w) for w in total / len(frames)]


def main() -> None:
    """Train, and write the tables."""
    accel.install()
    frames = training_frames()
    print(f"{len(frames)} frames")
    points = logistic()
    points += [65536 - p for p in reversed(points[:-1])]
    means = np.array([points[8 * i + 4] / 65536 for i in range(32)])
    priors = np.full(SLOTS, 16 * 8, np.uint8)
    likeliest(*counts(frames), means, np.array(CONFIDENCES), priors)
    coder_tables.PRIORS = priors.tobytes()
    weights = trained_weights(frames)
    OUT.write_text(text(priors.tobytes(), weights))
    print(f"wrote {OUT}")


if __name__ == "__main__":
    main()
