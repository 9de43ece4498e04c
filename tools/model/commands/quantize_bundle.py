"""`quantize`: an int8 bundle of a float32 one."""

from pathlib import Path

import click

from tools.model.commands.int8 import MIN_AGREEMENT, make_int8
from tools.model.options import PATH, to_option
from tools.option_types import FiniteRange


@click.command()
@click.argument("folder", type=PATH)
@click.option(
    "--images",
    type=PATH,
    help="Folder of images: <class id>_*.jpg, <class id>/*.jpg (or .png, .webp), or any names."
    " Default: crops of two photographs that scikit-learn ships.",
)
@to_option
@click.option(
    "--calibration",
    "method",
    type=click.Choice(["naive", "entropy"]),
    default="naive",
    show_default=True,
    help="How the ranges of the layers are found; entropy takes minutes.",
)
@click.option(
    "--min-agreement",
    type=FiniteRange(0, 1),
    help="The fraction of held-out images that must keep their first label. Default:"
    f" {MIN_AGREEMENT}, and less without --images.",
)
@click.option("--force", is_flag=True, help="Write the bundle even below --min-agreement.")
def command(
    folder: Path,
    images: Path | None,
    to: Path,
    method: str,
    min_agreement: float | None,
    *,
    force: bool,
) -> None:
    """Make an int8 bundle of the float32 bundle in FOLDER.

    Half of the images, at most 128, calibrate it; the others measure how often both agree,
    top-1 and top-5 of those whose names have their class, and the speed. The report is shown
    and kept in the manifest. Without --images, photographs of landscapes and flowers calibrate it:
    good for networks of ImageNet; for your own classes, use images like those to come.
    """
    make_int8(folder, to, images, method=method, min_agreement=min_agreement, force=force)
