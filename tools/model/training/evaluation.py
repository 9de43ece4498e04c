"""How good the probabilities of images are that were not trained with."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from classifier.model.labels import Probabilities
from tools.model.training.features import Labels

# Of a normal distribution: 95 % lie within so many deviations.
_Z = 1.959964
_BINS = 10
MINIMA = (0.5, 0.7, 0.8, 0.9, 0.95, 0.99)


@dataclass(frozen=True)
class Share:
    """``right`` of ``images``, and the interval that holds the true share with 95 %."""

    right: int
    images: int

    @property
    def value(self) -> float:
        """0..1; 0 where there are no images."""
        return self.right / self.images if self.images else 0.0

    @property
    def interval(self) -> tuple[float, float]:
        """Wilson's: it holds for few images and for shares near 1, too."""
        if not self.images:
            return 0.0, 1.0
        n, p = self.images, self.value
        middle = (p + _Z**2 / (2 * n)) / (1 + _Z**2 / n)
        half = _Z / (1 + _Z**2 / n) * math.sqrt(p * (1 - p) / n + _Z**2 / (4 * n * n))
        return max(middle - half, 0.0), min(middle + half, 1.0)


@dataclass(frozen=True)
class ClassScore:
    """trained: images that trained it.

    recall: how many of its images get its name. precision: how many that get its name are its own.
    """

    name: str
    trained: int
    recall: Share
    precision: Share


@dataclass(frozen=True)
class Bin:
    """Images whose first label has about the same probability; probability is their mean."""

    probability: float
    share: Share


@dataclass(frozen=True)
class Minimum:
    """What ``min_probability`` does: which share gets an answer, and which part of it is right."""

    probability: float
    answered: Share
    right: Share


@dataclass(frozen=True)
class Evaluation:
    """Of the held-out images. confusion: rows are the true classes, columns the answers."""

    accuracy: Share
    classes: tuple[ClassScore, ...]
    confusion: npt.NDArray[np.int64]
    bins: tuple[Bin, ...]
    minima: tuple[Minimum, ...]

    @property
    def calibration_error(self) -> float:
        """The mean distance between probability and share of right answers, 0..1."""
        total = sum(each.share.images for each in self.bins)
        gaps = (abs(each.probability - each.share.value) * each.share.images for each in self.bins)
        return sum(gaps) / total if total else 0.0

    def confusions(self) -> list[tuple[int, str, str]]:
        """How often images of one class got another's name, most frequent first."""
        names = [each.name for each in self.classes]
        pairs = [
            (int(self.confusion[true, answer]), names[true], names[answer])
            for true, answer in np.argwhere(self.confusion)
            if true != answer
        ]
        return sorted(pairs, key=lambda pair: (-pair[0], pair[1:]))


def evaluate(
    classes: Sequence[str], trained: Labels, probabilities: Probabilities, labels: Labels
) -> Evaluation:
    """Compare ``probabilities``, (n, classes), with the true ``labels``, (n,).

    trained: the labels of the images that were trained with.
    """
    count = len(classes)
    answers = probabilities.argmax(axis=1)
    confidence = probabilities.max(axis=1)
    is_right = answers == labels
    confusion = np.zeros((count, count), np.int64)
    np.add.at(confusion, (labels, answers), 1)
    sizes = np.bincount(trained, minlength=count)
    scores = [
        ClassScore(
            name,
            int(sizes[index]),
            Share(int(confusion[index, index]), int(confusion[index].sum())),
            Share(int(confusion[index, index]), int(confusion[:, index].sum())),
        )
        for index, name in enumerate(classes)
    ]
    number = np.minimum((confidence * _BINS).astype(int), _BINS - 1)
    bins = [
        Bin(float(confidence[members].mean()), _share(is_right[members]))
        for members in (number == each for each in range(_BINS))
        if members.any()
    ]
    minima = [
        Minimum(minimum, _share(confidence >= minimum), _share(is_right[confidence >= minimum]))
        for minimum in MINIMA
    ]
    return Evaluation(_share(is_right), tuple(scores), confusion, tuple(bins), tuple(minima))


def _share(is_true: npt.NDArray[np.bool_]) -> Share:
    return Share(int(is_true.sum()), len(is_true))


def doubtful(probabilities: Probabilities, labels: Labels) -> list[int]:
    """Indices of images that look wrongly labelled, the most likely ones first.

    probabilities: (n, classes) of networks that were not trained with these very images. A label is
    doubtful where another class is the first, and as probable as it is on average for that
    class's own images (Northcutt et al. 2021, "Confident learning", arxiv.org/abs/1911.00068).
    """
    rows = np.arange(len(labels))
    own = probabilities[rows, labels]
    counts = np.maximum(np.bincount(labels, minlength=probabilities.shape[1]), 1)
    typical = np.bincount(labels, own, minlength=probabilities.shape[1]) / counts
    answers = probabilities.argmax(axis=1)
    best = probabilities[rows, answers]
    is_doubtful = (answers != labels) & (best >= typical[answers])
    order = np.argsort(own - best, kind="stable")
    return [int(index) for index in order if is_doubtful[index]]
