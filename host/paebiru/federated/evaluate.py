"""How often a model is right, by the integer core: the arithmetic that a board infers with."""

from array import array
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from sil import nn, tables
from sil.kernels import dense

Bytes = NDArray[np.uint8]


def classes(sizes: tuple[int, ...], codes: bytes, x: Bytes, signed: bool) -> Bytes:
    """Return the class of each row of x [n, sizes[0]], all rows a kernel call a layer.

    Raises:
        ModelError: the model has another shape or could overflow.
    """
    nn.check(sizes, codes, signed)
    n = len(x)
    acc = array("i", bytes(4 * n * max(sizes[1:])))
    below: bytes | bytearray = x.tobytes()
    dec = tables.dec()
    fa, sign = nn.input_bits(signed), int(signed)
    offsets = nn.offsets(sizes)
    for i, (nin, nout) in enumerate(pairwise(sizes)):
        dense.forward_codes(codes, offsets[i], dec, below, sign, n, nin, nout, fa, acc)
        if i + 1 < len(offsets):
            below = bytearray(n * nout)
            dense.relu(acc, n * nout, 14 + fa - nn.FA_HIDDEN, below)
            fa, sign = nn.FA_HIDDEN, 0
    answers = bytearray(n)
    dense.argmax(acc, n, sizes[-1], answers)
    return np.frombuffer(answers, dtype=np.uint8)


def accuracy(sizes: tuple[int, ...], codes: bytes, x: Bytes, y: Bytes, signed: bool) -> float:
    """Return the share of rows classified as `y` says, 0..1."""
    return float(np.mean(classes(sizes, codes, x, signed) == y))
