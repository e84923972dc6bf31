"""Numba's kernels give the bytes of the plain ones: same result, same buffers, case by case."""

import copy
import random
from array import array
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from paebiru import accel
from sil import nn, rho, tables, train, update
from sil.kernels import codes, dense, measure, sparse

CASES = 25
MODULES = {module.__name__.rpartition(".")[2]: module for module in (codes, dense, measure, sparse)}


@pytest.fixture(scope="module")
def numba() -> Iterator[None]:
    """Kernels compiled, for this file only."""
    accel.install("numba")
    yield
    accel.install("plain")


def shorts(rng: random.Random, n: int, most: int = 32767) -> "array[int]":
    """Return int16, an extreme one in four."""
    return array(
        "h", [rng.choice((most, -most, 0, *[rng.randint(-most, most)] * 9)) for _ in range(n)]
    )


def sums(rng: random.Random, n: int) -> "array[int]":
    """Return sums as a layer leaves them."""
    top = (1 << 29) - 1
    return array(
        "i",
        [rng.choice((top, -top, rng.randint(-top, top) >> rng.randrange(20))) for _ in range(n)],
    )


def layer(rng: random.Random) -> tuple[int, int, int, int, int, int]:
    """Return (first weight, signed, rows, inputs, outputs, fractional bits)."""
    signed = rng.randrange(2)
    return (
        rng.randrange(4),
        signed,
        rng.randint(1, 9),
        rng.randint(1, 70),
        rng.randint(2, 9),
        rng.choice((5, 8)),
    )


def forward_codes(rng: random.Random) -> list[Any]:
    w0, signed, n, nin, nout, fa = layer(rng)
    model = bytearray(rng.choices(range(0xA0), k=w0 + (nin + 1) * nout))
    x = bytearray(rng.randbytes(n * nin))
    return [model, w0, tables.dec(), x, signed, n, nin, nout, fa, sums(rng, n * nout)]


def forward_weights(rng: random.Random) -> list[Any]:
    w0, signed, n, nin, nout, fa = layer(rng)
    masters = shorts(rng, w0 + (nin + 1) * nout)
    order = array("H", rng.sample(range(12), 11))
    return [masters, w0, rng.randbytes(12 * nin), order, rng.randrange(3), signed, n, nin, nout, fa,
            sums(rng, n * nout)]  # fmt: skip


def softmax_error(rng: random.Random) -> list[Any]:
    n, classes = rng.randint(1, 8), rng.choice((2, 10, 64))
    labels = bytes(rng.randrange(classes) for _ in range(12))
    return [sums(rng, n * classes), n, classes, rng.choice((12, 15)), labels,
            array("H", rng.sample(range(12), 12)), rng.randrange(4), tables.expn(),
            shorts(rng, n * classes)]  # fmt: skip


def backward(rng: random.Random) -> list[Any]:
    w0, _, n, nin, nout, _ = layer(rng)
    h = bytearray(rng.choices((0, 1, 255), k=n * nin))
    return [shorts(rng, w0 + (nin + 1) * nout), w0, shorts(rng, n * nout, 8128), n, nin, nout,
            rng.randrange(7), h, shorts(rng, n * nin)]  # fmt: skip


def updating(rng: random.Random) -> list[Any]:
    w0, signed, n, nin, nout, fa = layer(rng)
    return [shorts(rng, w0 + (nin + 1) * nout), w0, shorts(rng, n * nout, 8128),
            rng.randbytes(12 * nin), array("H", rng.sample(range(12), 11)), rng.randrange(3),
            signed, n, nin, nout, fa, rng.randint(fa, 16), rng.randrange(65536)]  # fmt: skip


def counted(rng: random.Random) -> "array[int]":
    """Return how often each byte occurs in something of about a million."""
    return array("i", [rng.choice((0, 1, rng.randrange(4000))) for _ in range(256)])


def variance(rng: random.Random) -> list[Any]:
    counts = counted(rng)
    if rng.random() < 0.7:  # small |z| alone, or the cap hides everything
        counts[0x90:] = array("i", [0] * 0x70)
    return [counts, tables.magnitudes(), sum(counts)]


