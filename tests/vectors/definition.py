"""The definitions of SPEC.md sections 1, 6 and 7 in unbounded arithmetic, to make vectors from.

Nothing of `sil` is used here: big integers and 50-digit reals where the core works within
30 bits, loops where it works in kernels.
"""

from collections import Counter
from math import isqrt

from make_tables import decode
from mpmath import arg, cos, exp, floor, log, mpc, mpf, pi, sin

DEC = [decode(code) for code in range(256)]
LEVELS = sorted((value, code) for code, value in enumerate(DEC) if value > 0)


def clamp(value: int, low: int, high: int) -> int:
    """Return `value` within low..high."""
    return max(low, min(high, value))


def make(rho: int, theta: int) -> int:
    """Return the byte of a magnitude and a phase."""
    return (clamp(rho, -8, 7) + 8) * 16 + theta % 16


def parts(code: int) -> tuple[int, int]:
    """Return (rho, theta)."""
    return code // 16 - 8, code % 16


def nearest(numerator: int, denominator: int) -> int:
    """Return the quotient rounded half away from zero."""
    quotient = abs(mpf(numerator) / denominator)
    size = int(floor(quotient + mpf(1) / 2))
    return size if numerator * denominator >= 0 else -size


def mul(a: int, b: int) -> int:
    """Return the product."""
    (ra, ta), (rb, tb) = parts(a), parts(b)
    return 0 if 0 in (a, b) else make(ra + rb, ta + tb)


def power(code: int, n: int) -> int:
    """Return the n-th power; n = -1 is the inverse."""
    rho, theta = parts(code)
    if n == 0:
        return 0x80
    if code == 0:
        return 0 if n > 0 else 0xF0
    return make(rho * n, theta * n)


def root(code: int, n: int) -> int:
    """Return the principal n-th root, n != 0."""
    rho, theta = parts(code)
    if code == 0:
        return 0 if n > 0 else 0xF0
    return make(nearest(rho, n), nearest(theta - 16 if theta > 8 else theta, n))


def div(a: int, b: int) -> int:
    """Return the quotient."""
    (ra, ta), (rb, tb) = parts(a), parts(b)
    if a == 0:
        return 0
    return make(7, ta) if b == 0 else make(ra - rb, ta - tb)


def mix(a: int, b: int) -> int:
    """Return the log-polar mean, rounded towards a."""
    if 0 in (a, b):
        return 0
    (ra, ta), (rb, tb) = parts(a), parts(b)
    turn = (tb - ta) % 16
    turn = turn if turn <= 8 else turn - 16
    return make(ra + int((rb - ra) / 2), ta + int(turn / 2))


def to_complex(code: int) -> tuple[int, int]:
    """Return (real, imaginary), Q14, from the rounded magnitude and cosine."""
    rho, theta = parts(code)
    m = 0 if code == 0 else int(floor(exp(rho) * 2**14 + mpf(1) / 2))
    out = []
    for f in (cos, sin):
        c = f(theta * pi / 8) * 2**14
        out.append((m * nearest(c, 1) + 8192) >> 14)
    return out[0], out[1]


def from_complex(re: int, im: int) -> int | None:
    """Return the nearest byte, or None within 1 % of a limit, where either is right."""
    z = mpc(re, im) / 2**14
    if z == 0:
        return 0
    rho, theta = log(abs(z)), arg(z) * 8 / pi
    if abs(rho - floor(rho) - 0.5) < 0.01 or abs(theta - floor(theta) - 0.5) < 0.01:
        return None
    if rho < -8.5:
        return 0
    return make(int(floor(rho + 0.5)), int(floor(theta + 0.5)))


def encode(v: int) -> int:
    """Return the code of the weight nearest to v, Q14; a tie goes up in magnitude."""
    best, below = 0, 0
    for level, code in LEVELS:
        if abs(v) >= (below + level + 1) // 2:
            best = code
        below = level
    return best if v >= 0 or best == 0 else best ^ 8


def rho_sil(vector: bytes) -> mpf:
    """Return rho_sil by its formula."""
    n = len(vector)
    z = [exp(parts(code)[0]) if code else mpf(0) for code in vector]
    steps = sum(abs(b - a) > 0.1 for a, b in zip(z, z[1:], strict=False))
    entropy = -sum(mpf(c) / n * log(mpf(c) / n) for c in Counter(vector).values())
    mean = sum(z) / n
    variance = sum((a - mean) ** 2 for a in z) / n
    return 0.4 * mpf(steps) / (n - 1) + 0.3 * entropy / log(n) + 0.3 * min(variance, 1)


