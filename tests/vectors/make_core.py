"""Write core.json: bytes, states, rho_sil, inferences and training, from the definitions."""

import hashlib
import json
import random
from pathlib import Path

import definition as d

OUT = Path(__file__).with_name("core.json")
SEED = 20
PULL = 6554  # a proximal term of .2, Q15


def hexed(values: "list[int] | bytes") -> str:
    return bytes(v % 256 for v in values).hex()


def byte_cases(rng: random.Random) -> dict:
    codes = range(256)
    table = {
        name: hashlib.sha256(bytes(f(a, b) for a in codes for b in codes)).hexdigest()
        for name, f in (("mul", d.mul), ("div", d.div), ("mix", d.mix))
    }
    near = []
    while len(near) < 200:
        size = 2 ** rng.uniform(0, 28)
        re, im = round(size * rng.uniform(-1, 1)), round(size * rng.uniform(-1, 1))
        if (code := d.from_complex(re, im)) is not None:
            near.append([re, im, code])
    edges = [v + k for v, _ in d.LEVELS for k in (-1, 0, 1)]
    values = edges + [-v for v in edges] + [0, 1, 2**29, -(2**29)]
    return {
        "tables": table,
        "pow": {n: hexed([d.power(c, n) for c in codes]) for n in (-3, -1, 0, 1, 2, 5)},
        "root": {n: hexed([d.root(c, n) for c in codes]) for n in (-2, 1, 2, 3, 7)},
        "complex": [d.to_complex(c) for c in codes],
        "from_complex": near,
        "dec": d.DEC,
        "encode": [[v, d.encode(v)] for v in values],
    }


def rho_cases(rng: random.Random) -> list[dict]:
    vectors = [bytes(16), bytes([0x80] * 16), bytes([0xF0] * 16), bytes(range(0, 256, 16))]
    vectors += [bytes([0x00, 0x80]), bytes([0x64] * 15 + [0x90]), bytes(range(256))]
    for n in (2, 3, 16, 16, 16, 100, 1000):
        low = rng.randrange(16)
        vectors.append(bytes(rng.randrange(16 * low, 256) for _ in range(n)))
        vectors.append(bytes(rng.choice((0x00, 0x58, 0x61, 0x83)) for _ in range(n)))
    return [{"vector": v.hex(), "rho": float(d.rho_sil(v))} for v in vectors]


def network_cases(rng: random.Random) -> list[dict]:
    cases = []
    for sizes, signed in (((8, 6, 3), False), ((5, 70, 9, 4), True), ((64, 10), False)):
        codes = d.initial(sizes, SEED)
        low, high = (-128, 127) if signed else (0, 255)
        rows = [[rng.randint(low, high) for _ in range(sizes[0])] for _ in range(21)]
        labels = [rng.randrange(sizes[-1]) for _ in rows]
        sums = [
            d.forward(d.split([d.DEC[c] for c in codes], sizes), row, 5 if signed else 8, 14)[1]
            for row in rows
        ]
        masters = [(d.DEC[c] + 2) >> 2 for c in codes]
        after = d.train(masters, sizes, rows, labels, signed, 3, 3, SEED + 1)
        drawn = d.train(after, sizes, rows, labels, signed, 3, 3, SEED + 2, PULL, masters)
        cases.append({
            "sizes": sizes, "signed": signed, "seed": SEED, "codes": hexed(codes),
            "x": "".join(hexed(row) for row in rows), "labels": hexed(labels),
            "logits": sums[0], "classes": [s.index(max(s)) for s in sums],
            "trained": after, "trained_codes": hexed([d.encode(4 * m) for m in after]),
            "proximal": PULL, "drawn": drawn,
        })  # fmt: skip
    return cases


def pull_cases(rng: random.Random) -> list[dict]:
    """Masters drawn to their base: the furthest there are, the nearest, each rate, mu 0 to 1."""
    cases = []
    for mu in (0, 1, 33, 328, 3277, 32767, 32768):
        for lrs in (0, 3, 8):
            far = [(32767, -32767), (-32767, 32767), (0, 0), (5, 4), (4, 5)]
            near = [
                (b + rng.randint(-900, 900), b) for b in rng.choices(range(-30000, 30000), k=12)
            ]
            masters, base = zip(*far, *near, strict=True)
            dither = rng.choice((0, 65535, rng.randrange(65536)))
            cases.append({
                "mu": mu, "lrs": lrs, "dither": dither, "masters": masters, "base": base,
                "drawn": d.pull(masters, base, mu, lrs, dither),
            })  # fmt: skip
    return cases


