"""The split: each class alike, copies on one side, the same for the same seed."""

import numpy as np
import pytest

from tools.model.training.split import deal, hold_out

LABELS = np.array([0] * 50 + [1] * 20 + [2] * 5)
SINGLE = np.arange(len(LABELS))


@pytest.mark.parametrize("seed", range(5))
def test_each_class_gives_its_share(seed: int) -> None:
    is_held_out = hold_out(LABELS, SINGLE, 0.2, seed)
    assert np.bincount(LABELS[is_held_out]).tolist() == [10, 4, 1]


def test_a_small_class_gives_at_least_one() -> None:
    assert np.bincount(LABELS[hold_out(LABELS, SINGLE, 0.05, 0)]).tolist() == [2, 1, 1]


def test_the_seed_decides() -> None:
    first = hold_out(LABELS, SINGLE, 0.2, 0)
    assert (first == hold_out(LABELS, SINGLE, 0.2, 0)).all()
    assert (first != hold_out(LABELS, SINGLE, 0.2, 1)).any()


@pytest.mark.parametrize("seed", range(5))
def test_copies_stay_on_one_side(seed: int) -> None:
    groups = SINGLE.copy()
    groups[40:60:2] = groups[41:61:2]  # pairs; those from 50 on are of class 1
    groups[50] = groups[10]  # a copy in another class
    is_held_out = hold_out(LABELS, groups, 0.3, seed)
    for group in np.unique(groups):
        assert len(set(is_held_out[groups == group])) == 1
    assert is_held_out.any()


@pytest.mark.parametrize("seed", range(5))
def test_folds_are_even_in_each_class(seed: int) -> None:
    fold = deal(LABELS, SINGLE, 5, seed)
    for label in range(3):
        counts = np.bincount(fold[label == LABELS], minlength=5)
        assert counts.max() - counts.min() <= 1


def test_copies_share_a_fold() -> None:
    groups = SINGLE.copy()
    groups[:10] = 0
    assert len(set(deal(LABELS, groups, 5, 0)[:10])) == 1


def test_a_class_of_copies_is_dealt_image_by_image() -> None:
    groups = SINGLE.copy()
    groups[70:] = 70
    assert sorted(deal(LABELS, groups, 5, 0)[70:]) == [0, 1, 2, 3, 4]