class Rand:
    """xorshift16 (7, 9, 8) plus Weyl 0x9E37."""

    def __init__(self, seed: int):
        self.x = (seed % 65536) ^ 0x5BF1 or 0x2545
        self.w = seed // 65536 % 65536
        for _ in range(8):
            self.next()
            self.w = self.w ^ self.x

    def next(self) -> int:
        """Return 16 bits."""
        self.x = (self.x ^ self.x << 7) % 65536
        self.x ^= self.x >> 9
        self.x = (self.x ^ self.x << 8) % 65536
        self.w = (self.w + 0x9E37) % 65536
        return (self.x + self.w) % 65536

    def shuffle(self, order: list[int]) -> None:
        """Shuffle in place."""
        for i in range(len(order) - 1, 0, -1):
            j = self.next() * (i + 1) // 65536
            order[i], order[j] = order[j], order[i]


def initial(sizes: tuple[int, ...], seed: int) -> list[int]:
    """Return fresh codes."""
    rand, out = Rand(seed), []
    for nin, nout in zip(sizes, sizes[1:], strict=False):
        reach = isqrt((6 << 24) // nin)
        out += [encode(4 * ((rand.next() * reach >> 15) - reach)) for _ in range(nin * nout)]
        out += [0] * nout
    return out


def weights(sizes: tuple[int, ...]) -> int:
    """Return how many weights a network has, biases included."""
    return sum((nin + 1) * nout for nin, nout in zip(sizes, sizes[1:], strict=False))


def split(vector: list[int], sizes: tuple[int, ...]) -> list[tuple[list[list[int]], list[int]]]:
    """Return (weights [out][in], biases) of each layer."""
    layers, at = [], 0
    for nin, nout in zip(sizes, sizes[1:], strict=False):
        rows = [vector[at + o * nin : at + (o + 1) * nin] for o in range(nout)]
        layers.append((rows, vector[at + nin * nout : at + (nin + 1) * nout]))
        at += (nin + 1) * nout
    return layers


def saturating(total: int, row: list[int], x: list[int]) -> int:
    """Return total + row . x, held within +-(2**29 - 1) after every 32 products."""
    for k, (w, a) in enumerate(zip(row, x, strict=True), 1):
        total += w * a
        if k % 32 == 0 or k == len(row):
            total = clamp(total, 1 - 2**29, 2**29 - 1)
    return total


def fits(codes: list[int], sizes: tuple[int, ...], signed: bool) -> bool:
    """Tell whether no unit's sum can reach 2**29, whatever comes in."""
    fa, top = (5, 128) if signed else (8, 255)
    for rows, biases in split([abs(DEC[c]) for c in codes], sizes):
        if any(top * sum(row) + (b << fa) >= 2**29 for row, b in zip(rows, biases, strict=True)):
            return False
        fa, top = 5, 255
    return True


def forward(
    layers: list[tuple[list[list[int]], list[int]]], x: list[int], fa: int, q: int
) -> tuple[list[list[int]], list[int]]:
    """Return (the inputs of each layer, the last sums), for weights in Q(q)."""
    inputs = [x]
    for i, (rows, biases) in enumerate(layers):
        sums = [saturating(b << fa, row, x) for row, b in zip(rows, biases, strict=True)]
        if i + 1 == len(layers):
            return inputs, sums
        shift = q + fa - 5
        x = [clamp((s + (1 << (shift - 1))) >> shift, 0, 255) for s in sums]
        inputs.append(x)
        fa = 5
    raise AssertionError("a network has a last layer")


def errors(sums: list[int], fa: int, label: int) -> list[int]:
    """Return softmax - onehot, Q12."""
    logits = [s >> (12 + fa - 5) for s in sums]
    e = [nearest(exp(-mpf(min(max(logits) - v, 255)) / 32) * 4096, 1) for v in logits]
    return [(v << 12) // sum(e) - (4096 if k == label else 0) for k, v in enumerate(e)]


def train(
    masters: list[int], sizes: tuple[int, ...], rows: list[list[int]], labels: list[int],
    signed: bool, lb: int, lrs: int, seed: int, proximal: int = 0, base: list[int] | None = None,
) -> list[int]:  # fmt: skip
    """Return the masters after one epoch, drawn to `base` by `proximal`, Q15."""
    rand, order = Rand(seed), list(range(len(rows)))
    rand.shuffle(order)
    for first in range(0, len(order), 1 << lb):
        batch = [(rows[i], labels[i]) for i in order[first : first + (1 << lb)]]
        masters = step(masters, sizes, batch, signed, lb, lrs, rand, proximal, base or masters)
    return masters


def step(
    masters: list[int], sizes: tuple[int, ...], batch: list[tuple[list[int], int]], signed: bool,
    lb: int, lrs: int, rand: Rand, proximal: int, base: list[int],
) -> list[int]:  # fmt: skip
    """Return the masters after one minibatch: errors by their codes, steps on the masters."""
    layers = split([seen_as(m) for m in masters], sizes)
    bits = [5 if signed or i else 8 for i in range(len(layers))]
    seen = []
    for x, label in batch:
        inputs, sums = forward(layers, x, bits[0], 12)
        deltas = [errors(sums, bits[-1], label)]
        for i in range(len(layers) - 1, 0, -1):
            deltas.insert(0, backward(layers[i][0], deltas[0], inputs[i]))
        seen.append((inputs, deltas))
    if proximal:
        masters = pull(masters, base, proximal, lrs, rand.next())
    out: list[int] = []
    for i, (rows, biases) in enumerate(split(masters, sizes)):
        out += update(rows, biases, [(a[i], d[i]) for a, d in seen], bits[i], lb + lrs, rand.next())
    return out


def seen_as(master: int) -> int:
    """Return what a master's code gives back, Q12."""
    return clamp((DEC[encode(4 * master)] + 2) >> 2, -32767, 32767)


def backward(rows: list[list[int]], delta: list[int], hidden: list[int]) -> list[int]:
    """Return the errors of the layer below, 0 where its ReLU was off."""
    ps = 0
    while len(rows) > 64 << ps:
        ps += 1
    out = []
    for k, h in enumerate(hidden):
        total = sum((row[k] >> 4) * (d >> ps) for row, d in zip(rows, delta, strict=True))
        out.append(clamp(total >> (8 - ps), -8128, 8128) if h else 0)
    return out


def update(
    rows: list[list[int]], biases: list[int], seen: list[tuple[list[int], list[int]]], fa: int,
    rate: int, dither: int,
) -> list[int]:  # fmt: skip
    """Return weights, then biases, after their step; row by row, each row's bias after it."""
    shift = fa + rate
    new_rows, new_biases = [], []
    for o, row in enumerate(rows):
        new_row = []
        for k, m in enumerate([*row, biases[o]]):
            total = sum(d[o] * (a[k] if k < len(a) else 1 << fa) for a, d in seen)
            new = m - ((total + (dither >> (16 - shift))) >> shift)
            new_row.append(clamp(new, -32767, 32767))
            dither = (dither + 40503) % 65536
        new_biases.append(new_row.pop())
        new_rows += new_row
    return new_rows + new_biases


def pull(masters: list[int], base: list[int], mu: int, lrs: int, dither: int) -> list[int]:
    """Return the masters, drawn to their base by mu (Q15) times the rate 2**-lrs."""
    out = []
    for m, b in zip(masters, base, strict=True):
        d = m - b
        drawn = ((d * mu + 128 >> 8) + (dither >> (9 - lrs))) >> (7 + lrs)
        out.append(m - drawn)
        dither = (dither + 40503) % 65536
    return out


def decoded(code: int) -> int:
    """Return the weight of a code, Q12."""
    return (DEC[code] + 2) >> 2


def take(changes: list[int], share: int) -> tuple[list[int], list[int]]:
    """Return (the frame of the largest changes, what is left of them); share in 1/10000."""
    sizes = [min(abs(v), 32767) for v in changes]
    k = max(len(changes) * share // 10000, 1)
    chosen = [i for i in sorted(range(len(sizes)), key=lambda i: -sizes[i])[:k] if sizes[i]]
    least = max(sorted(sizes)[-k], 1)
    large = [abs(v) for v in changes if abs(v) >= least]
    frame, left = [0] * len(changes), list(changes)
    for i in chosen:
        size = sum(large) // len(large) if share <= 2500 else sizes[i]
        frame[i] = encode(4 * size if changes[i] > 0 else -4 * size)
        left[i] = clamp(changes[i] - decoded(frame[i]), -32767, 32767)
    return frame, left
