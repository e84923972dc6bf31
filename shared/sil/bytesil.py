"""ByteSil: one byte, a complex number in log-polar form (SPEC.md section 1).

Bits 7..4 hold rho + 8 (rho -8..7, natural-log magnitude), bits 3..0 theta (0..15, phase
theta*pi/8): z = e**(rho + i*theta*pi/8).  NULL, 0x00, *is* zero.  A ByteSil is a plain int
0..255: on a board a class would allocate for each.  Every function is total over the
256 codes and saturates in rho; theta wraps.

A byte has two readings.  `to_complex` is the one above.  `decode` is the real *weight*:
the projection on an axis turned by 3*pi/64, which tells theta from -theta apart.
"""

from . import tables
from .errors import RangeError
from .intmath import isqrt

NULL = 0x00
ONE = 0x80
I = 0x84  # noqa: E741 - the field's name of it
NEG_ONE = 0x88
NEG_I = 0x8C
MAX = 0xF0

_LIMIT = 1 << 29  # of real and imaginary parts, Q14


def make(rho: int, theta: int) -> int:
    """Return the byte of e**(rho + i*theta*pi/8); rho saturates to -8..7, theta wraps mod 16."""
    if rho < -8:
        rho = -8
    elif rho > 7:
        rho = 7
    return (rho + 8) << 4 | (theta & 15)


def rho(b: int) -> int:
    """Return the natural-log magnitude, -8..7."""
    return (b >> 4) - 8


def phase(b: int) -> int:
    """Return theta, 0..15, in units of pi/8."""
    return b & 15


def norm(b: int) -> int:
    """Return the magnitude's nibble, rho + 8, 0..15."""
    return b >> 4


def is_null(b: int) -> bool:
    """Tell whether `b` is zero."""
    return b == NULL


def mul(a: int, b: int) -> int:
    """Return a*b: rho adds and saturates, theta adds mod 16; zero absorbs."""
    if a == NULL or b == NULL:
        return NULL
    return make((a >> 4) + (b >> 4) - 16, a + b)


def inv(b: int) -> int:
    """Return 1/b.  Division by zero saturates: inv(NULL) is MAX."""
    if b == NULL:
        return MAX
    return make(8 - (b >> 4), -b)


def div(a: int, b: int) -> int:
    """Return a/b; NULL/b is NULL (NULL/NULL too), a/NULL has the largest magnitude at a's phase."""
    if a == NULL:
        return NULL
    if b == NULL:
        return make(7, a)
    return make((a >> 4) - (b >> 4), a - b)


def pow(b: int, n: int) -> int:
    """Return b**n for any integer n; b**0 is ONE, NULL**-n saturates to MAX.

    The name shadows the builtin inside of this module only; nothing here needs that one.
    """
    if n == 0:
        return ONE
    if b == NULL:
        return NULL if n > 0 else MAX
    return make(((b >> 4) - 8) * n, (b & 15) * n)


def root(b: int, n: int) -> int:
    """Return the principal n-th root: rho/n and the phase in (-pi, pi] over n, half away from zero.

    A negative n is the inverse of the root.

    Raises:
        RangeError: n is 0.
    """
    if n == 0:
        raise RangeError("the 0th root does not exist: give n != 0")
    if b == NULL:
        return NULL if n > 0 else MAX
    theta = b & 15
    return make(_divide((b >> 4) - 8, n), _divide(theta - 16 if theta > 8 else theta, n))


def _divide(a: int, n: int) -> int:
    """Return a/n rounded half away from zero."""
    if n < 0:
        a, n = -a, -n
    return (2 * a + n) // (2 * n) if a >= 0 else -((n - 2 * a) // (2 * n))


def conj(b: int) -> int:
    """Return the complex conjugate: theta turns into -theta."""
    return (b & 0xF0) | (-b & 15)


def neg(b: int) -> int:
    """Return -b: half a turn.  Zero stays zero."""
    return b ^ 8 if b else NULL


def xor(a: int, b: int) -> int:
    """Return the bits in which a and b differ, the delta of a stream; xor(a, a) is NULL."""
    return (a ^ b) & 255


