"""Integer arithmetic that 31-bit boards lack: roots, logarithms, wide products, a seeded PRNG."""

from . import tables
from .compat import Ints


def isqrt(n: int) -> int:
    """Return floor(sqrt(n)) for 0 <= n < 2**30."""
    root = 0
    bit = 1 << 28
    while bit:
        if n >= root + bit:
            n -= root + bit
            root = (root >> 1) + bit
        else:
            root >>= 1
        bit >>= 2
    return root


def log2(n: int) -> int:
    """Return log2(n) in Q10, n >= 1, within 0.001: a table of 64 steps, interpolated."""
    exponent = 0
    while n >> exponent > 1:
        exponent += 1
    fraction = (n >> (exponent - 12) if exponent > 12 else n << (12 - exponent)) & 4095  # Q12
    table = tables.log2_fractions()
    low = table[fraction >> 6]
    return (exponent << 10) + low + ((table[(fraction >> 6) + 1] - low) * (fraction & 63) + 32 >> 6)


def muldiv(a: int, b: int, c: int) -> int:
    """Return floor(a*b/c) without a wide product; 0 <= a < 2**30, 0 <= b <= c < 2**28, c > 0.

    Long division, one bit of a at a time: what stays within 31 bits where a*b does not.
    """
    quotient = 0
    rest = 0
    bit = 1 << 29
    while bit:
        quotient <<= 1
        rest <<= 1
        if a & bit:
            rest += b
        while rest >= c:
            rest -= c
            quotient += 1
        bit >>= 1
    return quotient


class Rand16:
    """A seeded source of 16-bit integers: xorshift16 (7, 9, 8) plus a Weyl sequence.

    Period 2**16 * (2**16 - 1).  The same numbers on every machine.  Not for secrets.
    """

    def __init__(self, seed: int):
        self.x = 1
        self.w = 0
        self.seed(seed)

    def seed(self, seed: int) -> None:
        """Start again from any non-negative seed below 2**30."""
        self.x = (seed & 0xFFFF) ^ 0x5BF1 or 0x2545  # xorshift must not start at 0
        self.w = (seed >> 16) & 0xFFFF
        for _ in range(8):  # neighbouring seeds part ways before the first number is used
            self.next()
            self.w = (self.w ^ self.x) & 0xFFFF

    def next(self) -> int:
        """Return the next integer, 0..65535."""
        x = self.x
        x ^= (x << 7) & 0xFFFF
        x ^= x >> 9
        x ^= (x << 8) & 0xFFFF
        self.x = x
        self.w = (self.w + 0x9E37) & 0xFFFF
        return (x + self.w) & 0xFFFF

    def below(self, n: int) -> int:
        """Return an integer 0..n-1, 1 <= n <= 16384 (bias under n/2**16, for shuffles)."""
        return self.next() * n >> 16

    def shuffle(self, order: Ints) -> None:
        """Shuffle a mutable sequence in place (Fisher-Yates)."""
        for i in range(len(order) - 1, 0, -1):
            j = self.below(i + 1)
            order[i], order[j] = order[j], order[i]
