"""How good a network of independent classes is: its mean average precision."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from classifier.model.labels import Label, Probabilities

MINIMA = (0.1, 0.3, 0.5, 0.7, 0.9)


@dataclass(frozen=True)
class Minimum:
    """Labels at least as probable as ``min_probability``, over all images and classes together.

    precision: the fraction of them that is right; None where there are none. recall: the fraction
    of the true labels that is among them.
    """

    min_probability: float
    precision: float | None
    recall: float


@dataclass(frozen=True)
class MultilabelScore:
    """average_precision: by class, 0..1, of those that an image has. absent: the other classes."""

    images: int
    average_precision: dict[str, float]
    absent: tuple[str, ...]
    minima: tuple[Minimum, ...]

    @property
    def mean_average_precision(self) -> float:
        """Every class counts the same, however many images it has."""
        return float(np.mean(list(self.average_precision.values())))

    def describe(self) -> dict[str, Any]:
        """The score as JSON has it."""
        return {
            "images": self.images,
            "mean_average_precision": self.mean_average_precision,
            "average_precision": self.average_precision,
            "absent": list(self.absent),
            "min_probability": [vars(each) for each in self.minima],
        }


def multilabel_score(
    results: Probabilities, has: npt.NDArray[np.bool_], labels: Sequence[Label]
) -> MultilabelScore:
    """Compare ``results`` with ``has``, the truth, both (images, classes).

    At least one image should have a label.
    """
    from sklearn.metrics import average_precision_score  # noqa: PLC0415  (it takes a second)

    is_present = has.any(axis=0)
    return MultilabelScore(
        images=len(results),
        average_precision={
            labels[index].class_id: float(average_precision_score(has[:, index], results[:, index]))
            for index in np.flatnonzero(is_present)
        },
        absent=tuple(labels[index].class_id for index in np.flatnonzero(~is_present)),
        minima=tuple(_minimum(results, has, minimum) for minimum in MINIMA),
    )


def _minimum(results: Probabilities, has: npt.NDArray[np.bool_], minimum: float) -> Minimum:
    is_answered = results >= minimum
    answered, right = int(is_answered.sum()), int((is_answered & has).sum())
    return Minimum(minimum, right / answered if answered else None, right / int(has.sum()))
