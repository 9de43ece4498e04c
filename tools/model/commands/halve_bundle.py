"""`half`: a bundle with half the bytes."""

from dataclasses import asdict, replace
from pathlib import Path

import click

from tools.errors import ToolError
from tools.model.files import open_folder, read_file
from tools.model.half import compare, halve
from tools.model.images import find_images
from tools.model.new_folder import refuse_existing
from tools.model.options import PATH, images_option, to_option
from tools.model.terminal import print_written, progress

# Of 16 bits eleven are digits: the answers of ResNet-18 and EfficientNet-Lite0 differ by less.
_MAX_DIFFERENCE = 0.01


@click.command()
@click.argument("folder", type=PATH)
@images_option
@to_option
@click.option("--force", is_flag=True, help="Write the bundle even where answers differ.")
def command(folder: Path, images: Path, to: Path, *, force: bool) -> None:
    """Store the parameters of the float32 bundle in FOLDER in half precision.

    A start-up downloads half as much, and computes in float32 as before. The images show whether
    the answers agree: each should keep its first label, and no probability differ by more than
    0.01. What they show is kept in the manifest.
    """
    refuse_existing(to)
    bundle = open_folder(folder)
    half = halve(bundle, read_file(folder / bundle.manifest.files["labels"].key))
    files = find_images(images, bundle.labels)
    with progress() as bar:
        task = bar.add_task("comparing", total=2 * len(files))
        agreement = compare(bundle, half, files, lambda: bar.advance(task))
    report = (
        f"{len(bundle.params) / 1e6:.1f} MB become {len(half.params) / 1e6:.1f}; "
        f"{agreement.same} of {agreement.images} images keep their first label, and probabilities"
        f" differ by {agreement.difference:.2g} at most"
    )
    agrees = agreement.same == agreement.images and agreement.difference <= _MAX_DIFFERENCE
    if not agrees and not force:
        raise ToolError(f"{report}; nothing was written (--force writes it all the same)")
    click.echo(report)
    print_written(to, replace(half, notes={"half_precision": asdict(agreement)}).write(to))
