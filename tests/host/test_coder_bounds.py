"""The entropy coder keeps to 31 bits and its buffers, whatever it codes or has to decode."""

import random
from collections.abc import Iterator

import pytest

from checked import Checked, checked
from sil.coder import Coder
from sil.kernels import entropy, spans

MLP = (3, 4, 2)  # 26 elements
SHAPES = [(26, 1, MLP), (16, 2, ()), (26, 1, ())]


@pytest.fixture
def boards_ints(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Run every kernel of the coder on checked integers."""
    for module in (entropy, spans):
        for name, kernel in list(vars(module).items()):
            if getattr(kernel, "__module__", "") == module.__name__:
                monkeypatch.setattr(module, name, checked(kernel))
    Checked.peak = 0
    yield
    assert Checked.peak > 1 << 20  # it was indeed these kernels that ran


def blocks(rng: random.Random, n: int) -> Iterator[bytes]:
    """Yield what drives adaptation to its ends: one value for long, then its opposite, noise."""
    for value in (0x00, 0xFF, 0x01, 0x0F, 0xF0, 0xF8):
        yield bytes([value]) * n
        yield bytes(n)
    for share in (0.02, 0.5, 1):
        yield bytes(rng.randrange(256) if rng.random() < share else 0 for _ in range(n))


@pytest.mark.parametrize(("size", "group", "rows"), SHAPES)
def test_coding_and_decoding(
    boards_ints: None, size: int, group: int, rows: tuple[int, ...]
) -> None:
    rng = random.Random(2)
    coder, twin = Coder(size, group, rows), Coder(size, group, rows)
    n = size * group
    for block in blocks(rng, n):
        old = rng.randbytes(size)
        for delta in (0, 1):
            side = bytearray(rng.randbytes(n))
            raw, back = bytearray(old + block), bytearray(old + bytes(n))
            room = bytearray(2 * n + 64)
            end = coder.encode(raw, size, n, delta, side, room, 0, len(room))
            twin.decode(room, 0, end, back, size, n, delta, side)
            assert back == raw


@pytest.mark.parametrize(("size", "group", "rows"), SHAPES)
def test_decoding_what_was_never_coded(
    boards_ints: None, size: int, group: int, rows: tuple[int, ...]
) -> None:
    rng = random.Random(3)
    coder = Coder(size, group, rows)
    n = size * group
    raw = bytearray(size + n)
    for kind in range(12):
        length = rng.randrange(1, 30)
        data = bytearray([(0, 255)[kind % 2]] * length if kind < 4 else rng.randbytes(length))
        coder.decode(data, 0, length, raw, size, n, kind % 2, None)


@pytest.mark.parametrize(("some", "density"), [(0, 15), (1, 15), (90, 13), (4500, 2), (9000, 0)])
def test_the_density_of_a_block(boards_ints: None, some: int, density: int) -> None:
    """2 log2(elements / non-zero), rounded down, also where the counts are halved to fit."""
    coder = Coder(16)
    raw = bytearray(b"\xff" * some + bytes(9000 - some))
    spans.turn(raw, 0, 9000, 0, coder._table, bytearray(9000), coder._st)
    assert coder._st[11] >> 4 == density
