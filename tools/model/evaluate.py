"""How often a bundle is right: top-1 and top-5 over images whose names tell their class."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from classifier.model.labels import Probabilities
from classifier.model.network import Model
from tools.errors import ToolError
from tools.model.images import Image, ImageFile, find_images, tensors


@dataclass(frozen=True)
class Score:
    """How often the class of an image was the most probable one, or among the best five.

    images: how many were classified. top1, top5: fractions of them, 0..1.
    """

    images: int
    top1: float
    top5: float


def labelled_images(folder: Path, model: Model) -> list[ImageFile]:
    """The images in ``folder``, each with its class. Raises ToolError: one has none."""
    images = find_images(folder, model.labels)
    unlabelled = [image for image in images if image.answer is None]
    if unlabelled:
        rest = f" and {len(unlabelled) - 1} more" if len(unlabelled) > 1 else ""
        raise ToolError(
            f"{unlabelled[0].path}{rest}: the name has no class of the bundle's labels;"
            " it should be <class id>_*.jpg or <class id>/*.jpg"
        )
    return images


def probabilities(
    model: Model, images: Sequence[Image], advance: Callable[[], None]
) -> Probabilities:
    """The probabilities of ``images``, (n, classes) float32; one at a time, as they are served.

    advance: called after each image. Raises ToolError, which names an image.
    """
    stream = tensors(images, model.manifest.input, advance)
    return np.concatenate([model.classify([tensor]) for tensor in stream])


def score(results: Probabilities, images: Sequence[Image]) -> Score:
    """Compare ``results``, (n, classes), with the classes of ``images``."""
    ranked = np.argsort(-results, axis=1, kind="stable")[:, :5]
    right = ranked == np.array([[image.answer] for image in images])
    return Score(len(images), float(right[:, 0].mean()), float(right.any(axis=1).mean()))
