"""Images that are there twice: the same bytes, or nearly the same picture.

Two images are nearly the same where their thumbnails, 16 x 16 pixels, correlate by 0.99 or more.
Measured: 130 photographs of ants and bees correlate by at most 0.87, each with its copy at 60 % of
the size and JPEG quality 60 by at least 0.993. Of 1,797 handwritten digits, six pairs do.
A copy without 5 % of its border correlates by 0.87 (median): such copies stay hidden.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from tools.model.groups import Groups, Indices, join, sets
from tools.model.tiles import Rows, near_pairs
from tools.model.training.features import Features, Thumbnails

# So far thumbnails of copies correlate, at least.
NEARLY = 0.99
# Below this deviation, in grey levels, an image is one colour: its thumbnail tells nothing.
_FLAT = 4.0
# Images of a fixed camera are all nearly the same. Then this tells no duplicates.
_MAX_SHARE = 0.5


@dataclass(frozen=True)
class Duplicates:
    """groups: of all images. alike: classes whose images are too much alike to tell copies."""

    groups: Groups
    alike: tuple[int, ...]

    def sets(self) -> list[list[int]]:
        """The indices of each group of two or more images."""
        return sets(self.groups)


def find_duplicates(features: Features) -> Duplicates:
    """Which of the images are the same, or nearly so; mirrored ones too, within a class."""
    labels = features.labels
    first: dict[bytes, int] = {}
    same = np.array([first.setdefault(each, at) for at, each in enumerate(features.digests)], int)
    groups = same
    for left, right in _near_pairs(features.thumbnails, labels):
        groups = join(groups, left, right)
    different = np.array(list(first.values()))  # one image of each content
    alike = []
    for label in range(labels.max(initial=-1) + 1):
        members = groups[different[labels[different] == label]]
        if len(members) > 3 and np.unique(members, return_counts=True)[1].max() > max(
            2, _MAX_SHARE * len(members)
        ):
            alike.append(label)
    if alike:
        groups = same
        is_alike = np.isin(labels, alike)
        for left, right in _near_pairs(features.thumbnails, labels):
            is_copy = ~is_alike[left] & ~is_alike[right]
            groups = join(groups, left[is_copy], right[is_copy])
    return Duplicates(groups, tuple(alike))


def _near_pairs(thumbnails: Thumbnails, labels: Groups) -> Iterator[tuple[Indices, Indices]]:
    """Indices of images whose thumbnails correlate, and of their partners."""
    vectors = correlating(thumbnails)
    yield from near_pairs(vectors, vectors, NEARLY)
    # A mirrored arrow is another class, and no copy.
    for left, right in near_pairs(vectors, correlating(thumbnails[:, :, ::-1]), NEARLY):
        is_same = labels[left] == labels[right]
        yield left[is_same], right[is_same]


def correlating(thumbnails: Thumbnails) -> Rows:
    """Vectors, (n, numbers), whose product is the correlation of two thumbnails.

    That of one colour is zeros: it correlates with none.
    """
    vectors = thumbnails.reshape(len(thumbnails), -1).astype(np.float32)
    vectors -= vectors.mean(axis=1, keepdims=True)
    is_flat = vectors.std(axis=1) < _FLAT
    vectors /= np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-6)
    vectors[is_flat] = 0
    return vectors
