"""How often a bundle is right: top-1 and top-5 over pictures whose names tell their class."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from classifier.model import Model, Probabilities
from modeltool.errors import ToolError
from modeltool.pictures import Picture, find_pictures, tensors


@dataclass(frozen=True)
class Score:
    """How often the class of a picture was the most probable one, or among the best five.

    images: how many were classified. top1, top5: fractions of them, 0..1.
    """

    images: int
    top1: float
    top5: float


def labelled_pictures(folder: Path, model: Model) -> list[Picture]:
    """The pictures in ``folder``, each with its class. Raises ToolError: one has none."""
    pictures = find_pictures(folder, model.labels)
    strangers = [picture for picture in pictures if picture.answer is None]
    if strangers:
        rest = f" and {len(strangers) - 1} more" if len(strangers) > 1 else ""
        raise ToolError(
            f"{strangers[0].path}{rest}: the name tells no class of the bundle's labels;"
            " it should be <class id>_*.jpg or <class id>/*.jpg"
        )
    return pictures


def probabilities(
    model: Model, pictures: Sequence[Picture], advance: Callable[[], None]
) -> Probabilities:
    """What ``model`` answers, (n, classes) float32; one picture at a time, as it is served.

    advance: called after each picture. Raises ToolError, which names a picture's file.
    """
    stream = tensors(pictures, model.manifest.input, advance)
    return np.concatenate([model.classify([tensor]) for tensor in stream])


def score(answers: Probabilities, pictures: Sequence[Picture]) -> Score:
    """Hold ``answers``, (n, classes), against the classes of ``pictures``."""
    ranked = np.argsort(-answers, axis=1, kind="stable")[:, :5]
    right = ranked == np.array([[picture.answer] for picture in pictures])
    return Score(len(pictures), float(right[:, 0].mean()), float(right.any(axis=1).mean()))
