"""Groups of numbers that grow together."""

import numpy as np
import numpy.typing as npt

# (n,) the smallest member of each number's group.
type Groups = npt.NDArray[np.int64]
type Indices = npt.NDArray[np.int64]


def ungrouped(count: int) -> Groups:
    """The numbers below ``count``, each in a group of its own."""
    return np.arange(count)


def join(groups: Groups, left: Indices, right: Indices) -> Groups:
    """``groups``, where each of ``left`` shares one with its partner in ``right``."""
    while True:
        first, second = groups[left], groups[right]
        if np.array_equal(first, second):
            return groups
        # Each group hangs on the smallest one that it is joined with, directly, then at any length.
        parents = np.arange(len(groups))
        np.minimum.at(parents, np.maximum(first, second), np.minimum(first, second))
        while not np.array_equal(parents, grandparents := parents[parents]):
            parents = grandparents
        groups = parents[groups]


def sets(groups: Groups) -> list[list[int]]:
    """The members of each group of two or more."""
    order = np.argsort(groups, kind="stable")
    starts = np.flatnonzero(np.diff(groups[order])) + 1
    return [part.tolist() for part in np.split(order, starts) if len(part) > 1]
