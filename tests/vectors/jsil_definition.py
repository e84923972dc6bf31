"""SPEC.md sections 3 and 4 once more, in plain Python: what the streams of jsil.json come from.

Written from the specification for clarity: unbounded integers, lists, no carry, no state
words.  Of the core only the frozen tables are taken: priors, starting weights, levels.
"""

import zlib
from copy import deepcopy
from math import exp, floor

from sil import coder_tables, tables

SQRT2 = 181, 128


def guarded(value: int) -> bytes:
    out = b""
    while True:
        byte = (value & 63) << 1 | (128 if value > 63 else 0)
        out += bytes([byte | (bin(byte).count("1") + 1) % 2])
        value >>= 6
        if not value:
            return out


def crc16(data: bytes, crc: int = 0xFFFF) -> int:
    for byte in data:
        crc ^= byte << 8
        for _ in range(8):
            crc = (crc << 1 ^ (0x1021 if crc & 0x8000 else 0)) & 0xFFFF
    return crc


LOGISTIC = [floor(65536 / (1 + exp((128 - i) / 16)) + 0.5) for i in range(257)]


def squash(x: int) -> int:
    """Return the logistic function of x/256 in 1/65536, linear between the points."""
    at, rest = divmod(x + 2048, 16)
    return LOGISTIC[at] + ((LOGISTIC[at + 1] - LOGISTIC[at]) * rest >> 4)


def _distance(p: int) -> int:
    x = 0
    while x < 2047 and squash(x + 1 - 2048) < p:
        x += 1
    return 2047 - x


_STRETCHED: dict[int, int] = {}


def stretch(p: int) -> int:
    """Return the logit of p/65536 in 1/256, from the middle of the step that p is in."""
    low = min(p, 65536 - p)
    shift = 8 if low >= 4096 else 4 if low >= 256 else 0
    middle = min((low >> shift << shift) + (1 << shift >> 1), 32768)
    if middle not in _STRETCHED:
        _STRETCHED[middle] = _distance(middle)
    return _STRETCHED[middle] if p > 32768 else -_STRETCHED[middle]


def density_class(x: int) -> int:
    """Return the class of a density in 1/65536."""
    k, y = 0, ((x >> 8) * 16 + 11) * 181 >> 7
    while k < 15 and y <= 4096:
        y, k = y * 181 >> 7, k + 1
    return k


def symbols(states: bool) -> list[int]:
    """Return the symbol of each byte."""
    if states:
        return [(b & 8) << 4 | (b & 0xF0) >> 1 | b & 7 for b in range(256)]
    made = [0] * 256
    order = [0, *tables.level_codes(), *range(1, 8)]
    for rank, code in enumerate(order):
        made[code], made[code ^ 8] = rank, rank | 128
    return made


def rate(count: int) -> int:
    return 32768 // (2 * count + 3)


class Model:
    """What the coder has learned."""

    def __init__(self) -> None:
        self.p = [LOGISTIC[(prior >> 3) * 8 + 4] for prior in coder_tables.PRIORS]
        self.count = [(1 << (prior & 7)) - 1 for prior in coder_tables.PRIORS]
        self.weights = list(coder_tables.weights())