def mix(a: int, b: int) -> int:
    """Return the log-polar mean (the geometric mean of magnitudes), rounded towards a.

    Theta goes along the shorter arc; of two opposite phases it goes counter-clockwise from a.
    Zero absorbs, as in any geometric mean.
    """
    if a == NULL or b == NULL:
        return NULL
    turn = (b - a) & 15
    if turn > 8:
        turn -= 16
    climb = (b >> 4) - (a >> 4)
    half_turn = turn // 2 if turn >= 0 else -(-turn // 2)
    half_climb = climb // 2 if climb >= 0 else -(-climb // 2)
    return make((a >> 4) - 8 + half_climb, a + half_turn)


def magnitude(b: int) -> int:
    """Return |z| in Q14: 0 for NULL, else e**rho, 5..17967238."""
    return tables.magnitudes()[b >> 4] if b else 0


def real(b: int) -> int:
    """Return the real part in Q14, rounded half up."""
    return _project(b, b & 15)


def imag(b: int) -> int:
    """Return the imaginary part in Q14, rounded half up."""
    return _project(b, (b + 12) & 15)


def _project(b: int, angle: int) -> int:
    """Return |z| * cos(angle*pi/8), Q14: the low 14 bits apart, so no product passes 2**30."""
    m = magnitude(b)
    c = tables.cosines()[angle]
    return (m >> 14) * c + ((m & 16383) * c + 8192 >> 14)


def to_complex(b: int) -> tuple[int, int]:
    """Return (real, imaginary), both Q14 (16384 is 1.0)."""
    return real(b), imag(b)


def from_complex(re: int, im: int) -> int:
    """Return the nearest byte of re + i*im, both Q14: nearest in the log of |z| and in phase.

    Magnitudes under e**-8.5 become NULL, those over e**7 saturate.

    Raises:
        RangeError: a part is not within +-2**29.
    """
    if not (-_LIMIT < re < _LIMIT and -_LIMIT < im < _LIMIT):
        raise RangeError("a part of %d%+di is out of +-2**29 in Q14: scale it down" % (re, im))
    x = re if re >= 0 else -re
    y = im if im >= 0 else -im
    shift = 0
    while (x | y) >> shift >= 1 << 14:
        shift += 1
    x >>= shift
    y >>= shift
    square = x * x + y * y
    if square <= 11 and not shift:  # e**-8.5 is 3.33 in Q14
        return NULL
    step = _phase(x, y)
    if re < 0:
        step = 8 - step
    return make(_rho(isqrt(square), shift), -step if im < 0 else step)


def _rho(m: int, shift: int) -> int:
    """Return the rho nearest in the log to magnitude m << shift, Q14."""
    limits = tables.rho_limits()
    k = 0
    while k < 15 and m >= limits[k] >> shift:
        k += 1
    return k - 8


def _phase(x: int, y: int) -> int:
    """Return the phase of x + iy in the first quadrant, 0..4: limits are odd multiples of pi/16."""
    # tan(pi/16) = 0.19891, tan(3*pi/16) = 0.66818, in Q14
    if y << 14 < x * 3259:
        return 0
    if y << 14 < x * 10947:
        return 1
    if x << 14 < y * 3259:
        return 4
    if x << 14 < y * 10947:
        return 3
    return 2


def decode(b: int) -> int:
    """Return the weight e**rho * cos(theta*pi/8 - 3*pi/64) in Q14; 0x0t is 0 (SPEC.md 1.3)."""
    return tables.dec()[b]


def encode(v: int) -> int:
    """Return the byte of the weight nearest to v (Q14), saturating at +-17772769 (1084.8)."""
    limits = tables.thresholds()
    size = v if v >= 0 else -v
    low = 0
    high = 120
    while low < high:
        middle = (low + high) >> 1
        if size >= limits[middle]:
            low = middle + 1
        else:
            high = middle
    if low == 0:
        return NULL
    code = tables.level_codes()[low - 1]
    return code if v > 0 else code ^ 8
