"""Labelled samples as a recording that a board replays: a JSIL frame each, inputs, then class."""

import numpy as np
from numpy.typing import NDArray

from paebiru.errors import UsageError
from sil import jsil
from sil.jsil_head import ROTATE

_GROUP = 8  # frames a block: a board's decoder holds three times that
_MAX_INPUTS = 1024


def record(x: NDArray[np.generic], y: NDArray[np.uint8]) -> bytes:
    """Return the recording of samples `x` [n, inputs], a byte each, of classes `y` [n].

    Its blocks stand alone: samples are no neighbours in time, and a board needs less memory.

    Raises:
        UsageError: there are none, or they do not fit a frame.
    """
    if x.ndim != 2 or len(x) != len(y) or not len(x) or x.itemsize != 1:
        raise UsageError(
            f"a recording takes rows of bytes and a class each, not {x.shape} and {y.shape}"
        )
    if x.shape[1] > _MAX_INPUTS:
        raise UsageError(f"a recording has at most {_MAX_INPUTS} inputs a sample, not {x.shape[1]}")
    rows = np.hstack([x.view(np.uint8), y[:, None].astype(np.uint8)])
    return jsil.pack([row.tobytes() for row in rows], mode=ROTATE, group=_GROUP)
