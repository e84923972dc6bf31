"""Batches of states as the node posts them, read one after another, and damaged ones."""

from collections.abc import Iterator
from random import Random

import pytest

from paebiru import accel
from paebiru.states import StateReader
from paebiru_node.batches import Batches
from sil import jsil
from sil import protocol as p
from sil.errors import FormatError
from sil.jsil_head import XOR_ROTATE


@pytest.fixture(autouse=True, scope="module")
def compiled() -> Iterator[None]:
    """Compile the kernels: the same bytes, sooner."""
    accel.install("numba")
    yield
    accel.install("plain")


class Kept:
    """Keeps what a node would post."""

    def __init__(self) -> None:
        self.found: list[bytes] = []

    def room(self) -> bool:
        return True

    def send(self, kind: int, body: bytearray, end: int) -> bool:
        self.found.append(bytes(body[p.BATCH_HEAD : end]))
        return True


def streams(size: int, count: int, random: Random) -> list[bytes]:
    """Return the streams of a board whose states change little."""
    kept, state = Kept(), bytearray(random.randbytes(16))
    batches = Batches(size, 100)
    for now in range(size * count):
        state[random.randrange(16)] = random.randrange(256)
        batches.add(state, now, kept)  # type: ignore[arg-type]
    return kept.found


@pytest.mark.parametrize("size", [1, 2, 16, 48])
def test_a_reader_reads_what_a_stream_says_whatever_came_before(size: int) -> None:
    random, reader = Random(size), StateReader()
    mixed = streams(size, 5, random) + streams(7, 5, random) + streams(1, 3, random)
    random.shuffle(mixed)
    for stream in mixed:
        assert reader.read(stream) == list(jsil.unpack(stream))


def test_a_damaged_one_is_refused_and_the_next_one_read() -> None:
    random, reader = Random(1), StateReader()
    good, other = streams(16, 2, random)
    for bad in [good[:cut] for cut in range(len(good))] + [_flipped(good, random) for _ in good]:
        with pytest.raises(FormatError):
            reader.read(bad)
        assert reader.read(other) == list(jsil.unpack(other))
        with pytest.raises(FormatError):  # now that its head is known
            reader.read(bad)
    assert reader.read(good) == list(jsil.unpack(good))


def _flipped(stream: bytes, random: Random) -> bytes:
    changed = bytearray(stream)
    changed[random.randrange(len(changed))] ^= 1 << random.randrange(8)
    return bytes(changed)


@pytest.mark.parametrize("size", [8, 32])
def test_frames_of_another_size_are_no_states(size: int) -> None:
    with pytest.raises(FormatError):
        StateReader().read(jsil.pack([bytes(range(size))] * 2, mode=XOR_ROTATE))
