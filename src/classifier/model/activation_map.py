"""Class activation maps: where in an image the evidence for a label is (Zhou et al., 2016).

The last layer of these networks multiplies the average of each channel of the last feature map with
a weight. So the sum of the channels, each times its weight, is the evidence cell by cell. Its
average and the label's bias are the label's logit. https://arxiv.org/abs/1512.04150
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from math import floor, log10
from typing import Any

import numpy as np
import numpy.typing as npt

from classifier.image.rectangle import Rectangle
from classifier.model.last_layer import Weights

# Of the largest number of a map.
_SIGNIFICANT_DIGITS = 4


@dataclass(frozen=True)
class Evidence:
    """What the maps of one image are made of.

    Attributes:
        features: (channels, height, width) float32, the last feature map.
        weights: (classes, channels) float32, of the last layer.
        rectangle: What the network saw of the image.
    """

    features: npt.NDArray[np.float32]
    weights: Weights
    rectangle: Rectangle

    def maps(self, classes: Sequence[int]) -> list[dict[str, Any]]:
        """The map of each of ``classes`` as responses have it."""
        channels, *sides = self.features.shape
        cells = self.weights[list(classes)] @ self.features.reshape(channels, -1)
        rectangle = asdict(self.rectangle)
        return [
            _rounded(grid) | {"rectangle": rectangle}
            for grid in cells.reshape(len(classes), *sides).astype(np.float64)
        ]


def _rounded(grid: npt.NDArray[np.float64]) -> dict[str, Any]:
    largest = float(np.abs(grid).max())
    decimals = _SIGNIFICANT_DIGITS - 1 - (floor(log10(largest)) if largest else 0)
    values = [[round(number, decimals) for number in row] for row in grid.tolist()]
    return {
        "values": values,
        "minimum": min(map(min, values)),
        "maximum": max(map(max, values)),
    }
