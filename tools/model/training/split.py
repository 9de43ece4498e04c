"""Which images train and which judge: in each class alike, duplicates together, from a seed."""

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from tools.model.groups import Groups
from tools.model.training.features import Labels


def hold_out(labels: Labels, groups: Groups, share: float, seed: int) -> npt.NDArray[np.bool_]:
    """(n,) True for the images that judge: of each class ``share``, and at least one.

    Fewer, where the duplicates of a class do not fit into its share.
    """
    counts = np.bincount(labels)
    room = np.where(counts > 0, np.maximum(1, np.rint(counts * share)), 0).astype(np.int64)
    is_held_out = np.zeros(len(labels), bool)
    for members in _shuffled(groups, seed):
        needed = np.bincount(labels[members], minlength=len(room))
        if (needed <= room).all():
            is_held_out[members] = True
            room -= needed
    return is_held_out


def deal(labels: Labels, groups: Groups, folds: int, seed: int) -> npt.NDArray[np.int64]:
    """(n,) the fold of each image, for cross-validation.

    Duplicates share a fold, unless a class has fewer groups than there are folds.
    """
    owners = labels[np.unique(groups, return_index=True)[1]]
    if np.bincount(owners, minlength=labels.max() + 1).min() < folds:
        groups = np.arange(len(labels))
    fold = np.zeros(len(labels), np.int64)
    dealt = np.zeros(labels.max() + 1, np.int64)
    for members in _shuffled(groups, seed):
        owner = labels[members[0]]
        fold[members] = dealt[owner] % folds
        dealt[owner] += 1
    return fold


def _shuffled(groups: Groups, seed: int) -> Iterator[npt.NDArray[np.int64]]:
    """The indices of each group's members, smallest first; the groups in random order."""
    order = np.argsort(groups, kind="stable")
    parts = np.split(order, np.flatnonzero(np.diff(groups[order])) + 1)
    random = np.random.default_rng(seed)
    for index in random.permutation(len(parts)):
        yield parts[index]