def counting(rng: random.Random) -> list[Any]:
    buf = rng.randbytes(300)
    return [
        buf,
        rng.randrange(9),
        300,
        rng.choice((-1, 0, 0x80)),
        tables.magnitudes(),
        1638,
        counted(rng),
    ]


def coding(rng: random.Random) -> list[Any]:
    return [shorts(rng, 99), 99, tables.thresholds(), tables.level_codes(), bytearray(99)]


def packed(rng: random.Random) -> list[Any]:
    return [bytearray(rng.randbytes(200)), 200, tables.dec(), shorts(rng, 200)]


def adding(rng: random.Random) -> list[Any]:
    return [shorts(rng, 200), 200, bytearray(rng.randbytes(200)), tables.dec()]


DRAW: dict[str, Callable[[random.Random], list[Any]]] = {
    "dense.forward_codes": forward_codes,
    "dense.forward_weights": forward_weights,
    "dense.relu": lambda rng: [sums(rng, 99), 99, rng.choice((12, 14, 15, 17)), bytearray(99)],
    "dense.argmax": lambda rng: [sums(rng, 60), 6, 10, bytearray(6)],
    "dense.softmax_error": softmax_error,
    "dense.backward": backward,
    "dense.update": updating,
    "dense.pull": lambda rng: [shorts(rng, 99), 99, shorts(rng, 99), rng.randint(1, 32768),
                               rng.randint(7, 15), rng.randrange(65536)],
    "dense.row_sum": lambda rng: [bytearray(rng.randbytes(80)), 3, rng.randrange(70), tables.dec()],
    "codes.encode16": coding,
    "codes.decode16": packed,
    "measure.count": counting,
    "measure.entropy_sum": lambda rng: [counted(rng), tables.log2_fractions(), 7],
    "measure.variance": variance,
    "sparse.kth": lambda rng: [shorts(rng, 200), 200, rng.randint(1, 200), array("i", bytes(1024))],
    "sparse.add": adding,
    "sparse.gain": lambda rng: [shorts(rng, 99), 99, shorts(rng, 99), shorts(rng, 99)],
}  # fmt: skip


@pytest.mark.parametrize("kernel", DRAW)
def test_a_kernel_compiled_is_the_kernel(numba: None, kernel: str) -> None:
    """The same arguments give the same result and leave every buffer the same."""
    module, _, name = kernel.partition(".")
    compiled = getattr(MODULES[module], name)
    plain = accel.kernel_functions(MODULES[module])[name]
    assert compiled is not plain
    rng = random.Random(kernel)
    for _ in range(CASES):
        ours = DRAW[kernel](rng)
        theirs = [copy.copy(a) for a in ours]
        assert compiled(*ours) == plain(*theirs)
        assert ours == theirs


def run_everything() -> list[Any]:
    """Return what inference, training, updates and rho_sil make of one random model."""
    rng = random.Random(9)
    sizes, out = (20, 70, 9, 4), []
    model = nn.initial_codes(sizes, 3)
    x, y = rng.randbytes(40 * 20), bytes(rng.randrange(4) for _ in range(40))
    for signed in (False, True):
        network, trainer = nn.Network(sizes, model, signed), train.Trainer(sizes, signed)
        out.append([network.classify(x[i : i + 20]) for i in range(0, len(x), 20)])
        trainer.load(model)
        before = trainer.masters[:]
        out.append(trainer.epoch(x, y, array("H", range(40)), 7))
        out.append(trainer.masters[:])
        changes = array("h", [a - b for a, b in zip(trainer.masters, before, strict=True)])
        for share in (100, 3000):
            frame = bytearray(len(changes))
            out += [update.Selector(len(changes), share).take(changes, frame), frame, changes[:]]
            update.apply(before, frame)
        out += [before, rho.rho_sil(nn.encode(before))]
    return out


def test_everything_compiled_is_everything_plain(numba: None) -> None:
    """Through the callers, with the buffers they use: the same answers, masters, frames, rho."""
    compiled = run_everything()
    accel.install("plain")
    try:
        assert run_everything() == compiled
    finally:
        accel.install("numba")
