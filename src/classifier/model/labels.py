"""Labels: the names of a network's outputs, and which of them an image gets."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from classifier.errors import BundleError

if TYPE_CHECKING:  # a bundle's labels are read while NumPy is still being imported
    import numpy as np
    import numpy.typing as npt

type Probabilities = npt.NDArray[np.float32]

IMAGENET_LABELS = Path(__file__).with_name("imagenet_synset.txt")
# A WordNet identifier before a blank, or anything before a tab.
_LABEL = re.compile(r"(?:(n\d{8})\s+|([^\t]*)\t)?(.+)")


@dataclass(frozen=True)
class Label:
    """One line of the label file; ``identifier`` is empty where the line has none."""

    identifier: str
    name: str


@dataclass(frozen=True)
class Prediction:
    """One label and its probability, 0..1."""

    label: Label
    probability: float


def parse_labels(data: bytes, where: str) -> tuple[Label, ...]:
    """The labels in ``data``: UTF-8, one a line, in the order of the network's outputs.

    A line is a name alone, a WordNet identifier and a name ("n02123045 tabby, tabby cat"), or
    any identifier, a tab and a name.

    Raises BundleError, which opens with ``where``.
    """
    try:
        lines = data.decode().rstrip().split("\n")
    except UnicodeDecodeError as error:
        raise BundleError(f"{where}: not UTF-8") from error
    labels = []
    for number, line in enumerate(lines, 1):
        found = _LABEL.fullmatch(line.strip())
        if not found:
            raise BundleError(f"{where}: line {number} is empty")
        labels.append(Label(found[1] or found[2] or "", found[3]))
    return tuple(labels)


def top(
    probabilities: Probabilities,
    labels: tuple[Label, ...],
    count: int,
    min_probability: float = 0.0,
) -> list[Prediction]:
    """The ``count`` most probable labels of one image, (classes,) float32, best first.

    Labels below ``min_probability`` are left out; ties stand in the order of the labels.
    """
    best = (-probabilities).argsort(kind="stable")[:count]
    return [
        Prediction(labels[index], float(probabilities[index]))
        for index in best
        if probabilities[index] >= min_probability
    ]
