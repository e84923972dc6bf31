"""What holds for rho_sil and the integer arithmetic under it: every docstring is an invariant."""

import math
import random
from array import array
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from checked import checked
from sil import intmath, rho, tables
from sil.errors import RangeError
from sil.kernels import measure

BOUND = 2**-9
SIZES = [0.0, *(math.exp(r) for r in range(-8, 8))]  # |z| of NULL, then of each rho


def size(code: int) -> float:
    """Return |z| of a code."""
    return SIZES[1 + (code >> 4)] if code else 0.0


def terms(vector: bytes) -> tuple[float, float, float]:
    """Return T, H and V of the float formula."""
    n = len(vector)
    steps = sum(abs(size(a) - size(b)) > 0.1 for a, b in zip(vector, vector[1:], strict=False))
    return steps / (n - 1), *spread(Counter(vector))


def spread(counts: dict[int, int]) -> tuple[float, float]:
    """Return H and V of counted bytes."""
    n = sum(counts.values())
    entropy = -sum(c / n * math.log(c / n) for c in counts.values() if c)
    mean = sum(c * size(b) for b, c in counts.items()) / n
    variance = sum(c * (size(b) - mean) ** 2 for b, c in counts.items()) / n
    return entropy / math.log(n), min(variance, 1.0)


def assert_measures(vector: bytes) -> None:
    t, h, v = terms(vector)
    got = rho.rho_sil(vector)
    assert 0 <= got <= rho.ONE
    assert abs(got / rho.ONE - (0.4 * t + 0.3 * h + 0.3 * v)) < BOUND


alphabets = st.one_of(
    st.sets(st.integers(0, 255), min_size=1, max_size=4),
    # |z| near 1, where the variance is neither 0 nor over its cap.
    st.sets(st.integers(0, 0x8F), min_size=1, max_size=30),
    st.just(set(range(256))),
)
lengths = st.one_of(st.integers(2, 40), st.integers(2, 3000), st.sampled_from([8191, 8192, 70000]))
orders = st.sampled_from(["drawn", "sorted", "one outlier", "halves"])


