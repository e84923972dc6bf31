"""JSIL, whatever the frames, the pieces, and what happens to the bytes on the way.

Invariants:

1. decode(encode(frames)) = frames, for every mode, grouping, interval and cutting into pieces;
   the stream does not depend on the pieces.
2. Of a stream cut at any byte, the frames of the whole blocks are read, and `verify` says where
   to cut; from there another encoder can go on.
3. A flipped bit, wherever, is a FormatError, and no wrong frame comes before it.
4. Whatever bytes come in, only a SilError goes out, and nothing is written or given out
   beyond the frames that the decoder was opened for.
5. Adaptive takes at most 3 bytes a frame more than the frames have, besides the head.
6. Any frame is read from the keyframe before it as it is read from the start.
"""

import random
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from paebiru import accel
from sil import jsil
from sil.errors import FormatError, SilError

MLP = (3, 4, 2)  # 26 elements
Packed = tuple[list[bytes], dict[str, int]]


@pytest.fixture(autouse=True, scope="module")
def compiled() -> Iterator[None]:
    """Compile the kernels: the same bytes, sooner."""
    accel.install("numba")
    yield
    accel.install("plain")


@st.composite
def packed(draw: st.DrawFn) -> Packed:
    """Draw frames of which some repeat or are sparse, and how to pack them."""
    size = draw(st.one_of(st.integers(1, 40), st.sampled_from([255, 256, 257, 600])))
    rng = random.Random(draw(st.integers(0, 1 << 20)))
    frames = [bytes(size)]
    for kind in draw(st.lists(st.sampled_from(["same", "sparse", "noise", "step"]), min_size=1,
                              max_size=6)):  # fmt: skip
        old = frames[-1]
        frames.append({
            "same": lambda old=old: old,
            "sparse": lambda: bytes(0x51 if rng.random() < 0.1 else 0 for _ in range(size)),
            "noise": lambda: rng.randbytes(size),
            "step": lambda old=old: bytes(b ^ 1 if rng.random() < 0.2 else b for b in old),
        }[kind]())  # fmt: skip
    group = draw(st.integers(1, 4))
    how = {
        "mode": draw(st.integers(jsil.NONE, jsil.ADAPTIVE)),
        "group": group,
        "interval": group * draw(st.integers(0, 2)),
    }
    return frames[1:], how


def pack(frames: list[bytes], how: dict[str, int], pieces: random.Random | None = None) -> bytes:
    """Return the stream, fed and pulled in random pieces if `pieces` is given."""
    if pieces is None:
        return jsil.pack(frames, **how)
    encoder = jsil.Encoder(len(frames[0]), **how)
    data, out, at = b"".join(frames), bytearray(), 0
    finished = False
    while not finished or encoder.waiting:
        room = bytearray(pieces.randint(1, 50))
        out += room[: encoder.pull(room, 0, len(room))]
        if at < len(data):
            at = encoder.feed(data, at, min(len(data), at + pieces.randint(1, 90)))
        elif not finished:
            encoder.finish()
            finished = True
    return bytes(out)


def unpack(data: bytes, size: int, group: int, pieces: random.Random) -> tuple[bytes, int]:
    """Return the frames, read in random pieces, and the length of the torn tail."""
    decoder = jsil.Decoder(size, group)
    out, at = bytearray(), 0
    while at < len(data) or decoder.waiting:
        room = bytearray(pieces.randint(1, 90))
        out += room[: decoder.pull(room, 0, len(room))]
        at = decoder.feed(data, at, min(len(data), at + pieces.randint(1, 50)))
    return bytes(out), decoder.finish()


@given(packed(), st.randoms(use_true_random=False))
def test_frames_come_back_however_the_bytes_are_cut(what: Packed, pieces: random.Random) -> None:
    frames, how = what
    data = pack(frames, how)
    assert pack(frames, how, pieces) == data
    assert list(jsil.unpack(data)) == frames
    assert unpack(data, len(frames[0]), how["group"], pieces) == (b"".join(frames), 0)
    assert jsil.verify(data) == (len(frames), len(data))


@given(packed())
def test_a_torn_tail_is_cut_at_every_byte_and_the_stream_goes_on(what: Packed) -> None:
    frames, how = what
    data = pack(frames, how)
    ends, counts = [jsil.read_head(data)[1]], [0]
    for _, end, _, held in jsil.blocks(data):
        ends.append(end)
        counts.append(counts[-1] + held)
    assert ends[-1] == len(data)
    for cut in range(ends[0], len(data)):
        block = sum(end <= cut for end in ends) - 1
        assert jsil.verify(data[:cut]) == (counts[block], ends[block])
    frames_left, good = jsil.verify(data[:-1])
    more = jsil.Encoder(len(frames[0]), resume=True, **how)
    more.feed(frames[0], 0, len(frames[0]))
    more.finish()
    room = bytearray(2 * len(frames[0]) + 64)
    grown = data[:good] + bytes(room[: more.pull(room, 0, len(room))])
    assert list(jsil.unpack(grown)) == [*frames[:frames_left], frames[0]]


