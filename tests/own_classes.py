"""Folders of images with classes, and a small network to train on: all made here, from a seed.

The base is no real network: its embedding is the image itself, 16 x 16 pixels. That suffices for
digits and plain colours, and a test needs milliseconds.
"""

from collections.abc import Iterable
from pathlib import Path

import cv2
import numpy as np

from classifier.image.preprocessing import Preprocessing

SIDE = 16
# BGR, as OpenCV writes them.
COLORS = {"blue": (220, 60, 40), "green": (50, 200, 60), "red": (40, 50, 220)}


def write_base(folder: Path) -> Path:
    """The bundle of the base, in ``folder``."""
    from classifier.model.lean_mxnet import mx
    from tools.model.mxnet_files import params_file
    from tools.model.new_bundle import NewBundle

    stride = 2
    pooled = mx.sym.Pooling(
        mx.sym.Variable("data"),
        kernel=(stride, stride),
        stride=(stride, stride),
        pool_type="avg",
        name="pool",
    )
    embedding = mx.sym.Flatten(pooled, name="flatten0")
    symbol = mx.sym.FullyConnected(embedding, num_hidden=2, name="dense0")
    arguments = {
        "dense0_weight": np.zeros((2, 3 * SIDE * SIDE), np.float32),
        "dense0_bias": np.zeros(2, np.float32),
    }
    NewBundle(
        name="pixels",
        version="1",
        preprocessing=Preprocessing(
            size=stride * SIDE,
            resize=stride * SIDE,
            fit="squash",
            scale=1 / 255,
            mean=(0.5,) * 3,
            std=(0.5,) * 3,
        ),
        probabilities=False,
        source="made by a test",
        symbol=symbol.tojson().encode(),
        params=params_file(arguments, {}),
        labels=b"a\nb\n",
        licence="Apache-2.0",
        embedding="flatten0_output",
        features="pool_output",
    ).write(folder)
    return folder


def pattern(color: Iterable[float], seed: int) -> np.ndarray:
    """(48, 64, 3) uint8, BGR: a random pattern in about this colour; another one for each seed."""
    random = np.random.default_rng(seed)
    coarse = random.normal(size=(6, 8, 3)) * 45 + np.array(tuple(color))
    pixels = cv2.resize(coarse, (64, 48), interpolation=cv2.INTER_CUBIC)
    return np.clip(pixels, 0, 255).astype(np.uint8)


def write_colors(folder: Path, count: int | dict[str, int] = 10, first_seed: int = 0) -> Path:
    """``folder/<color>/000.png`` and so on; count: of each class, or by its name."""
    counts = count if isinstance(count, dict) else dict.fromkeys(COLORS, count)
    for index, (name, number) in enumerate(counts.items()):
        (folder / name).mkdir(parents=True)
        for image in range(number):
            pixels = pattern(COLORS[name], first_seed + 1000 * index + image)
            cv2.imwrite(str(folder / name / f"{image:03}.png"), pixels)
    return folder


def write_digits(folder: Path) -> Path:
    """scikit-learn's 1,797 handwritten digits, ``folder/<digit>/0000.png``."""
    from sklearn.datasets import load_digits  # not before MXNet: mx.nd.array warns of SciPy

    digits = load_digits()
    for number, (pixels, digit) in enumerate(zip(digits.images, digits.target, strict=True)):
        to = folder / str(digit) / f"{number:04}.png"
        to.parent.mkdir(parents=True, exist_ok=True)
        large = cv2.resize((pixels * 255 / 16).astype(np.uint8), (64, 64))
        cv2.imwrite(str(to), large)
    return folder