def draw(alphabet: set[int], n: int, order: str, seed: int) -> bytes:
    """Return n bytes of the alphabet in the named order."""
    letters, rng = sorted(alphabet), random.Random(seed)
    if order == "one outlier":
        vector = bytearray([rng.choice(letters)]) * n
        vector[rng.randrange(n)] = rng.randrange(256)
        return bytes(vector)
    if order == "halves":
        return bytes([letters[0]] * (n // 2) + [letters[-1]] * (n - n // 2))
    vector = bytearray(rng.choices(letters, k=n))
    return bytes(sorted(vector) if order == "sorted" else vector)


vectors = st.builds(draw, alphabets, lengths, orders, st.integers(0, 2**32))


@given(vectors)
def test_rho_is_within_its_bound_of_the_formula(vector: bytes) -> None:
    """|rho_sil/32768 - formula| < 2**-9 and 0 <= rho_sil <= 32768, for any bytes, n to 70000."""
    assert_measures(vector)


@given(st.binary(min_size=2, max_size=300))
def test_rho_of_short_vectors(vector: bytes) -> None:
    """The same for whatever bytes Hypothesis thinks of."""
    assert_measures(vector)


def test_the_terms_at_the_longest_vector() -> None:
    """0.3*H + 0.3*V within 2**-9 for every two groups of |z|, one of c bytes in 2**20, and less."""
    meter = rho.RhoMeter()
    counts = meter._counts  # filled by hand: feeding 2**20 bytes a case would take minutes
    for n in (1 << 20, 300_000, 8192):
        for a in (0, *range(16, 256, 16)):
            for b in (0, *range(16, 256, 16)):
                for c in (1, 2, 3, n // 2):
                    counts[:] = array("i", bytes(1024))
                    counts[a] += n - c
                    counts[b] += c
                    meter.length = n
                    h, v = spread({a: n - c, b: c} if a != b else {a: n})
                    got = 3 * (meter.entropy() + meter.variance()) / 10 / rho.ONE
                    assert abs(got - 0.3 * (h + v)) < BOUND - 2**-14  # what T's floor may add
                    assert meter.variance() == rho.ONE or v < 1
                    assert a != b or (meter.entropy(), meter.variance()) == (0, 0)


@given(vectors, st.lists(st.integers(0, 70000), max_size=8))
def test_in_pieces_as_in_one(vector: bytes, cuts: list[int]) -> None:
    """feed over any chunks, empty ones and a leading offset included, measures as one feed does."""
    meter = rho.RhoMeter()
    meter.feed(b"\xf0\x80\xf0", 0, 3)
    meter.reset()
    at = 0
    for cut in [*sorted(min(cut, len(vector)) for cut in cuts), len(vector)]:
        assert meter.feed(b"\x00\x99" + vector, at + 2, cut + 2) == cut
        at = cut
    assert meter.value() == rho.rho_sil(vector)


@given(st.sampled_from([0.0, 0.1, 0.3, 0.55, 1.0]), st.integers(0, 32768), st.integers(0, 32768))
def test_rho_critical(battery: float, cpu: int, mem: int) -> None:
    """Within 2**-12 of base*(1 - cpu/2)*(1 - 0.3*mem)*clamp(battery, 0.1, 1), falls with cpu."""
    level = round(battery * 32768)
    one = rho.ONE
    for base in (0, 3277, 26214, one):
        exact = base * (1 - cpu / one / 2) * (1 - 0.3 * mem / one) * max(battery, 0.1)
        assert abs(rho.rho_critical(base, cpu, mem, level) - exact) < 8
        assert rho.rho_critical(base, one, mem, level) <= rho.rho_critical(base, cpu, mem, level)


def test_what_cannot_be_measured_is_refused() -> None:
    """A range outside of its buffer or a stream over 2**20 bytes is refused."""
    meter = rho.RhoMeter()
    for start, end in ((-1, 1), (1, 0), (0, 5)):
        with pytest.raises(RangeError):
            meter.feed(bytes(4), start, end)
    meter.length = rho.MAX_LENGTH - 3
    with pytest.raises(RangeError):
        meter.feed(bytes(4), 0, 4)
    assert meter.feed(bytes(4), 0, 3) == rho.MAX_LENGTH


# The arithmetic below


@given(st.data())
def test_muldiv_is_the_wide_quotient(data: st.DataObject) -> None:
    """muldiv(a, b, c) = floor(a*b/c) for a < 2**30, b <= c < 2**28, on 31 bits throughout."""
    c = data.draw(st.integers(1, 2 ** data.draw(st.integers(1, 28)) - 1))
    b, a = data.draw(st.integers(0, c)), data.draw(st.integers(0, 2**30 - 1))
    assert checked(intmath.muldiv)(a, b, c) == a * b // c
    assert checked(intmath.muldiv)(2**30 - 1, c, c) == 2**30 - 1


@given(st.integers(0, 2**30 - 1), st.integers(0, 2**15 - 1))
def test_isqrt_is_the_floor_of_the_root(n: int, root: int) -> None:
    """isqrt(n)**2 <= n < (isqrt(n)+1)**2 for 0 <= n < 2**30, on both sides of every square."""
    for value in (n, root * root, max(root * root - 1, 0), 2**30 - 1):
        assert checked(intmath.isqrt)(value) == math.isqrt(value)


@given(st.integers(1, 30).flatmap(lambda e: st.integers(1, 2**e - 1)))
def test_log2_is_within_a_thousandth_and_monotone(n: int) -> None:
    """|log2(n)/1024 - log2 n| <= 0.001, never falling, exact at powers of two."""
    got = checked(intmath.log2)(n)
    assert abs(got / 1024 - math.log2(n)) <= 0.001
    assert n == 1 or intmath.log2(n - 1) <= got
    assert n & (n - 1) or got == 1024 * (n.bit_length() - 1)


@given(st.integers(0, 2**30 - 1), st.integers(1, 3000))
def test_a_shuffle_permutes_and_repeats(seed: int, n: int) -> None:
    """shuffle loses nothing and follows from the seed alone; below(n) is within 0..n-1."""
    first, again = array("H", range(n)), array("H", range(n))
    rand = intmath.Rand16(seed)
    rand.shuffle(first)
    rand.seed(seed)
    rand.shuffle(again)
    assert first == again and sorted(first) == list(range(n))
    assert all(0 <= rand.below(n) < n for _ in range(20))


def test_the_longest_vectors_stay_within_31_bits() -> None:
    """The kernels of rho_sil on counts that add up to 2**20, one group or many: no overflow."""
    whole = 1 << 20
    for counts in ({0xF0: whole}, {0xF0: whole - 1, 0: 1}, {0xF0: whole // 2, 0x10: whole // 2},
                   dict.fromkeys(range(256), whole // 256), {0: whole - 1, 0x80: 1}):  # fmt: skip
        table = array("i", [counts.get(b, 0) for b in range(256)])
        checked(measure.variance)(table, tables.magnitudes(), whole)
        for down in (7, 10):
            checked(measure.entropy_sum)(table, tables.log2_fractions(), down)
