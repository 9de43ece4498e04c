"""The proof that an imported network answers as ONNX Runtime does, with the function's own code."""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt
from onnx import ModelProto

from classifier.image.preprocessing import Preprocessing
from classifier.image.tensor import Tensor
from classifier.model.activation import ACTIVATIONS
from classifier.model.labels import Probabilities
from tools.errors import ToolError
from tools.model.new_bundle import NewBundle
from tools.model.onnx.convert import Network
from tools.model.onnx.graph import Graph
from tools.model.onnx.image_input import ImageInput
from tools.model.onnx.layers import first_difference
from tools.model.onnx.runtime import Session

# Probabilities may differ by so much, and by so much of the largest: untrained networks give every
# class the same small one.
TOLERANCE = 1e-4
RELATIVE_TOLERANCE = 1e-2
# More than a batch of the function, so that batches and single images are both tried.
_RANDOM_IMAGES = 6
_SEED = 17


def random_images(preprocessing: Preprocessing) -> list[Tensor]:
    """Noise, and smooth patches of colour, as tensors (3, size, size); always the same."""
    random = np.random.default_rng(_SEED)
    size = preprocessing.size
    scale = np.float32(preprocessing.scale)
    mean, std = (
        np.array(numbers, np.float32)[:, np.newaxis, np.newaxis]
        for numbers in (preprocessing.mean, preprocessing.std)
    )
    images = []
    for number in range(_RANDOM_IMAGES):
        patches = size if number % 2 == 0 else 4 + number
        coarse = random.integers(0, 256, (patches, patches, 3)).astype(np.float32)
        pixels = cv2.resize(coarse, (size, size), interpolation=cv2.INTER_LINEAR)
        images.append(((pixels.transpose(2, 0, 1) * scale - mean) / std).astype(np.float32))
    return images


@dataclass(frozen=True)
class Imported:
    """An exported model, whose input has a fixed shape, and what became of it."""

    model: ModelProto
    image: ImageInput
    graph: Graph
    network: Network


def prove(imported: Imported, bundle: NewBundle, images: Sequence[Tensor]) -> float:
    """The largest difference of a probability, over ``images``, (3, size, size) each.

    bundle: the bundle of ``imported``.

    Raises ToolError, which names the first layer that differs. BundleError: the labels do not fit.
    """
    ours = bundle.model().classify(images)  # first: it says what is wrong with the labels
    theirs = _their_probabilities(imported, bundle, images)
    difference = float(np.abs(ours - theirs).max())
    allowed = min(TOLERANCE, RELATIVE_TOLERANCE * float(theirs.max()))
    if difference <= allowed:
        return difference
    batch = _batched(images, imported.image.batch)[0]
    layer = first_difference(imported.graph, imported.network, imported.image, batch)
    raise ToolError(
        f"probabilities differ from ONNX Runtime's by {difference:.2g}, and may by {allowed:.2g};"
        f" {layer}. Nothing was written; please report it with the file"
    )


def _their_probabilities(
    imported: Imported, bundle: NewBundle, images: Sequence[Tensor]
) -> Probabilities:
    image = imported.image
    session = Session(imported.model)
    outputs = [
        session.run(image.arranged(group))[0].reshape(image.batch, -1)
        for group in _batched(images, image.batch)
    ]
    result = np.concatenate(outputs)[: len(images)]
    if not np.isfinite(result).all():
        raise ToolError(
            "the network gives NaN or infinity; train it again, or export it as float32"
        )
    return result if bundle.probabilities else ACTIVATIONS[bundle.activation](result)


def _batched(images: Sequence[Tensor], batch: int) -> list[npt.NDArray[np.float32]]:
    """``images`` in groups of ``batch``; the last one is filled up with the first image."""
    filled = [*images, *[images[0]] * (-len(images) % batch)]
    return [np.stack(filled[at : at + batch]) for at in range(0, len(filled), batch)]
