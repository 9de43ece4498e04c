"""The layers before a network's last one: its embedding, and the feature map that this averages."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from classifier.errors import BundleError, InvalidRequest
from classifier.model.labels import LabelOptions, Probabilities
from classifier.model.lean_mxnet import mx
from classifier.model.manifest import Output

type Embedding = npt.NDArray[np.float32]
type Features = npt.NDArray[np.float32]

# A number of an embedding or a map takes at most 12 bytes of JSON. So many leave more than 1 MB of
# Lambda's 6 MB for the labels. 16 images with an embedding of 1,280 and 100 maps of 7 x 7 are a
# quarter of it.
MAX_NUMBERS = 400_000
# Range, rectangle and names of a map take as many bytes as so many numbers.
_NUMBERS_OF_A_MAP = 15
# Of an embedding's length, which is 1: float32 is no more precise.
_EMBEDDING_DECIMALS = 7


class Outputs(NamedTuple):
    """What a network gives for n images.

    probabilities: (n, classes) float32. embeddings: (n, length) float32; None: there are none.
    features: (n, channels, height, width) float32; None: there are none.
    """

    probabilities: Probabilities
    embeddings: Embedding | None = None
    features: Features | None = None


@dataclass(frozen=True)
class Sizes:
    """What a network gives for one image.

    Attributes:
        classes: Number of probabilities.
        embedding: Length of the embedding; 0: there is none.
        map: Height and width of a class activation map; None: there is none.
        channels: Of the feature map that it is made of.
    """

    classes: int
    embedding: int = 0
    map: tuple[int, int] | None = None
    channels: int = 0

    def describe(self) -> dict[str, Any]:
        """The members of ``/health`` that tell what may be asked for."""
        members: dict[str, Any] = {"embedding": self.embedding} if self.embedding else {}
        return members | (
            {"map": {"height": self.map[0], "width": self.map[1]}} if self.map else {}
        )

    def numbers(self, options: LabelOptions) -> int:
        """How many numbers the embedding and the maps of one image hold, at most."""
        embedding = self.embedding if options.embedding else 0
        if not self.map or not options.explain:
            return embedding
        cells = self.map[0] * self.map[1] + _NUMBERS_OF_A_MAP
        return embedding + min(options.top_k, self.classes) * cells

    def check(self, images: Iterable[LabelOptions]) -> None:
        """Check the options of all images of a request.

        Raises:
            InvalidRequest: the network does not have what they ask for, or it is too much for one
                response.
        """
        images = list(images)
        if not self.embedding and any(options.embedding for options in images):
            raise InvalidRequest("'embedding' is not possible: this model has none.")
        if not self.map and any(options.explain for options in images):
            raise InvalidRequest("'explain' is not possible: this model has no maps.")
        numbers = sum(self.numbers(options) for options in images)
        if numbers > MAX_NUMBERS:
            raise InvalidRequest(
                f"The embeddings and maps hold up to {numbers} numbers; at most {MAX_NUMBERS} fit "
                "into a response. Lower 'top_k', or send fewer images at once."
            )


def with_layers(symbol: Any, output: Output, file: str) -> Any:
    """``symbol`` with the embedding and the features that ``output`` names as further outputs.

    Raises:
        BundleError: the graph lacks one of them.
    """
    names = [name for name in (output.embedding, output.features) if name]
    if not names:
        return symbol
    internals = symbol.get_internals()
    missing = set(names) - set(internals.list_outputs())
    if missing:
        raise BundleError(f"{file}: it has no output called {min(missing)!r}")
    return mx.sym.Group([symbol, *(internals[name] for name in names)])


def sizes(shapes: Sequence[tuple[int, ...]], output: Output) -> Sizes:
    """The sizes of a network whose outputs, those of ``with_layers``, have these ``shapes``."""
    classes, *others = shapes
    embedding = math.prod(others.pop(0)[1:]) if output.embedding else 0
    features = others.pop(0) if output.features else ()
    if len(features) != 4:
        return Sizes(int(classes[1]), embedding)
    _, channels, height, width = features
    return Sizes(int(classes[1]), embedding, (height, width), channels)


def normalise(embedding: Embedding) -> list[float]:
    """``embedding``, (length,), scaled to length 1 and rounded; all zeros stay zeros."""
    numbers = embedding.astype(np.float64)
    rounded: list[float] = np.round(
        numbers / (np.linalg.norm(numbers) or 1.0), _EMBEDDING_DECIMALS
    ).tolist()
    return rounded
