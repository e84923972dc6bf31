"""What holds for weights: a code and the number it stands for, both ways."""

from array import array
from bisect import bisect_left

from hypothesis import given
from hypothesis import strategies as st

from sil import bytesil, tables
from sil.kernels import codes as code_kernels

CODES = range(256)
LEVELS = sorted({bytesil.decode(b) for b in CODES})
values = st.integers(-31, 31).flatmap(
    lambda e: st.integers(0, 2 ** abs(e)).map(lambda v: v if e >= 0 else -v)
)


def around_every_limit() -> list[int]:
    """Return all values up to 4096, and those within 2 of a level or a limit beyond."""
    near = [v + k for v in [*LEVELS, *tables.thresholds()] for k in range(-2, 3)]
    return sorted({*range(-4096, 4097), *near, *(-v for v in near)})


def test_encode_undoes_decode() -> None:
    """encode(decode(b)) = b for each b of rho > -8; 00..0F decode to 0, which is 00."""
    for b in CODES:
        assert bytesil.encode(bytesil.decode(b)) == (b if b >= 16 else 0)
    assert len(LEVELS) == 241


def test_encode_is_nearest() -> None:
    """No level is nearer to v than decode(encode(v)); of two as near, the larger magnitude."""
    for v in around_every_limit():
        found = bytesil.decode(bytesil.encode(v))
        off, size = min((abs(v - level), -abs(level)) for level in LEVELS)
        assert (abs(v - found), -abs(found)) == (off, size)


@given(values, values)
def test_encode_is_monotone_odd_and_nearest(v: int, w: int) -> None:
    """v <= w implies decode(encode(v)) <= decode(encode(w)); encode(-v) = neg(encode(v))."""
    low, high = sorted((v, w))
    got = bytesil.decode(bytesil.encode(low))
    assert got <= bytesil.decode(bytesil.encode(high))
    assert bytesil.encode(-v) == bytesil.neg(bytesil.encode(v))
    at = bisect_left(LEVELS, low)
    assert abs(got - low) == min(abs(level - low) for level in LEVELS[max(0, at - 1) : at + 1])


def test_encode_saturates_at_the_last_level() -> None:
    """Beyond +-17772769 the code is F0 or F8, and nowhere before its limit."""
    limit = tables.thresholds()[119]
    for v in (limit, LEVELS[-1], LEVELS[-1] + 1, 2**30, 2**40):
        assert bytesil.encode(v) == bytesil.MAX and bytesil.encode(-v) == 0xF8
    assert bytesil.decode(bytesil.encode(limit - 1)) == LEVELS[-2]


def test_vectors_of_weights_are_coded_as_single_ones() -> None:
    """encode16 equals encode at each of the 65536 int16; decode16 rounds half up and saturates."""
    every = array("h", range(-32768, 32768))
    out = bytearray(len(every))
    code_kernels.encode16(every, len(every), tables.thresholds(), tables.level_codes(), out)
    assert out == bytes(bytesil.encode(4 * v) for v in every)
    back = array("h", bytes(512))
    code_kernels.decode16(bytes(CODES), 256, tables.dec(), back)
    exact = [(bytesil.decode(b) + 2) // 4 for b in CODES]
    assert list(back) == [max(-32767, min(32767, v)) for v in exact]
