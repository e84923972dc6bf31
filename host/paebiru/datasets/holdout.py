"""Which rows of a set are held out for testing: a mask, by a stated rule and a seed."""

import numpy as np
import numpy.typing as npt

from paebiru.rng import Rng

Mask = npt.NDArray[np.bool_]
Labels = npt.NDArray[np.uint8]
Groups = npt.NDArray[np.int32]


def stratified(y: Labels, percent: int, rng: Rng) -> Mask:
    """Return a mask of `percent` of the rows of each class, rounded to nearest, at random."""
    mask = np.zeros(len(y), dtype=np.bool_)
    for label in np.unique(y):
        rows = np.flatnonzero(y == label)
        count = (len(rows) * percent + 50) // 100
        mask[rows[rng.permutation(len(rows))[:count]]] = True
    return mask


def unseen(group: Groups, count: int, rng: Rng) -> Mask:
    """Return a mask of all rows of `count` groups taken at random."""
    groups = np.unique(group)
    return np.isin(group, groups[rng.permutation(len(groups))[:count]])


def later(group: Groups, first: int) -> Mask:
    """Return a mask of the rows whose group is `first` or above: time goes one way."""
    return group >= first
