"""`evaluate`: how often a bundle is right."""

import dataclasses
import json
from collections.abc import Sequence
from pathlib import Path

import click
from rich import box
from rich.console import Console
from rich.table import Table

from classifier.model.labels import Probabilities
from classifier.model.network import Model
from tools.errors import ToolError
from tools.model.evaluate import labelled_images, probabilities, score
from tools.model.files import open_folder
from tools.model.images import ImageFile
from tools.model.multilabel import MultilabelScore, multilabel_score
from tools.model.options import PATH, images_option
from tools.model.terminal import progress
from tools.model.truth import read_truth
from tools.packages import require


@click.command()
@click.argument("folder", type=PATH)
@images_option
@click.option(
    "--truth",
    type=PATH,
    help="For independent classes: CSV of an image's file below --images and its labels, a cell"
    " each.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON alone.")
def command(folder: Path, images: Path, truth: Path | None, *, as_json: bool) -> None:
    """Measure the bundle in FOLDER on images whose labels are known.

    Where the classes exclude each other, the images' names tell their class, and top-1 and top-5
    are measured. Where they are independent, --truth names the labels, and mean average precision
    is measured.
    """
    model = Model.load(open_folder(folder))
    name = model.manifest.name
    if model.manifest.output.activation == "sigmoid":
        if truth is None:
            raise ToolError(f"{name}: an image may have several labels: name a CSV with --truth")
        _evaluate_multilabel(model, images, truth, as_json=as_json)
        return
    if truth is not None:
        raise ToolError(f"{name}: an image has one label, which its name tells: leave out --truth")
    files = labelled_images(images, model)
    result = score(_run(model, files), files)
    if as_json:
        click.echo(json.dumps(dataclasses.asdict(result)))
        return
    top5 = f", top-5 {result.top5:.2%}" if len(model.labels) > 5 else ""  # else always 100 %
    click.echo(f"{result.images} images: top-1 {result.top1:.2%}{top5}")


def _evaluate_multilabel(model: Model, images: Path, truth: Path, *, as_json: bool) -> None:
    require("train", "sklearn")
    known = read_truth(truth, images, model.labels)
    if not known.has.any():
        raise ToolError(f"{truth}: no image has a label")
    result = multilabel_score(_run(model, known.images), known.has, model.labels)
    if as_json:
        click.echo(json.dumps(result.describe()))
        return
    measured = len(result.average_precision)
    click.echo(
        f"{result.images} images: mean average precision {result.mean_average_precision:.2%},"
        f" {measured} of {len(model.labels)} classes"
    )
    if result.absent:
        click.echo(f"no image has: {', '.join(result.absent)}")
    Console().print(_table(result))


def _run(model: Model, files: Sequence[ImageFile]) -> Probabilities:
    with progress() as bar:
        task = bar.add_task("images", total=len(files))
        return probabilities(model, files, lambda: bar.advance(task))


def _table(result: MultilabelScore) -> Table:
    """What a client gets for each ``min_probability``."""
    table = Table("min_probability", "precision", "recall", box=box.SIMPLE)
    for each in result.minima:
        precision = "" if each.precision is None else f"{each.precision:.1%}"
        table.add_row(f"{each.min_probability:g}", precision, f"{each.recall:.1%}")
    return table
