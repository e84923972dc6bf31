"""From a measured integer to a byte of the state: how strong, which way, rising or falling.

Everything is integer, allocates nothing, and stays below 2**30 for arguments below it.
"""

from sil import bytesil, tables
from sil.compat import const
from sil.intmath import log2

_LN2 = const(11357)  # ln 2 in Q14
_FULL = const(4096)  # a vector is stretched until its longer part has this many steps


def prepare() -> None:
    """Have the tables that are used here unpacked, which allocates; once is enough."""
    tables.log2_fractions()
    tables.rho_limits()


def strength(value: int, one: int) -> int:
    """Return rho: ln(value / one), rounded, held to -8..7; value == one is 0.

    Args:
        value: a measured amount, below 2**30; 0 and less are the least strength.
        one: the amount that counts as 1, positive.
    """
    if value <= 0:
        return -8
    rho = ((log2(value) - log2(one)) * _LN2 + (1 << 23)) >> 24
    if rho < -8:
        return -8
    return rho if rho < 7 else 7


def code(rho: int, theta: int) -> int:
    """Return the byte of a valid reading: never NULL, which means that there is none.

    The one code that would be NULL (rho -8, theta 0) becomes the least of its kind that
    is not: rho -7, theta 0.
    """
    return bytesil.make(rho, theta) or 0x10


def direction(x: int, y: int) -> int:
    """Return the nearest of 16 directions of the vector (x, y): 0 along x, 4 along y.

    Of no vector at all it is 0; each part is below 2**28.
    """
    if x == 0 and y == 0:
        return 0
    while -_FULL < x < _FULL and -_FULL < y < _FULL:
        x <<= 1
        y <<= 1
    return bytesil.from_complex(x, y) & 15


def trend(change: int, step: int) -> int:
    """Return theta of a change: 0 steady, 1..4 rising, 15..12 falling.

    One for a change of at least `step`, then one more with each doubling, up to a quarter
    turn: rising points along +i, falling along -i.
    """
    size = change if change >= 0 else -change
    turns = 0
    while turns < 4 and size >= step:
        turns += 1
        step <<= 1
    return turns if change >= 0 else -turns & 15


def level(value: int) -> int:
    """Return log2 of a measured amount in Q10, 0..30720: what fits a window's int16; 0 for < 1."""
    return log2(value) if value > 0 else 0


def mulshift(a: int, b: int, shift: int) -> int:
    """Return floor(a * b / 2**shift) where the product itself would not fit 31 bits.

    Limbs of ten bits: |a| < 2**30, |b| <= 2**18, 0 <= shift <= 30; the result has to fit.
    """
    low = (a & 1023) * b
    middle = ((a >> 10) & 1023) * b + (low >> 10)
    high = (a >> 20) * b + (middle >> 10)
    if shift >= 20:
        return high >> (shift - 20)
    middle &= 1023
    if shift >= 10:
        return (high << (20 - shift)) + (middle >> (shift - 10))
    return (high << (20 - shift)) + (middle << (10 - shift)) + ((low & 1023) >> shift)


def ratio(a: int, b: int, c: int) -> int:
    """Return a * b / c rounded half up, without a wide product.

    0 <= a < 2**30, 0 <= b < 2**28, 0 < c < 2**28; a quotient of 2**29 or more is held below.
    """
    quotient = 0
    rest = 0
    whole = b // c
    b %= c
    bit = 1 << 29
    while bit:
        if quotient >= 1 << 28:
            return (1 << 29) - 1
        quotient <<= 1
        rest <<= 1
        if a & bit:
            rest += b
            quotient += whole
        while rest >= c:
            rest -= c
            quotient += 1
        bit >>= 1
    return quotient + 1 if 2 * rest >= c else quotient


def around(deviation: int, one: int, turn: int) -> int:
    """Return the byte of a distance from what is usual, and how it moves.

    Rho is ln(|deviation| / one).  Theta is 0 above and 8 below; `turn`, a `trend`, moves it by
    up to three steps: towards 4 when the value rises, towards 12 when it falls.
    """
    turn = (turn ^ 8) - 8  # -4..4
    if turn > 3:
        turn = 3
    elif turn < -3:
        turn = -3
    if deviation >= 0:
        return code(strength(deviation, one), turn)
    return code(strength(-deviation, one), 8 - turn)
