"""Handwritten digits as image files: what the demo network learns, and what it is tried on.

scikit-learn ships 1,797 of them (Alpaydin & Kaynak, UCI), 8 x 8 pixels, 17 shades of grey. Here
they become PNG and JPEG files, so that training goes through the code that serves.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from tools.packages import require

NAMES = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
_HELD_OUT = 5  # every fifth image
_SIDE = 64

Pixels = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class Digit:
    """An image file and the number on it, 0 to 9."""

    data: bytes
    value: int


def training_digits(random: np.random.Generator) -> list[Digit]:
    """Each training digit once, varied anew at every call.

    Rotated, shifted, scaled and slanted a little, dark on light or light on dark, PNG or JPEG.
    """
    return [
        Digit(_encode(_vary(pixels, random), random.random() < 0.5), value)
        for pixels, value in _digits(held_out=False)
    ]


def held_out_digits() -> list[Digit]:
    """The digits that training never sees, as they are: light on dark, PNG, 64 x 64."""
    return [
        Digit(_encode(_enlarge(pixels), as_jpeg=False), value)
        for pixels, value in _digits(held_out=True)
    ]


def _digits(*, held_out: bool) -> Sequence[tuple[Pixels, int]]:
    require("train", "sklearn")
    from sklearn.datasets import load_digits  # noqa: PLC0415  (not every environment has it)

    data = load_digits()
    pixels = (data.images * 255 / 16).round().astype(np.uint8)
    return [
        (pixels[index], int(value))
        for index, value in enumerate(data.target)
        if (index % _HELD_OUT == 0) == held_out
    ]


def _enlarge(pixels: Pixels) -> Pixels:
    return cv2.resize(pixels, (_SIDE, _SIDE), interpolation=cv2.INTER_CUBIC).astype(np.uint8)


def _vary(pixels: Pixels, random: np.random.Generator) -> Pixels:
    angle, slant = random.uniform(-0.2, 0.2, 2)
    across, down = random.uniform(0.8, 1.1, 2)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    matrix = turn @ np.array([[across, slant], [0, down]])
    centre = np.full(2, _SIDE / 2)
    shift = centre - matrix @ centre + random.uniform(-4, 4, 2)
    affine = np.column_stack([matrix, shift])
    moved = cv2.warpAffine(_enlarge(pixels), affine, (_SIDE, _SIDE)).astype(np.uint8)
    return np.invert(moved) if random.random() < 0.5 else moved


def _encode(pixels: Pixels, as_jpeg: bool) -> bytes:
    _, data = cv2.imencode(".jpg" if as_jpeg else ".png", pixels)
    return data.tobytes()
