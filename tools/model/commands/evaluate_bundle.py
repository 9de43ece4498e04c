"""`evaluate`: how often a bundle is right."""

import dataclasses
import json
from pathlib import Path

import click

from classifier.model.network import Model
from tools.model.evaluate import labelled_images, probabilities, score
from tools.model.files import open_folder
from tools.model.options import PATH, images_option
from tools.model.terminal import progress


@click.command()
@click.argument("folder", type=PATH)
@images_option
@click.option("--json", "as_json", is_flag=True, help="Print JSON alone.")
def command(folder: Path, images: Path, *, as_json: bool) -> None:
    """Measure top-1 and top-5 of the bundle in FOLDER on images whose names tell their class."""
    model = Model.load(open_folder(folder))
    files = labelled_images(images, model)
    with progress() as bar:
        task = bar.add_task("images", total=len(files))
        result = score(probabilities(model, files, lambda: bar.advance(task)), files)
    if as_json:
        click.echo(json.dumps(dataclasses.asdict(result)))
    else:
        click.echo(f"{result.images} images: top-1 {result.top1:.2%}, top-5 {result.top5:.2%}")