def extreme_cases(rng: random.Random) -> list[dict]:
    """Training from weights at +-8: sums saturate, errors are clamped, wide layers scaled."""
    cases = []
    for sizes, signed in (((100, 3), False), ((3, 4, 70, 3), True)):
        rows = [[rng.choice((-128, 127) if signed else (0, 255)) for _ in range(sizes[0])]
                for _ in range(9)]  # fmt: skip
        labels = [rng.randrange(3) for _ in rows]
        # Mostly of one sign, so that what is summed does not cancel.
        codes = rng.choices((0xF0, 0xF8), (9, 1), k=d.weights(sizes))
        masters = [d.clamp((d.DEC[c] + 2) >> 2, -32767, 32767) for c in codes]
        after = d.train(masters, sizes, rows, labels, signed, 3, 0, SEED)
        cases.append({
            "sizes": sizes, "signed": signed, "seed": SEED, "codes": hexed(codes),
            "x": "".join(hexed(row) for row in rows), "labels": hexed(labels), "trained": after,
        })  # fmt: skip
    return cases


def update_cases(rng: random.Random) -> list[dict]:
    """Updates sparse and dense, of small changes, ties, and the largest there are."""
    cases = []
    for pool in (range(-400, 401), (-3, 0, 0, 3), (-32768, -32767, 32767, 9)):
        for share in (1, 500, 2500, 2501, 10000):
            changes = [rng.choice(pool) for _ in range(60)]
            frame, left = d.take(changes, share)
            model = [rng.choice((-32767, 0, 32767, 400)) for _ in changes]
            after = [d.clamp(m + d.decoded(c), -32767, 32767)
                     for m, c in zip(model, frame, strict=True)]  # fmt: skip
            cases.append({
                "share": share, "changes": changes, "frame": hexed(frame), "left": left,
                "model": model, "after": after,
            })  # fmt: skip
    return cases


def limit_cases(rng: random.Random) -> list[dict]:
    """Models just within the limit of the largest sum, and just beyond."""
    # Two by a search over all pairs of weights and a bias: the closest below (by 382), and
    # one 51205 beyond that a comparison of rounded sums lets pass.  Then biases alone.
    drawn = [([0xDF, 0x82], 0x94, False), ([0x8F, 0xDF], 0x71, False)]
    drawn += [
        ([0x00], bias, signed) for bias in (0xC0, 0xD8, 0xFE, 0xF0) for signed in (False, True)
    ]
    for _ in range(60):
        signed = rng.random() < 0.5
        row = [rng.randrange(0x98, 0xE0) for _ in range(rng.randint(1, 4))]
        drawn.append((row, rng.randrange(0x70, 0xD8), signed))
    cases = []
    for row, bias, signed in drawn:
        sizes, codes = (len(row), 2), row * 2 + [bias] * 2
        cases.append({
            "sizes": sizes, "signed": signed, "codes": hexed(codes),
            "fits": d.fits(codes, sizes, signed),
        })  # fmt: skip
    return cases


def random_case(seed: int) -> list[int]:
    rand = d.Rand(seed)
    return [rand.next() for _ in range(8)]


def main() -> None:
    rng = random.Random(SEED)
    core = {
        "bytesil": byte_cases(rng),
        "rho": rho_cases(rng),
        "rand16": {seed: random_case(seed) for seed in (0, 1, 2**29)},
        "networks": network_cases(rng),
        "extremes": extreme_cases(rng),
        "limits": limit_cases(rng),
        "updates": update_cases(rng),
        "pulls": pull_cases(rng),
    }
    OUT.write_text(json.dumps(core, separators=(",", ":")).replace("],[", "],\n[") + "\n")
    print(f"wrote {OUT.name}, {OUT.stat().st_size} bytes")


if __name__ == "__main__":
    main()
