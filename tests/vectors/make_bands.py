"""Write bands.json: octaves of sound and blocks of pictures, from their definitions.

Run by ``make vectors``.  Nothing of `sil` is used: sound is convolved with the filter as a
whole, with exact fractions, where the core goes block by block in limbs; a picture is a list
of rows, and a direction is an angle.
"""

import json
import math
import random
from fractions import Fraction
from pathlib import Path

OUT = Path(__file__).with_name("bands.json")

# Deslauriers and Dubuc: the polynomial through six points, read in their middle.
BESIDE = [Fraction(3, 256), Fraction(-25, 256), Fraction(150, 256)]
TAPS = {0: Fraction(1, 2)}
for place, weight in zip((5, 3, 1), BESIDE, strict=True):
    TAPS[place] = TAPS[-place] = weight / 2
BANDS, DELAY, LOOK_BACK = 8, 5, 10


def clamp(v: int, most: int = 32767) -> int:
    return max(-most, min(most, v))


def halve(x: list[int], before: int) -> tuple[list[int], list[int]]:
    """Return the lower half at half the rate, and the upper half at the whole rate."""
    padded = [before] * LOOK_BACK + x
    lower, upper = [], []
    for n in range(len(x)):
        centre = n + LOOK_BACK - DELAY
        y = sum(weight * padded[centre + place] for place, weight in TAPS.items())
        low = clamp(math.floor(y + Fraction(1, 2)))
        upper.append(clamp(padded[centre] - low))
        lower.append(low)
    return lower[::2], upper


def octaves(samples: list[int], window: int) -> list[list[int]]:
    """Return the root mean square of each octave of each window, the lowest first."""
    before, out, x, size = samples[0], [], samples, window
    for _ in range(BANDS):
        x, upper = halve(x, before)
        squares = [
            sum(v * v for v in upper[i : i + size]) // size for i in range(0, len(upper), size)
        ]
        out.append([math.isqrt(square) for square in squares])
        size //= 2
    return [list(values) for values in zip(*reversed(out), strict=True)]


def little(samples: list[int]) -> str:
    return b"".join((v % 65536).to_bytes(2, "little") for v in samples).hex()


def sound(name: str, window: int, samples: list[int]) -> dict:
    return {
        "name": name,
        "window": window,
        "samples": little(samples),
        "out": octaves(samples, window),
    }


def tone(amplitude: float, period: float, n: int, offset: int = 0) -> list[int]:
    return [clamp(round(offset + amplitude * math.sin(2 * math.pi * i / period))) for i in range(n)]


def blocks(rows: list[list[int]], invert: bool) -> list[int]:
    """Return the 64 means, rounded half up."""
    cells: dict[int, list[int]] = {i: [] for i in range(64)}
    for y, row in enumerate(rows):
        for x, value in enumerate(row):
            cells[(8 * y // len(rows)) * 8 + 8 * x // len(row)].append(value)
    means = [math.floor(Fraction(sum(c), len(c)) + Fraction(1, 2)) for c in cells.values()]
    return [255 - mean for mean in means] if invert else means


def brightens(means: list[int]) -> int:
    """Return the sixteenth of a turn in which most of the gradient points."""
    votes = [0] * 16
    for y in range(1, 7):
        for x in range(1, 7):
            gx = means[8 * y + x + 1] - means[8 * y + x - 1]
            gy = means[8 * (y - 1) + x] - means[8 * (y + 1) + x]
            turn = math.atan2(gy, gx) / (2 * math.pi) * 16
            votes[math.floor(turn + 0.5) % 16] += abs(gx) + abs(gy)
    return max(range(16), key=lambda i: (votes[i], -i))


def picture(name: str, rows: list[list[int]], invert: bool = False) -> dict:
    means = blocks(rows, invert)
    return {
        "name": name,
        "width": len(rows[0]),
        "height": len(rows),
        "invert": invert,
        "pixels": bytes(v for row in rows for v in row).hex(),
        "means": means,
        "theta": brightens(means),
    }


def shade(width: int, height: int, turn: float) -> list[list[int]]:
    """Return a picture that brightens in the direction of `turn` sixteenths."""
    cosine, sine = math.cos(turn * math.pi / 8), -math.sin(turn * math.pi / 8)
    return [
        [
            round(127 + 80 * (cosine * (2 * x / width - 1) + sine * (2 * y / height - 1)))
            for x in range(width)
        ]
        for y in range(height)
    ]


def main() -> None:
    rng = random.Random(4)
    sounds = [
        sound("noise", 256, [rng.randrange(-32768, 32768) for _ in range(768)]),
        sound("quiet noise on an offset", 512, [900 + rng.randrange(-40, 41) for _ in range(1024)]),
        sound("all at the least", 256, [-32768] * 256),
        sound("from rail to rail", 256, [-32768, 32767] * 256),
        sound("slow rails", 1024, ([-32768] * 256 + [32767] * 256) * 2),
        sound("silence", 256, [0] * 256),
    ]
    sounds += [
        sound(f"a tone in octave {7 - k}", 1024, tone(12000, 2**k * 2.8, 1024, 300))
        for k in range(0, 8, 2)
    ]
    pictures = [picture(f"a shade towards {turn}", shade(16, 16, turn)) for turn in range(16)]
    pictures += [
        picture("noise", [[rng.randrange(256) for _ in range(8)] for _ in range(8)]),
        picture("sides that eight does not divide", shade(19, 11, 3), True),
        picture("a bright bar", [[255 if 9 < x < 14 else 0 for x in range(24)] for _ in range(24)]),
        picture("white", [[255] * 9] * 9),
        picture("black, its negative", [[0] * 9] * 9, True),
    ]
    groups = {"sounds": sounds, "pictures": pictures}
    # One case a line: a diff then shows which one changed.
    text = ",\n".join(
        json.dumps(name) + ": [\n" + ",\n".join(map(json.dumps, cases)) + "\n]"
        for name, cases in groups.items()
    )
    OUT.write_text("{\n" + text + "\n}\n")


if __name__ == "__main__":
    main()