class Interval:
    """The range coder: an interval of numbers below 2**28, of any precision."""

    def __init__(self) -> None:
        self.low, self.span, self.moved = 0, 1 << 28, 0
        self.span -= 1

    def narrow(self, p: int, bit: int) -> None:
        lower = (self.span >> 14) * ((p >> 2) + 1)
        if bit:
            self.span = lower
        else:
            self.low += lower
            self.span -= lower
        while self.span < 1 << 20:
            self.low <<= 8
            self.span <<= 8
            self.moved += 1

    def shortest(self) -> bytes:
        """Return the fewest bytes that name a number of the interval, zeros following."""
        for count in range(self.moved + 5):
            drop = 32 + 8 * (self.moved - count)
            number = -(-(self.low << 4) // (1 << drop))
            if number << drop < self.low + self.span << 4:
                return number.to_bytes(count, "big")
        raise AssertionError("an interval is never empty")


def parts_of(size: int, group: int, rows: tuple[int, ...]) -> list[tuple[int, int, int]]:
    """Return (width, rows, class) of the parts of a frame; 16 is "by the column"."""
    if rows:
        parts = []
        for k, (wide, high) in enumerate(zip(rows, rows[1:], strict=False)):
            parts += [(wide, high, min(2 * k, 6)), (high, 1, min(2 * k + 1, 7))]
        return parts
    if size <= 16 or (group > 1 and size <= 256):
        return [(size, 65535, 16 if size <= 16 else 8)]
    return [(256, 1, 8)]


def body(
    model: Model, block: bytes, old: bytes, side: bytes | None, parts: list[tuple[int, int, int]]
) -> bytes:
    """Return the coded body of a block; `old`, if any, is the block one frame earlier."""
    of = symbols(parts[0][2] == 16)
    base = [of[b] for b in old] or [0] * len(block)
    symbol = [of[b] ^ a for b, a in zip(block, base, strict=True)]
    some = [s & 127 for s in symbol if s]
    density, many = 0 if some else 15, (len(some) << 8) * 181 >> 7
    while density < 15 and many <= len(block) << 8:
        many, density = many * 181 >> 7, density + 1
    mean = min(sum(some) // (8 * len(some)), 15) if some else 0
    share = 65535
    for _ in range(density):
        share = share * 11585 >> 14

    interval, coded = Interval(), _Coded(model, density, side is not None)
    size, last, i = mean * 8 + 4, 0, 0
    unit_density: list[int] = []
    while i < len(block):
        for width, height, kind in parts:
            columns = unit_density if width == len(unit_density) else [share] * width
            columns, row_densities = list(columns), []
            for r in range(height):
                across, lean, left, left2 = share, 128, 0, 0
                for c in range(width):
                    if i == len(block):
                        break
                    s, b = symbol[i], base[i]
                    above, above2, upper_left, upper_right = (
                        symbol[i - up * width + right] if r >= up and 0 <= c + right < width else 0
                        for up, right in ((1, 0), (2, 0), (1, -1), (1, 1))
                    )
                    here = side[i] if side is not None else 0
                    group = c & 15 if kind == 16 else kind
                    bucket_of_base = 1 + ((b & 127) >> 3) if b & 127 else 0
                    near = (left, left2, above, above2, upper_left, upper_right)
                    k = sum((n > 0) << j for j, n in enumerate(near))
                    x, y = density_class(columns[c]), density_class(across)
                    coded.bit(interval, "flag", int(s > 0), 0, [
                        density * 16 + group,
                        256 + x * 8 + density // 2,
                        384 + y * 8 + density // 2,
                        640 + x * 16 + y if density > 7 else 512 + k * 2 + density // 4,
                        968 + (here >> 4) * 8 + density // 2 if side is not None
                        else 896 + bucket_of_base * 4 + (left > 0) + 2 * (above > 0),
                    ])  # fmt: skip
                    if s:
                        k = sum((1 + (n >> 7)) * 3**j for j, n in enumerate(near[:3]) if n)
                        coded.bit(interval, "sign", s >> 7, 0, [
                            1096 + group, 1112 + k, 1144 + (lean >> 4),
                            1160 + (1 + (b >> 7) * 15 + ((b & 127) * 14 >> 7) if b else 0),
                            1192 + (here & 15),
                        ])  # fmt: skip
                        rank = s & 127
                        measure = last & 127 if kind == 16 else size
                        coded.number(interval, "bucket", rank >> 3, 4, [
                            1208 + group * 16, 1464 + (measure >> 3) * 16,
                            1720 + ((above & 127) + 7 >> 3) * 16, 1992 + bucket_of_base * 16, 2264,
                        ])  # fmt: skip
                        like = [1 + (n & 7) if (n & 127) >> 3 == rank >> 3 else 0
                                for n in (last, above)]  # fmt: skip
                        like[1] = like[1] if above else 0
                        coded.number(interval, "rest", rank & 7, 3, [
                            2280 + (rank >> 3) * 8, 2408 + like[0] * 8, 2480 + like[1] * 8,
                            2552 + (b & 7) * 8, 2616 + group * 8,
                        ])  # fmt: skip
                        size += (rank - size + 2) >> 2
                        last = s
                        lean += ((s >> 7) * 255 - lean) >> 2
                    full = 65535 if s else 0
                    across += (full - across) * rate(min(c + 4, 30)) >> 14
                    if height > 1:
                        columns[c] += (full - columns[c]) * rate(min(r + 3, 30)) >> 14
                    left, left2, i = s, left, i + 1
                row_densities.append(across)
                if i == len(block):
                    break
            if height > 1:
                unit_density = row_densities
    return bytes([density << 4 | mean]) + interval.shortest()


class _Coded:
    """The mixer: codes a bit in five contexts, and lets all of them learn."""

    def __init__(self, model: Model, density: int, beside: bool) -> None:
        self.model = model
        self.shift = 18 if density > 7 else 17
        first = {"flag": density // 4 + 4 * beside, "sign": 8 + 3 * beside, "bucket": 9, "rest": 10}
        self.sets = {name: 5 * number for name, number in first.items()}

    def bit(self, to: Interval, decision: str, bit: int, node: int, slots: list[int]) -> None:
        model, at = self.model, self.sets[decision]
        logits = [stretch(model.p[slot + node]) for slot in slots]
        total = sum(x * model.weights[at + k] for k, x in enumerate(logits))
        p = squash(max(-2047, min(2047, (total + 8192) >> 14)))
        to.narrow(p, bit)
        for k, slot in enumerate(slots):
            moved = model.weights[at + k] + (logits[k] * (bit * 65536 - p) >> self.shift)
            model.weights[at + k] = max(-65535, min(65535, moved))
            j = slot + node
            step = ((65535 - model.p[j]) if bit else model.p[j]) * rate(model.count[j]) >> 14
            model.p[j] = max(16, min(65519, model.p[j] + (step if bit else -step)))
            model.count[j] = min(model.count[j] + 1, 127)

    def number(self, to: Interval, decision: str, value: int, bits: int, slots: list[int]) -> None:
        node = 1
        for k in range(bits - 1, -1, -1):
            bit = value >> k & 1
            self.bit(to, decision, bit, node, slots)
            node = node * 2 + bit


NONE, XOR, ROTATE, XOR_ROTATE, ADAPTIVE = range(5)


def stream(
    frames: list[bytes], mode: int, group: int = 1, interval: int = 0,
    rows: tuple[int, ...] = (), side: bytes | None = None,
) -> bytes:  # fmt: skip
    """Return the stream of `frames`; with `side`, agreed and of one block."""
    size = len(frames[0])
    grouped, layered = group > 1 or interval > 0, bool(rows) and side is None
    flags = mode | (side is not None) << 3 | 1 << 4 | grouped << 6 | layered << 7
    head = b"JSIL" + guarded(flags) + guarded(size)
    if grouped:
        head += guarded(group) + guarded(interval // group)
    if layered:
        head += guarded(len(rows)) + b"".join(map(guarded, rows))
    hidden = b"".join(map(guarded, rows)) if side is not None else b""
    seed = crc16(head + hidden).to_bytes(2, "big")
    out, link, model = head, seed, Model()
    for number in range(0, len(frames), group):
        held = frames[number : number + group]
        raw = b"".join(held)
        key = number == 0 or (interval > 0 and number % interval == 0)
        old = bytes(size) if number == 0 else frames[number - 1]
        kind, made, model = _block(model, raw, (old + raw)[: len(raw)], mode, key, side,
                                   parts_of(size, group, rows), group)  # fmt: skip
        coded = kind and mode != XOR
        start = guarded((len(made) if coded else len(held)) << 2 | kind)
        if coded and group > 1:
            start += guarded(len(held))
        covered = (seed if kind < 2 else link) + (side or b"") + start + made
        if coded and len(made) >= 1024:
            check = zlib.crc32(covered).to_bytes(4, "little")
        else:
            check = crc16(covered).to_bytes(2, "big")
        link = check[:2]
        out += start + made + check
    return out


def _block(
    model: Model, raw: bytes, old: bytes, mode: int, key: bool, side: bytes | None,
    parts: list[tuple[int, int, int]], group: int,
) -> tuple[int, bytes, Model]:  # fmt: skip
    """Return kind and body of a block, and the model behind it."""
    if mode == XOR and not key:
        return 2, bytes(a ^ b for a, b in zip(raw, old, strict=True)), model
    if mode <= XOR:
        return 0, raw, model
    tries = []
    if key or mode == ROTATE:
        tries.append((1, b"", Model()))
    else:
        tries.append((3, old, deepcopy(model)))
        if mode == ADAPTIVE:
            tries.append((2, b"", deepcopy(model)))
    done = [(body(m, raw, before, side, parts), kind, m) for kind, before, m in tries]
    made, kind, model = min(done, key=lambda one: len(one[0]))
    total = len(guarded(len(made) << 2)) + len(made) + (4 if len(made) >= 1024 else 2)
    total += len(guarded(group)) if group > 1 else 0
    if total >= len(raw) + 3:
        return 0, raw, Model()
    return kind, made, model
