"""`train`: own classes, from a folder of images."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import click
from rich.console import Console

from tools.model.new_bundle import check_name
from tools.model.new_folder import refuse_existing
from tools.model.options import PATH, to_option
from tools.model.page import write_page
from tools.model.terminal import print_written, progress
from tools.model.training.base_network import DEFAULT, open_base
from tools.model.training.cache import Cache, cache_file
from tools.model.training.features import Extractor
from tools.model.training.int8 import offer, steps, try_int8
from tools.model.training.maps import Maps
from tools.model.training.page import page_file, render_page
from tools.model.training.table import print_report
from tools.model.training.training import Advance, Images, Plan, train
from tools.option_types import FiniteRange
from tools.packages import require
from tools.project import ROOT


@click.command()
@click.argument("folder", type=PATH)
@to_option
@click.option(
    "--base",
    metavar="NAME|DIR",
    default=DEFAULT,
    show_default=True,
    help="The network whose last layer is replaced: one of `list`, or a bundle's folder.",
)
@click.option("--validation", type=PATH, help="Folder of other images, which judge: DIR/<class>/*.")
@click.option(
    "--validation-share",
    "share",
    type=FiniteRange(0.05, 0.5),
    help="Without --validation: the share of each class that judges.  [default: 0.2]",
)
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True)
@click.option("--name", help="Name of the model; by default that of the folder --to.")
def command(  # noqa: PLR0917  (click passes them by name)
    folder: Path,
    to: Path,
    base: str,
    validation: Path | None,
    share: float | None,
    seed: int,
    name: str | None,
) -> None:
    """Train your own classes: FOLDER/<class>/*.jpg (or .png, .webp).

    Each image goes once through a network that knows ImageNet, and a new last layer is fitted to
    what comes out. Some images are held out and judge the result: the report is shown, kept in the
    manifest, and written as a page beside the bundle.

    What the network makes of an image is kept in the user's cache folder, so a second run, or one
    after Ctrl-C, takes seconds.
    """
    if validation and share is not None:
        raise click.UsageError("--validation-share goes without --validation")
    refuse_existing(to)
    name = name or to.resolve().name
    check_name(name)
    require("train", "sklearn")
    plan = Plan(folder, name, validation, share or 0.2, seed)
    images = Images.read(plan)
    network = open_base(base, ROOT / "models")
    with Cache(cache_file()) as cache:
        training = train(plan, images, network, Extractor(network, cache), _progress)
    seen, held_out = training.train, training.held_out
    with _progress("trying int8", steps(len(seen), len(held_out))) as advance:
        int8 = try_int8(training.bundle, seen, held_out, seed, advance)
    report = replace(training.report, int8=offer(int8, to, folder))
    model = training.bundle.model()
    html = render_page(report, Maps(model) if model.sizes.map else None)
    bundle = replace(training.bundle, notes={"training": report.note()})
    manifest = bundle.write(to)
    page = write_page(html, page_file(to))
    print_report(report, Console())
    print_written(to, manifest)
    click.echo(f"{page} is the report, to be opened in a browser")
    if report.int8.command:
        click.echo(f"{report.int8.command} makes it faster")


@contextmanager
def _progress(stage: str, total: int) -> Iterator[Advance]:
    with progress() as bar:
        task = bar.add_task(stage, total=total)
        yield lambda: bar.advance(task)
