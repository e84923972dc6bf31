"""Write features.json: scaling and window features from unbounded integers.

Run by ``make vectors``.  Nothing of `sil` is used here: the formulas below are the
definition, with Python's big integers where the core works in limbs.
"""

import json
import random
from math import isqrt
from pathlib import Path

OUT = Path(__file__).with_name("features.json")
LIMITS = {0: (0, 255), 1: (-127, 127)}


def little(value: int, size: int) -> bytes:
    return (value % (1 << (8 * size))).to_bytes(size, "little")


def scaled(kind: int, rows: list[tuple[int, int, int]], x: list[int]) -> tuple[bytes, int]:
    low, high = LIMITS[kind]
    out, clamped = bytearray(), 0
    for i, value in enumerate(x):
        offset, multiplier, shift = rows[i % len(rows)]
        y = (max(-65535, min(65535, value)) * multiplier + offset) >> shift
        clamped += not low <= y <= high
        out.append(max(low, min(high, y)) % 256)
    return bytes(out), clamped


def window_features(frames: list[tuple[int, ...]]) -> list[int]:
    n, out = len(frames), []
    for v in zip(*frames, strict=True):
        mean = (2 * sum(v) + n) // (2 * n)
        sd = isqrt(sum((a - mean) ** 2 for a in v) // n)
        roughness = sum(abs(b - a) for a, b in zip(v, v[1:], strict=False)) // (n - 1)
        out += [mean, sd, min(v), max(v), roughness]
    return out


def scaler_case(name: str, kind: int, rows: list[tuple[int, int, int]], x: list[int]) -> dict:
    out, clamped = scaled(kind, rows, x)
    table = bytes([kind, len(rows)])
    for offset, multiplier, shift in rows:
        table += little(offset, 4) + little(multiplier, 2) + little(shift, 1)
    return {
        "name": name,
        "kind": kind,
        "rows": rows,
        "table": table.hex(),
        "x": x,
        "out": out.hex(),
        "clamped": clamped,
    }


def window_case(name: str, length: int, frames: list[tuple[int, ...]]) -> dict:
    whole = len(frames) // length * length
    return {
        "name": name,
        "channels": len(frames[0]),
        "length": length,
        "samples": b"".join(little(v, 2) for frame in frames for v in frame).hex(),
        "out": [window_features(frames[i : i + length]) for i in range(0, whole, length)],
    }


def main() -> None:
    rng = random.Random(20)
    most = (1 << 29) - 1
    edge = [0, 1, -1, 65535, -65535, 65536, -65536, most, -most - 1]
    rows = [
        (rng.randrange(-most, most), rng.randrange(2048, 4096), rng.randrange(12, 27))
        for _ in range(5)
    ]
    scalers = [
        scaler_case("pixels 0..16", 0, [(1 << 6, 2040, 7)], list(range(17)) + [-1, 40]),
        scaler_case("standardised", 1, [(-3_000_000, 2100, 11)], list(range(1300, 1560, 5))),
        scaler_case("a constant column", 1, [(0, 0, 0)], edge),
        scaler_case("the limits of every number, up", 1, [(most, 4095, 26)], edge),
        scaler_case("the limits of every number, down", 0, [(-most, 4095, 0)], edge),
        scaler_case("beyond 16 bits, up", 1, [(-65500, 1, 0)], [65534, 65535, 65536, 65537, most]),
        scaler_case("beyond 16 bits, down", 1, [(65500, 1, 0)], [-65534, -65535, -65536, -most]),
        scaler_case("five columns", 1, rows, [rng.randrange(-65535, 65536) for _ in range(40)]),
    ]
    noise = [tuple(rng.randrange(-(1 << 15), 1 << 15) for _ in range(6)) for _ in range(450)]
    motion = [tuple(round(rng.gauss(900, 40)) for _ in range(3)) for _ in range(100)]
    windows = [
        window_case("six channels of noise, 4 s", 200, noise),
        window_case("three channels, small values", 25, motion),
        window_case("the least window", 2, [(-3,), (4,), (0,), (0,), (-32768,), (32767,)]),
        window_case("all at the least", 1024, [(-32768,)] * 1024),
        window_case("all at the greatest", 1024, [(32767,)] * 1024),
        window_case("from rail to rail", 1024, [(-32768,), (32767,)] * 512),
        window_case("odd length", 7, [((-1) ** i * 32767, i) for i in range(14)]),
    ]
    groups = {"scalers": scalers, "windows": windows}
    # One case a line: a diff then shows which one changed.
    text = ",\n".join(
        json.dumps(name) + ": [\n" + ",\n".join(map(json.dumps, cases)) + "\n]"
        for name, cases in groups.items()
    )
    OUT.write_text("{\n" + text + "\n}\n")


if __name__ == "__main__":
    main()
