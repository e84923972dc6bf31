"""Write masks.json: masked sums of small groups, from the definition in SPEC-secure.md.

Run by ``make vectors``.  Nothing of `sil` is used: hashes are the standard library's, words
are unbounded integers reduced at the end, and the field of the shares is polynomials over
GF(2), multiplied as such, where the core steps through bits within a byte.
"""

import hmac
import json
import random
import zlib
from hashlib import sha256
from math import isqrt
from pathlib import Path

OUT = Path(__file__).with_name("masks.json")
LABEL = b"paebiru mask 1 "


def product(a: int, b: int) -> int:
    """Return the product of two elements of GF(2**8): of polynomials, then the remainder."""
    whole = 0
    for i in range(8):
        if b >> i & 1:
            whole ^= a << i
    for i in range(14, 7, -1):
        if whole >> i & 1:
            whole ^= 0x11B << (i - 8)
    return whole


def power(x: int, n: int) -> int:
    return 1 if n == 0 else product(x, power(x, n - 1))


def inverse(x: int) -> int:
    return power(x, 254)


def stream(key: bytes, size: int) -> bytes:
    blocks = (sha256(key + k.to_bytes(4, "little")).digest() for k in range(size // 32 + 1))
    return b"".join(blocks)[:size]


def xor(a: bytes, b: bytes) -> bytes:
    return bytes(x ^ y for x, y in zip(a, b, strict=True))


def words(seed: bytes, n: int) -> list[int]:
    raw = stream(seed, 2 * n)
    return [int.from_bytes(raw[2 * i : 2 * i + 2], "little") for i in range(n)]


class Definition:
    """A group of boards whose secrets are secrets[i][j] = secrets[j][i], indices from 1."""

    def __init__(self, name: bytes, threshold: int, secrets: dict[tuple[int, int], bytes]):
        self.name, self.threshold, self.secrets = name, threshold, secrets
        self.n = max(i for i, _ in secrets)
        self.boards = range(1, self.n + 1)

    def key(self, label: bytes, i: int, j: int, ticket: int) -> bytes:
        secret = self.secrets[min(i, j), max(i, j)]
        text = LABEL + label + self.name + ticket.to_bytes(4, "little") + bytes((i, j))
        return hmac.digest(secret, text, "sha256")

    def seed(self, i: int, j: int, ticket: int) -> bytes:
        label = b"self" if i == j else b"pair"
        return self.key(label, min(i, j), max(i, j), ticket)[:16]

    def stored(self, i: int) -> bytes:
        body = b"PBG1" + self.name + bytes((i, self.n, self.threshold, 0))
        body += b"".join(self.secrets[min(i, j), max(i, j)] for j in self.boards)
        return body + (zlib.crc32(body) & 0xFFFF).to_bytes(2, "little")

    def share(self, i: int, x: int, ticket: int) -> bytes:
        """Return what board i deals to board x: its polynomials' values there."""
        row = [b"".join(self.seed(i, j, ticket) for j in self.boards)]
        rest = stream(self.key(b"poly", i, i, ticket), 16 * self.n * (self.threshold - 1))
        row += [rest[k : k + 16 * self.n] for k in range(0, len(rest), 16 * self.n)]
        value = bytes(16 * self.n)
        for k, coefficients in enumerate(row):
            value = xor(value, bytes(product(power(x, k), c) for c in coefficients))
        return value

    def clipped(self, changes: list[int], clip: int) -> list[int]:
        """Return what of the changes is sent."""
        most = 32767 // self.n
        cut = [max(-most, min(most, v)) for v in changes]
        norm = isqrt(sum(v * v for v in cut)) + 1
        if clip and norm > clip:
            factor = (clip << 14) // norm
            cut = [(abs(v) * factor >> 14) * (1 if v > 0 else -1) for v in cut]
        return cut

    def masked(self, i: int, taken: list[int], ticket: int) -> bytes:
        total = list(taken)
        for j in self.boards:
            sign = -1 if j < i else 1
            mask = words(self.seed(i, j, ticket), len(total))
            total = [v + sign * m for v, m in zip(total, mask, strict=True)]
        out = self.name + ticket.to_bytes(4, "little") + bytes((i, self.n, self.threshold, 0))
        out += len(total).to_bytes(4, "little")
        out += b"".join((v % 65536).to_bytes(2, "little") for v in total)
        for j in self.boards:
            out += sha256(LABEL + b"check" + self.seed(i, j, ticket)).digest()[:8]
        return out + b"".join(self.sealed(i, j, ticket) for j in self.boards if j != i)

    def sealed(self, i: int, j: int, ticket: int) -> bytes:
        text = xor(self.share(i, j, ticket), stream(self.key(b"seal", i, j, ticket), 16 * self.n))
        return text + hmac.digest(self.key(b"sign", i, j, ticket), text, "sha256")[:8]

    def request(self, to: int, present: list[int], ticket: int) -> bytes:
        out = self.name + ticket.to_bytes(4, "little") + bytes((to, self.n))
        out += sum(1 << (i - 1) for i in present).to_bytes(2, "little")
        return out + b"".join(self.sealed(i, to, ticket) for i in present if i != to)

    def answer(self, of: int, present: list[int], ticket: int) -> bytes:
        out = self.request(of, present, ticket)[:16]
        for i in present:
            shares = self.share(i, of, ticket)
            wanted = [i, *(d for d in self.boards if d not in present)]
            out += b"".join(shares[16 * (j - 1) : 16 * j] for j in wanted)
        return out


def group(rng: random.Random, n: int, threshold: int) -> Definition:
    secrets = {(i, j): rng.randbytes(32) for i in range(1, n + 1) for j in range(i, n + 1)}
    return Definition(rng.randbytes(8), threshold, secrets)


def case(
    rng: random.Random, name: str, n: int, threshold: int, weights: int, absent: list[int],
    clip: int = 0, extreme: bool = False,
) -> dict:  # fmt: skip
    """Return one masked sum of a group, message by message, as hex."""
    defined = group(rng, n, threshold)
    ticket = rng.randrange(1, 1 << 29)
    pool = (-32767, 32767) if extreme else range(-3000, 3001)
    changes = [[rng.choice(pool) for _ in range(weights)] for _ in range(n)]
    taken = [defined.clipped(row, clip) for row in changes]
    present = [i for i in defined.boards if i not in absent]
    return {
        "name": name, "members": n, "threshold": threshold, "weights": weights, "clip": clip,
        "ticket": ticket, "stored": [defined.stored(i).hex() for i in defined.boards],
        "changes": changes, "taken": taken,
        "masked": [defined.masked(i, taken[i - 1], ticket).hex() for i in defined.boards],
        "present": present,
        "requests": [defined.request(i, present, ticket).hex() for i in present],
        "answers": [defined.answer(i, present, ticket).hex() for i in present],
        "sum": [sum(taken[i - 1][k] for i in present) for k in range(weights)],
    }  # fmt: skip


def main() -> None:
    rng = random.Random(12)
    assert all(product(x, inverse(x)) == 1 for x in range(1, 256))
    cases = [
        case(rng, "three boards", 3, 2, 20, []),
        case(rng, "one of four absent, clipped", 4, 3, 37, [2], clip=4096),
        case(rng, "two of five absent, the largest changes", 5, 3, 16, [1, 5], extreme=True),
    ]
    OUT.write_text("[\n" + ",\n".join(map(json.dumps, cases)) + "\n]\n")
    print(f"wrote {OUT.name}")


if __name__ == "__main__":
    main()
