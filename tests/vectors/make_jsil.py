"""Write jsil.json: streams from the plain definition of SPEC.md sections 3 and 4.

Run by ``make vectors``.  The frames are drawn here, and repeated in the file; the streams
come from jsil_definition.py, which shares no code with the core but its frozen tables.
"""

import json
import random
import sys
from pathlib import Path

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE.parents[1] / "shared")]

import jsil_definition as definition  # noqa: E402 - the core's tables are found by the line above

OUT = HERE / "jsil.json"
MLP = (4, 5, 3)  # 43 weights
MODES = range(5)


def sparse(rng: random.Random, size: int, share: float) -> bytes:
    """One magnitude, few places: an update."""
    return bytes(rng.choice((0x51, 0x59)) if rng.random() < share else 0 for _ in range(size))


def dense(rng: random.Random, size: int) -> bytes:
    small = (0, 0, 0, 0x14, 0x1C, 0x24, 0x2C, 0x33, 0x3B, 0x55, 0x6E)
    return bytes(rng.choice(small) for _ in range(size))


def noise(rng: random.Random, size: int) -> bytes:
    return bytes(rng.randrange(256) for _ in range(size))


def walk(rng: random.Random, size: int, count: int) -> list[bytes]:
    """Frames of which each changes a fifth of the one before."""
    frames = [noise(rng, size)]
    for _ in range(count - 1):
        steps = (-16, 16, 1, -1)
        old = frames[-1]
        new = ((b + rng.choice(steps)) % 256 if rng.random() < 0.2 else b for b in old)
        frames.append(bytes(new))
    return frames


def states(rng: random.Random, count: int) -> list[bytes]:
    """A board's recording: L4 and L8 move, L5 stays, the rest is NULL."""
    made, tilt = [], 0x70
    for _ in range(count):
        tilt = (tilt + rng.choice((0, 0, 1, 15, 16))) % 256
        state = bytearray(16)
        state[4], state[5], state[8] = tilt, 0x73, rng.choice((0x60, 0x70))
        made.append(bytes(state))
    return made


def case(what: str, frames: list[bytes], mode: int, **options: object) -> dict[str, object]:
    """Return a case: the frames, how they are packed, the stream."""
    made = definition.stream(frames, mode, **options)  # type: ignore[arg-type]
    shown = {k: v.hex() if isinstance(v, bytes) else v for k, v in options.items()}
    return {
        "what": what, "mode": mode, **shown,
        "frames": [frame.hex() for frame in frames], "stream": made.hex(),
    }  # fmt: skip


def cases() -> list[dict[str, object]]:
    rng = random.Random(20)
    made = []
    for mode in MODES:
        made.append(case("one byte", [b"\x80"], mode))
        made.append(case("nothing but NULL", [bytes(20)], mode))
        made.append(case("noise", [noise(rng, 30)], mode))
        made.append(case("a walk", walk(rng, 40, 5), mode))
        made.append(case("a walk with keyframes", walk(rng, 20, 7), mode, interval=2))
        made.append(case("a network's walk", walk(rng, 43, 3), mode, rows=MLP))
        recorded = states(rng, 40)
        made.append(case("states in blocks", recorded, mode, group=16, interval=32))
    made.append(case("loose rows", [dense(rng, 300)], 4))
    made.append(case("a dense update", [dense(rng, 43)], 4, rows=MLP))
    made.append(case("all 256 codes", [bytes(range(256))], 4))
    made.append(case("digits, 2 %", [sparse(rng, 2410, 0.02)], 4, rows=(64, 32, 10)))
    made.append(case("a long body", [dense(rng, 2900)], 2))
    for share in (0.02, 0.1, 0.6):
        frame, side = sparse(rng, 43, share), noise(rng, 43)
        made.append(case("beside an expectation", [frame], 4, rows=MLP, side=side))
    return made


def main() -> None:
    OUT.write_text(json.dumps({"cases": cases()}, indent=1) + "\n")


if __name__ == "__main__":
    main()
