"""Scaling and windows against the float formulas that they stand for."""

from array import array

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from paebiru.datasets import scaling
from paebiru.errors import UsageError
from sil.features import FEATURES, SIGNED, UNSIGNED, Scaler, Windows

INT16 = st.integers(-(1 << 15), (1 << 15) - 1)


def columns(low: int, high: int):
    """Matrices [rows, columns] of values in low..high, whose spread differs by column."""
    return st.tuples(st.integers(1, 60), st.integers(1, 4)).flatmap(
        lambda shape: arrays.arrays(np.int32, shape, elements=st.integers(low, high))
    )


@given(train=columns(-65535, 65535), seen=columns(-65535, 65535))
@example(train=np.array([[16800], [16801]] * 30, np.int32), seen=np.array([[16800]], np.int32))
def test_standardising_is_the_float_formula_within_one_step(train, seen):
    seen = seen[:, :1].repeat(train.shape[1], axis=1)  # whatever its shape, as many columns
    scaler = scaling.learn(train, non_negative=False)
    for x in (train, seen):
        out = scaling.transform(scaler, x)
        assert out.dtype == np.int8
        sd = train.std(axis=0)
        with np.errstate(divide="ignore", invalid="ignore"):
            exact = np.where(sd > 0, (x - train.mean(axis=0)) * 32 / sd, 0)
        # A ratio beyond 12 bits (sd under 1/128) is not reached; there all is clamped
        # but for what is within a step of the mean.
        near = np.abs(np.clip(exact, -127, 127) - out) <= 1
        assert np.all(near | (sd < 32 / 4095))


@given(train=columns(0, 65535), seen=columns(0, 65535))
def test_non_negative_values_are_shares_of_the_greatest(train, seen):
    seen = seen[:, :1].repeat(train.shape[1], axis=1)
    scaler = scaling.learn(train, non_negative=True)
    out = scaling.transform(scaler, seen)
    assert out.dtype == np.uint8
    exact = seen * (256 / train.max()) if train.max() else np.zeros(seen.shape)
    # Small peaks exceed the 12 bits of a multiplier: none, since the least is 1 (256).
    assert np.all(np.abs(np.clip(exact, 0, 255) - out) <= 1)


def test_sixteen_grey_levels_are_multiples_of_sixteen():
    grey = np.arange(17, dtype=np.int32).reshape(-1, 1)
    out = scaling.transform(scaling.learn(grey, non_negative=True), grey)
    assert out[:, 0].tolist() == [*range(0, 256, 16), 255]


@given(train=columns(-65535, 65535))
def test_the_table_travels(train):
    scaler = scaling.learn(train, non_negative=False)
    arrived = Scaler.from_bytes(scaler.to_bytes())
    assert arrived.kind == SIGNED
    assert np.array_equal(scaling.transform(arrived, train), scaling.transform(scaler, train))


@given(train=columns(-1000, 1000), order=st.randoms(use_true_random=False))
def test_the_order_of_training_rows_does_not_matter(train, order):
    rows = list(range(len(train)))
    order.shuffle(rows)
    one, other = (scaling.learn(x, non_negative=False) for x in (train, train[rows]))
    assert one.to_bytes() == other.to_bytes()


@given(
    rows=st.lists(
        st.tuples(
            st.integers(1 - (1 << 29), (1 << 29) - 1), st.integers(0, 4095), st.integers(0, 26)
        ),
        min_size=1,
        max_size=8,
    ),
    kind=st.sampled_from([UNSIGNED, SIGNED]),
    value=st.integers(-(1 << 29), (1 << 29) - 1),
)
def test_any_table_and_value_stay_within_thirty_bits_and_the_output(rows, kind, value):
    out = bytearray(len(rows))
    Scaler(kind, rows).apply(array("i", [value] * len(rows)), out)
    held = max(-65535, min(65535, value))
    low, high = (-127, 127) if kind == SIGNED else (0, 255)
    for (offset, multiplier, shift), byte in zip(rows, out, strict=True):
        assert abs(held * multiplier + offset) < 1 << 30
        assert byte == max(low, min(high, (held * multiplier + offset) >> shift)) & 0xFF


@pytest.mark.parametrize(
    ("train", "non_negative", "cause"),
    [
        (np.zeros((0, 3), np.int32), False, "at least one row"),
        (np.array([[65536]], np.int32), False, "beyond"),
        (np.array([[-(2**31)]], np.int32), False, "beyond"),
        (np.array([[-1]], np.int32), True, "below zero"),
    ],
)
def test_what_cannot_be_scaled_is_refused(train, non_negative, cause):
    with pytest.raises(UsageError, match=cause):
        scaling.learn(train, non_negative)


@st.composite
def recordings(draw):
    """A recording of a few windows, as (frames [n, channels], length of a window)."""
    channels, length = draw(st.integers(1, 3)), draw(st.integers(2, 40))
    frames = draw(st.integers(0, 3 * length))
    samples = draw(arrays.arrays(np.int16, (frames, channels), elements=INT16))
    return samples, length


def windows_of(samples, length, pieces):
    """Return the features of each window, fed in pieces of the given numbers of frames."""
    windows = Windows(samples.shape[1], length)
    flat = array("h", samples.tobytes())
    found, start, turn = [], 0, 0
    while start < len(flat):
        end = min(len(flat), start + pieces[turn % len(pieces)] * samples.shape[1])
        turn += 1
        while start < end:
            start = windows.feed(flat, start, end)
            if windows.ready:
                found.append(list(windows.out))
    return found


@given(recording=recordings(), pieces=st.lists(st.integers(1, 50), min_size=1))
def test_pieces_do_not_matter(recording, pieces):
    samples, length = recording
    whole = windows_of(samples, length, [max(1, len(samples))])
    assert len(whole) == len(samples) // length
    assert windows_of(samples, length, pieces) == whole


@given(recording=recordings())
def test_windows_are_the_float_formulas_within_rounding(recording):
    samples, length = recording
    for i, found in enumerate(windows_of(samples, length, [length])):
        v = samples[i * length : (i + 1) * length].astype(np.float64)
        mean, sd, least, greatest, delta = np.array(found).reshape(-1, FEATURES).T
        assert np.all(np.abs(mean - v.mean(axis=0)) <= 0.5)
        # About the rounded mean the square is up to 1/4 greater; the root is a floor.
        assert np.all(sd <= np.sqrt(v.var(axis=0) + 0.25) + 1e-6)
        assert np.all(sd > v.std(axis=0) - 1 - np.where(v.std(axis=0) < 2, 0.42, 0.26))
        assert np.array_equal(least, v.min(axis=0))
        assert np.array_equal(greatest, v.max(axis=0))
        exact = np.abs(np.diff(v, axis=0)).mean(axis=0)
        assert np.all((delta <= exact + 1e-6) & (delta > exact - 1))
