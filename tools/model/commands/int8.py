"""The int8 bundle of a float32 one: what `quantize` and `fetch --int8` share."""

from dataclasses import replace
from pathlib import Path

import click
from rich.console import Console

from classifier.model.bundle import Bundle
from classifier.model.labels import IMAGENET_LABELS, parse_labels
from tools.errors import ToolError
from tools.model.comparison import Calibration, compare
from tools.model.crops import crops
from tools.model.files import open_folder, read_file
from tools.model.images import Image, find_images
from tools.model.new_folder import refuse_existing
from tools.model.quantize import quantize, split
from tools.model.terminal import print_written, progress

MIN_AGREEMENT = 0.85
# A crop shows less clearly what it is than a photograph does. EfficientNet-Lite0's int8 agrees on
# 97.9 % of 145 photographs, and on 41 of 48 crops here, 43 elsewhere, which suffices. MobileNetV2's
# agrees on 75 % of the crops, and photographs calibrate it better: 95.0 % of 80 others instead of
# 91.2 %.
_MIN_AGREEMENT_CROPS = 0.8
# The images are halved. With 32 that calibrated it, SqueezeNet's int8 kept 96.5 % of 967 first
# labels. Of 32 that judge, one is 3 % of the agreement.
_ENOUGH = 64
# With more crops of the same two photographs the result stays the same.
_CROPS = 96


def make_int8(
    folder: Path,
    to: Path,
    images: Path | None,
    *,
    method: str = "naive",
    min_agreement: float | None = None,
    force: bool = False,
) -> None:
    """Write the int8 bundle of the one in ``folder`` into ``to``, and print how they compare.

    images: a folder of them; None: crops of scikit-learn's photographs, for a network of ImageNet.
    min_agreement: 0..1; by default MIN_AGREEMENT, and less for crops.

    Raises ToolError: ``to`` is not empty, there are no images for this network, or fewer than
    ``min_agreement`` of the images keep their first label and ``force`` is not set.
    """
    refuse_existing(to)
    if min_agreement is None:
        min_agreement = MIN_AGREEMENT if images else _MIN_AGREEMENT_CROPS
    bundle = open_folder(folder)
    every, title = _images(bundle, images)
    calibrating, held_out = split(every)
    if len(every) < _ENOUGH:
        click.echo(
            f"Warning: {len(every)} images are few: {len(calibrating)} calibrate, and"
            f" {len(held_out)} judge; the agreement says little. Use {_ENOUGH} or more.",
            err=True,
        )
    labels = read_file(folder / bundle.manifest.files["labels"].key)
    with progress() as bar:
        reading = bar.add_task(
            f"reading {len(calibrating)} images that calibrate", total=len(calibrating)
        )

        def advance() -> None:
            bar.advance(reading)
            if bar.tasks[reading].finished:
                bar.add_task(f"finding the ranges of the layers ({method})", total=None)

        int8 = quantize(bundle, labels, calibrating, method=method, advance=advance)
        task = bar.add_task(f"comparing on {len(held_out)} others", total=2 * len(held_out))
        calibration = Calibration(method, len(calibrating), title)
        comparison = compare(bundle, int8, calibration, held_out, lambda: bar.advance(task))
    Console().print(comparison.table())
    if comparison.agreement < min_agreement and not force:
        raise ToolError(
            f"only {comparison.agreement:.1%} of the held-out images keep their"
            f" {comparison.criterion},"
            f" {min_agreement:.1%} should; nothing was written (--force writes it all the same)"
        )
    print_written(to, replace(int8, notes={"quantization": comparison.note()}).write(to))


def _images(bundle: Bundle, folder: Path | None) -> tuple[list[Image], str]:
    """The images, and what they are."""
    if folder is not None:
        return list(find_images(folder, bundle.labels)), "images of --images"
    if bundle.labels != parse_labels(IMAGENET_LABELS.read_bytes(), str(IMAGENET_LABELS)):
        raise ToolError(
            f"{bundle.manifest.name}: its classes are not ImageNet's, so it needs images like those"
            " to come; name their folder with --images"
        )
    return crops(_CROPS), "crops of scikit-learn's two photographs"
