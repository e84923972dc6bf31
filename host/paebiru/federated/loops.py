"""How the rules' loops are run: compiled by numba, their parts on several threads at once.

A loop is a function of (first, last, ...): it does a part of its work, of columns or of rows,
that no other part has to do with.  So large rounds are done by `threads` of them at once, to the
same integers.  The environment variable ``PAEBIRU_BACKEND=plain`` leaves numba out, as in
`paebiru.accel`: then NumPy does what the loops do.
"""

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

threads = os.cpu_count() or 1
"""How many cores a large round may take."""

LARGE = 1 << 18
"""Bytes of work from which on a second thread is worth its start."""


def fixed(codes: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return codes as a view that nobody writes, row by row in memory.

    A loop is compiled for each kind of array: so there is one.
    """
    view = np.ascontiguousarray(codes).view()
    view.flags.writeable = False
    return view


def is_plain() -> bool:
    """Tell whether numba is to be left out."""
    return os.environ.get("PAEBIRU_BACKEND") == "plain"


def parts(work: int) -> int:
    """Return into how many parts so much work is best cut."""
    return threads if work >= LARGE else 1


def even(work: int, total: int, step: int = 1) -> list[int]:
    """Return where the parts of `total` columns or rows begin and end, at multiples of `step`."""
    count, steps = parts(work), -(-total // step)
    return [*(steps * k // count * step for k in range(count)), total]


def spread(loop: Callable[..., None], edges: list[int], *args: Any) -> None:
    """Run a loop over the parts between `edges`, all at once."""
    run = compiled(loop)
    first, *others = pairwise(edges)
    if not others:
        run(*first, *args)
        return
    with ThreadPoolExecutor(len(others)) as pool:
        waiting = [pool.submit(run, *part, *args) for part in others]
        run(*first, *args)
        for part in waiting:
            part.result()


@cache
def compiled(loop: Callable[..., None]) -> Callable[..., None]:
    """Return a loop compiled by numba; the code is cached on disk, beside the loop's file."""
    import numba  # here, since it takes half a second that `plain` need not pay

    made: Callable[..., None] = numba.njit(cache=True, nogil=True, boundscheck=False)(loop)
    return made
