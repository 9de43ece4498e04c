"""Labels: the names of a network's outputs, and which of them an image gets."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from classifier.errors import BundleError, InvalidRequest

if TYPE_CHECKING:  # a bundle's labels are parsed while NumPy is still being imported
    import numpy as np
    import numpy.typing as npt

type Probabilities = npt.NDArray[np.float32]

MAX_TOP_K = 100
IMAGENET_LABELS = Path(__file__).with_name("imagenet_synset.txt")
# A WordNet identifier before a blank, or anything before a tab.
_LABEL = re.compile(r"(?:(n\d{8})\s+|([^\t]*)\t)?(.+)")


@dataclass(frozen=True)
class Label:
    """One line of the label file. ``identifier`` is empty where the line has none."""

    identifier: str
    name: str

    @property
    def class_id(self) -> str:
        """What tells the class: the identifier, or the name where there is none."""
        return self.identifier or self.name


@dataclass(frozen=True)
class Prediction:
    """One label and its probability, 0..1."""

    label: Label
    probability: float

    def describe(self) -> dict[str, Any]:
        """The label as every answer has it; the probability to a millionth."""
        return {
            "class": self.label.class_id,
            "label": self.label.name,
            "probability": round(self.probability, 6),
        }


@dataclass(frozen=True)
class LabelOptions:
    """Which labels of an image are answered, and what besides.

    Attributes:
        top_k: How many at most.
        min_probability: Less probable labels are left out, 0..1.
        embedding: Whether the image's embedding is answered.
        explain: Whether each label gets its class activation map.
    """

    top_k: int = 5
    min_probability: float = 0.0
    embedding: bool = False
    explain: bool = False

    @property
    def needs_layers(self) -> bool:
        """Whether the probabilities alone do not suffice."""
        return self.embedding or self.explain

    @classmethod
    def parse(
        cls, table: Mapping[str, Any], default: Self | None = None, max_top_k: int = MAX_TOP_K
    ) -> Self:
        """The options in ``table``, which may hold other things too.

        Args:
            table: Values as JSON has them.
            default: Holds for options that ``table`` lacks.
            max_top_k: The largest ``top_k`` that is allowed.

        Raises:
            InvalidRequest: an option has the wrong type or size.
        """
        default = default or cls()
        top_k = table.get("top_k", default.top_k)
        if type(top_k) is not int or not 1 <= top_k <= max_top_k:
            raise InvalidRequest(f"'top_k' should be a whole number from 1 to {max_top_k}.")
        minimum = table.get("min_probability", default.min_probability)
        if type(minimum) not in (int, float) or not 0 <= minimum <= 1:
            raise InvalidRequest("'min_probability' should be a number from 0 to 1.")
        switches = {
            name: table.get(name, getattr(default, name)) for name in ("embedding", "explain")
        }
        for name, value in switches.items():
            if type(value) is not bool:
                raise InvalidRequest(f"{name!r} should be true or false.")
        return cls(top_k, float(minimum), **switches)


def parse_labels(data: bytes, where: str) -> tuple[Label, ...]:
    """The labels in ``data``: UTF-8, one a line, in the order of the network's outputs.

    A line is a name alone, a WordNet identifier and a name ("n02123045 tabby, tabby cat"), or
    any identifier, a tab and a name.

    Raises:
        BundleError: a line is empty, or the text is not UTF-8. The message opens with ``where``.
    """
    try:
        lines = data.decode().rstrip().split("\n")
    except UnicodeDecodeError as error:
        raise BundleError(f"{where}: not UTF-8") from error
    labels = []
    for number, line in enumerate(lines, 1):
        match = _LABEL.fullmatch(line.strip())
        if not match:
            raise BundleError(f"{where}: line {number} is empty")
        labels.append(Label(match[1] or match[2] or "", match[3]))
    return tuple(labels)


def top(
    probabilities: "Probabilities", labels: tuple[Label, ...], options: LabelOptions
) -> list[Prediction]:
    """The labels of one image that ``options`` ask for, most probable first.

    Ties stand in the order of the labels.

    Args:
        probabilities: (classes,) float32.
        labels: One for each class.
        options: How many, and how probable.
    """
    return [
        Prediction(labels[index], float(probabilities[index]))
        for index in top_indices(probabilities, options)
    ]


def top_indices(probabilities: "Probabilities", options: LabelOptions) -> list[int]:
    """The places of those labels, in the same order."""
    order = (-probabilities).argsort(kind="stable")[: options.top_k]
    return [int(index) for index in order if probabilities[index] >= options.min_probability]
