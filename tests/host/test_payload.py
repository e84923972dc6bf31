"""A payload is a JSIL stream: the core's short way of one frame writes and reads the same bytes.

Invariants, for frames that are empty, sparse, dense and noise, short and long:

1. `Payload.encode` writes what `jsil.Encoder` writes of one frame, and each end reads the other's.
2. A bit flipped, a byte cut or added, whatever bytes come: a SilError, and the frame as it was.
"""

import random
from array import array
from collections.abc import Iterator

import pytest

from paebiru import accel
from sil import jsil, nn
from sil.errors import FormatError, RangeError, SilError
from sil.payload import Payload
from sil.update import Expectation

SHAPES = [(3, 4, 2), (12, 9, 4), (64, 32, 10)]
SHARES = (0.0, 0.01, 0.5, 1.0)  # of which 0.5 makes bodies over 1024 bytes, with a long check


@pytest.fixture(autouse=True, scope="module")
def compiled() -> Iterator[None]:
    """Compile the kernels: the same bytes, sooner."""
    accel.install("numba")
    yield
    accel.install("plain")


def ends(sizes: tuple[int, ...], seed: int) -> tuple[Payload, bytearray]:
    """Return a payload coder and what it expects, for a model that has moved."""
    rng = random.Random(seed)
    first = nn.initial_codes(sizes, seed)
    base = array("h", [v + rng.randint(-90, 90) for v in nn.decode(first)])
    payload = Payload(sizes, first)
    payload.expect(base)
    return payload, Expectation(sizes, first).look(base)


def frame_of(n: int, share: float, seed: int) -> bytearray:
    rng = random.Random(seed)
    return bytearray(rng.randrange(256) if rng.random() < share else 0 for _ in range(n))


def stream(sizes: tuple[int, ...], frame: bytearray, side: bytearray) -> bytes:
    """Return what the general encoder writes."""
    encoder = jsil.Encoder(len(frame), rows=sizes, agreed=True)
    encoder.expect(side)
    encoder.feed(frame, 0, len(frame))
    encoder.finish()
    out = bytearray(len(frame) + 40)
    return bytes(out[: encoder.pull(out, 0, len(out))])


@pytest.mark.parametrize("sizes", SHAPES)
@pytest.mark.parametrize("share", SHARES)
def test_the_bytes_are_those_of_jsil(sizes: tuple[int, ...], share: float) -> None:
    payload, side = ends(sizes, 5)
    kinds = set()
    for seed in range(4):
        frame = frame_of(len(side), share, seed)
        expected = stream(sizes, frame, side)
        out = bytearray(payload.limit)
        got = bytes(out[: payload.encode(frame, out)])
        assert got == expected
        back = bytearray(len(frame))
        payload.decode(got, back)
        assert back == frame
        decoder = jsil.Decoder(len(frame), rows=sizes)
        decoder.expect(side)
        assert decoder.feed(got, 0, len(got)) == len(got)
        assert decoder.pull(back, 0, len(back)) == len(frame)
        assert back == frame
        kinds.add(len(got) < len(frame))
    if sizes != SHAPES[0]:
        assert kinds == {share < 1}  # noise goes as bytes, the rest coded


def test_damage_is_seen_and_nothing_written() -> None:
    sizes = (12, 9, 4)
    payload, side = ends(sizes, 7)
    rng = random.Random(8)
    for share in (0.05, 1.0):
        out = bytearray(payload.limit)
        good = bytes(out[: payload.encode(frame_of(len(side), share, 3), out)])
        frame = bytearray(b"\xa5" * len(side))
        wrongs = [good[:cut] for cut in range(len(good))]
        wrongs += [good + bytes(1), good + good, b""]
        for bit in range(8 * len(good)):
            flipped = bytearray(good)
            flipped[bit >> 3] ^= 1 << (bit & 7)
            wrongs.append(bytes(flipped))
        head = good[: len(payload._head)]
        wrongs += [head + rng.randbytes(rng.randrange(200)) for _ in range(3000)]
        for wrong in wrongs:
            with pytest.raises(FormatError):
                payload.decode(wrong, frame)
        assert frame == b"\xa5" * len(side)


def test_kinds_of_block_that_no_update_has() -> None:
    """Whole streams with right checks, but of two blocks, or of a frame told in another way."""
    sizes = (3, 4, 2)
    payload, side = ends(sizes, 9)
    encoder = jsil.Encoder(len(side), rows=sizes, agreed=True)
    encoder.expect(side)
    out = bytearray(200)
    end = 0
    for seed in range(2):
        encoder.feed(frame_of(len(side), 0.2, seed), 0, len(side))
        end += encoder.pull(out, end, len(out))
    with pytest.raises(FormatError, match="one whole frame"):
        payload.decode(bytes(out[:end]), bytearray(len(side)))
    other, _ = ends((3, 4, 3), 9)
    with pytest.raises(SilError, match="no update of a model of 31"):
        other.decode(bytes(out[:end]), bytearray(31))


def test_room_that_is_too_short_is_told() -> None:
    payload, side = ends((3, 4, 2), 1)
    with pytest.raises(RangeError, match=f"a payload can have {payload.limit} bytes"):
        payload.encode(bytearray(len(side)), bytearray(payload.limit - 1))
