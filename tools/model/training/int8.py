"""Whether int8 is worth it for a network of own classes."""

import shlex
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from tools.errors import ToolError
from tools.model.comparison import Calibration, Comparison, compare
from tools.model.files import open_folder
from tools.model.images import ImageFile
from tools.model.new_bundle import NewBundle
from tools.model.quantize import quantize
from tools.model.training.evaluation import Share
from tools.model.training.folder import Sample
from tools.model.training.report import Int8

# More of them take time and change nothing.
_CALIBRATION = 128
_COMPARED = 100
# Of the held-out images, as many must keep their first label.
MIN_AGREEMENT = 0.95


def steps(trained: int, held_out: int) -> int:
    """How often ``try_int8`` advances."""
    return min(trained, _CALIBRATION) + 2 * min(held_out, _COMPARED)


def try_int8(
    bundle: NewBundle,
    train: Sequence[Sample],
    held_out: Sequence[Sample],
    seed: int,
    advance: Callable[[], None],
) -> Int8:
    """Make ``bundle`` int8 with images of ``train``, and compare both on ``held_out``.

    The int8 bundle is not kept. advance: called ``steps`` times.
    """
    if not held_out:
        return Int8(failure="no images judge it")
    random = np.random.default_rng(seed)
    calibrate = _some(train, _CALIBRATION, random)
    judge = _some(held_out, _COMPARED, random)
    try:
        with TemporaryDirectory() as folder:
            to = Path(folder) / "bundle"
            bundle.write(to)
            float32 = open_folder(to)
        int8 = quantize(float32, bundle.labels, calibrate, method="naive", advance=advance)
        note = Calibration("naive", len(calibrate), "images that trained")
        return _result(compare(float32, int8, note, judge, advance))
    except ToolError as error:
        return Int8(failure=str(error).partition("\n")[0])


def offer(int8: Int8, folder: Path, images: Path) -> Int8:
    """``int8`` with the command that makes it, where it agrees with float32 and is faster."""
    if int8.failure or int8.agreement.value < MIN_AGREEMENT or int8.speedup <= 1:
        return int8
    words = ["scripts/model.py", "quantize", str(folder), "--images", str(images)]
    words += ["--to", f"{folder}-int8"]
    return replace(int8, command=shlex.join(words))


def _some(samples: Sequence[Sample], most: int, random: np.random.Generator) -> list[ImageFile]:
    chosen = random.permutation(len(samples))[:most]
    return [ImageFile(samples[index].path, samples[index].label) for index in chosen]


def _result(comparison: Comparison) -> Int8:
    count = comparison.held_out_images
    score = comparison.int8.score
    return Int8(
        agreement=Share(round(comparison.agreement * count), count),
        accuracy=Share(round(score.top1 * count) if score else 0, count),
        speedup=comparison.float32.ms / comparison.int8.ms,
    )