@settings(max_examples=60)
@given(packed())
def test_every_flipped_bit_is_seen_before_a_wrong_frame(what: Packed) -> None:
    frames, how = what
    data = bytearray(pack(frames[:3], how))
    for bit in range(8 * len(data)):
        data[bit >> 3] ^= 1 << (bit & 7)
        got: list[bytes] = []
        with pytest.raises(FormatError):
            for frame in jsil.unpack(bytes(data)):
                got.append(frame)
        assert got == frames[: len(got)]
        data[bit >> 3] ^= 1 << (bit & 7)


@given(packed())
def test_adaptive_is_never_more_than_three_bytes_a_frame_above_raw(what: Packed) -> None:
    frames, how = what
    data = pack(frames, {**how, "mode": jsil.ADAPTIVE})
    assert len(data) - jsil.read_head(data)[1] <= sum(len(frame) + 3 for frame in frames)


@given(packed(), st.data())
def test_a_frame_is_read_by_its_number(what: Packed, data: st.DataObject) -> None:
    frames, how = what
    stream = pack(frames, how)
    n = data.draw(st.integers(0, len(frames) - 1))
    assert jsil.read(stream, n) == frames[n]
    _, first = jsil.seek(stream, n)
    assert first <= n
    if how["interval"]:
        assert n - first < how["interval"]


@given(st.binary(min_size=26, max_size=26), st.binary(min_size=26, max_size=26))
def test_an_expectation_only_helps_who_has_it(frame: bytes, side: bytes) -> None:
    encoder = jsil.Encoder(26, rows=MLP, agreed=True)
    encoder.expect(bytearray(side))
    encoder.feed(frame, 0, 26)
    room = bytearray(64)
    data = bytes(room[: encoder.pull(room, 0, 64)])
    decoder = jsil.Decoder(26, rows=MLP)
    decoder.expect(bytearray(side))
    decoder.feed(data, 0, len(data))
    decoder.pull(room, 0, 26)
    assert room[:26] == frame
    for other, rows in ((bytes([side[0] ^ 1]) + side[1:], MLP), (side, (3, 5, 1))):
        decoder = jsil.Decoder(26, rows=rows)
        decoder.expect(bytearray(other))
        with pytest.raises(FormatError):
            decoder.feed(data, 0, len(data))


def mutated(rng: random.Random, seeds: list[bytes]) -> bytes:
    """Return noise, noise behind a head, or a stream with some bytes changed, lost or doubled."""
    seed = rng.choice(seeds)
    kind = rng.randrange(4)
    if kind == 0:
        return rng.randbytes(rng.randrange(60))
    if kind == 1:
        return seed[: rng.randrange(4, 16)] + rng.randbytes(rng.randrange(60))
    data = bytearray(seed)
    for _ in range(rng.randrange(1, 4)):
        at = rng.randrange(len(data))
        if kind == 2:
            data[at] = rng.randrange(256)
        else:
            del data[at : at + rng.randrange(1, 4)]
            data[at:at] = data[: rng.randrange(8)]
    return bytes(data)


@pytest.mark.fuzz
def test_random_input_ends_in_frames_or_a_sil_error(fuzz_inputs: int) -> None:
    """Invariant 4; what the decoder can write to is watched at its end."""
    rng = random.Random(7)
    frames = [rng.randbytes(8), bytes(8), b"\x51" + bytes(7)]
    seeds = [jsil.pack(frames, mode, group, 2 * group) for mode in range(5) for group in (1, 2)]
    decoder = jsil.Decoder(8, 2)
    room = bytearray(16)
    reached = 0
    for _ in range(fuzz_inputs):
        data = mutated(rng, seeds)
        decoder.restart()
        at = 0
        try:
            while at < len(data):
                at = decoder.feed(data, at, len(data))
                if decoder.waiting:
                    reached += 1
                    assert decoder.waiting <= 16
                    decoder.pull(room, 0, 16)
        except SilError:
            continue
        assert decoder.good + decoder.finish() == len(data)
    assert reached > fuzz_inputs // 10  # frames were read before the damage, not noise alone
