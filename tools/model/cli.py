#!/usr/bin/env python3
"""The model tool: makes, judges and publishes model bundles. See docs/models.md."""

import json
import os
from pathlib import Path
from typing import Any

import click
from rich import box
from rich.console import Console
from rich.table import Table

# Read by MXNet when it is loaded; unset, it runs one thread whatever there is.
os.environ.setdefault("OMP_NUM_THREADS", str(len(os.sched_getaffinity(0))))

from classifier.config import S3Prefix
from classifier.errors import ClassifierError
from tools import command
from tools.errors import ToolError
from tools.model.onnx.options import onnx_options, refuse_options
from tools.model.options import Number, Place, ThreeNumbers
from tools.model.progress import byte_progress, errors, progress
from tools.project import ROOT

# What takes seconds to import (MXNet, OpenCV, boto3) is imported by the commands that need it.

FOLDER = click.Path(path_type=Path)
to_option = click.option(
    "--to",
    type=FOLDER,
    required=True,
    help="Folder for the bundle: new, or empty. A bundle that is there is never changed.",
)
images_option = click.option(
    "--images",
    type=FOLDER,
    required=True,
    help="Folder of images: <class id>_*.jpg or <class id>/*.jpg (or .png, .webp).",
)


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def cli() -> None:
    """Make, judge and publish model bundles.

    A bundle is a folder, or a prefix in S3, with a network, its labels, the preprocessing of its
    input and the checksums of them all. It never changes: a command that would have to overwrite
    one refuses.
    """


@cli.command()
@click.argument("symbol", type=FOLDER)
@click.argument("params", type=FOLDER)
@click.argument("labels", type=FOLDER)
@click.option("--name", required=True, help="Name of the model, for the answers and the files.")
@click.option("--size", type=int, required=True, help="Width and height of the input, pixels.")
@click.option("--resize", type=int, help="With crop: the short side before the cut, pixels.")
@click.option(
    "--fit",
    type=click.Choice(["crop", "squash"]),
    help="crop: the centre is cut out; squash: straight to the size. Default: crop where --resize"
    " is given, else squash.",
)
@click.option("--color", type=click.Choice(["RGB", "BGR"]), default="RGB", show_default=True)
@click.option("--scale", type=Number(), default=1.0, help="(pixel * SCALE - mean) / std; 1.")
@click.option("--mean", type=ThreeNumbers(), default=(0.0, 0.0, 0.0), help="Default: 0,0,0.")
@click.option("--std", type=ThreeNumbers(), default=(1.0, 1.0, 1.0), help="Default: 1,1,1.")
@click.option(
    "--output",
    type=click.Choice(["probabilities", "logits"]),
    help="What the network gives. Default: probabilities where its last operator is a softmax.",
)
@to_option
def bundle(  # noqa: PLR0917  (click passes them by name)
    symbol: Path,
    params: Path,
    labels: Path,
    name: str,
    size: int,
    resize: int | None,
    fit: str | None,
    color: str,
    scale: float,
    mean: tuple[float, ...],
    std: tuple[float, ...],
    output: str | None,
    to: Path,
) -> None:
    """Make a bundle of an MXNet network: SYMBOL (JSON), PARAMS and LABELS (one a line)."""
    from classifier.model.manifest import Preprocessing  # noqa: PLC0415
    from tools.model.draft import NewBundle, read_file  # noqa: PLC0415
    from tools.model.network import gives_probabilities, input_name  # noqa: PLC0415

    fit = fit or ("crop" if resize else "squash")
    if fit == "squash" and resize not in (None, size):
        raise click.UsageError("--resize goes with --fit crop")
    graph, weights = read_file(symbol), read_file(params)
    preprocessing = Preprocessing(
        name=input_name(graph, weights, str(symbol)),
        size=size,
        resize=size if fit == "squash" else resize or round(size * 256 / 224),
        fit=fit,
        color=color,
        scale=scale,
        mean=mean,
        std=std,
    )
    draft = NewBundle(
        name=name,
        preprocessing=preprocessing,
        probabilities=output == "probabilities" if output else gives_probabilities(graph),
        source=symbol.name,
        symbol=graph,
        params=weights,
        labels=read_file(labels),
        origins={"symbol": str(symbol), "params": str(params), "labels": str(labels)},
    )
    write(draft, to)


@cli.command()
@to_option
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True)
def synthetic(to: Path, seed: int) -> None:
    """Make ResNet-18 with weights drawn from a seed: right speed, meaningless labels."""
    from tools.model.destination import refuse_existing  # noqa: PLC0415
    from tools.model.synthetic import synthetic as make  # noqa: PLC0415

    refuse_existing(to)
    write(make(seed), to)


@cli.command("import")
@click.argument("file", type=FOLDER)
@click.option("--labels", type=FOLDER, required=True, help="Label file, one a line.")
@to_option
@onnx_options
def import_(file: Path, labels: Path, to: Path, **options: Any) -> None:
    """Make a bundle of FILE: any convolutional network as .onnx, or ResNet-18 or 34 of torchvision.

    An ONNX network is proven to answer as ONNX Runtime does: see docs/onnx.md. A .pth or
    .safetensors state_dict is read without PyTorch; one that asks for more than tensors is refused.
    """
    from tools.model.checkpoint import import_checkpoint  # noqa: PLC0415
    from tools.model.destination import refuse_existing  # noqa: PLC0415
    from tools.model.onnx.importer import import_with_options  # noqa: PLC0415

    refuse_existing(to)
    if file.suffix.lower() == ".onnx":
        write(import_with_options(file, labels, **options), to)
        return
    refuse_options(options)
    write(import_checkpoint(file, labels), to)


@cli.command()
@click.argument("folder", type=FOLDER)
@images_option
@to_option
@click.option(
    "--calibration",
    type=click.Choice(["naive", "entropy"]),
    default="naive",
    show_default=True,
    help="How the ranges of the layers are found; entropy takes a minute more.",
)
@click.option(
    "--min-agreement",
    type=click.FloatRange(0, 1),
    default=0.85,
    show_default=True,
    help="The fraction of held-out images that must keep their first label.",
)
@click.option("--force", is_flag=True, help="Write the bundle even below --min-agreement.")
def quantize(  # noqa: PLR0917
    folder: Path, images: Path, to: Path, calibration: str, min_agreement: float, force: bool
) -> None:
    """Make an int8 bundle of the float32 bundle in FOLDER.

    Half of the images, at most 128, calibrate it; the others measure how often both agree,
    top-1 and top-5 of those whose names tell their class, and the speed. The report is shown
    and kept in the manifest.
    """
    import dataclasses  # noqa: PLC0415

    from tools.model import quantize as quantizing  # noqa: PLC0415
    from tools.model.destination import refuse_existing  # noqa: PLC0415
    from tools.model.draft import open_folder, read_file  # noqa: PLC0415
    from tools.model.images import find_images  # noqa: PLC0415
    from tools.model.summary import comparison_table  # noqa: PLC0415

    refuse_existing(to)
    bundle = open_folder(folder)
    seen, held_out = quantizing.split(find_images(images, bundle.labels))
    labels = read_file(folder / bundle.manifest.files["labels"].key)
    with progress() as bar:
        task = bar.add_task("calibrating", total=len(seen))
        draft = quantizing.quantize(bundle, labels, seen, calibration, lambda: bar.advance(task))
        task = bar.add_task("comparing", total=2 * len(held_out))
        result = quantizing.compare(
            bundle, draft, (calibration, len(seen)), held_out, lambda: bar.advance(task)
        )
    Console().print(comparison_table(result))
    if result.agreement < min_agreement and not force:
        raise ToolError(
            f"only {result.agreement:.1%} of the held-out images keep their first label,"
            f" {min_agreement:.1%} should; nothing was written (--force writes it all the same)"
        )
    write(dataclasses.replace(draft, notes={"quantization": result.note()}), to)


@cli.command()
@click.argument("name", default="resnet-18")
@click.option("--to", type=FOLDER, help="Folder for the bundle; models/NAME by default.")
@click.option(
    "--mirror",
    metavar="URL",
    envvar="MODEL_MIRROR",
    help="Fetch the same files from below this address, not from where they were published.",
)
@click.option(
    "--timeout",
    type=click.FloatRange(min=0, min_open=True),
    default=30.0,
    show_default=True,
    help="How long a server may stay silent, seconds.",
)
def fetch(name: str, to: Path | None, mirror: str | None, timeout: float) -> None:
    """Fetch a network (NAME: resnet-18), verify it and make a bundle of it.

    Its sources are tried in turn, those with a published checksum first. What breaks off goes on
    where it stopped, in this run or the next.
    """
    from tools.model import fetch as fetching  # noqa: PLC0415

    sources = fetching.SOURCES.get(name)
    if sources is None:
        raise ToolError(f"{name}: no such network; there is {', '.join(fetching.SOURCES)}")
    to = to or ROOT / "models" / name
    if holds_bundle(to):
        click.echo(f"{to} holds a bundle already; nothing to fetch")
        return
    if mirror:
        sources = fetching.mirrored(sources, mirror.rstrip("/"))
    try:
        with byte_progress() as bar:

            def start(url: str) -> Any:
                errors.print(f"Fetching {url}", soft_wrap=True)
                task = bar.add_task(url.rpartition("/")[2], total=None)
                return lambda here, total: bar.update(task, completed=here, total=total)

            made = fetching.fetch(sources, to, start, silence_s=timeout)
    except fetching.NoSourceError as error:
        table = Table("source", "address", "what happened", box=box.SIMPLE)
        for failure in error.failures:
            table.add_row(failure.source, failure.address, failure.reason)
        errors.print(table)
        raise
    click.echo(f"{to} holds {made.name}, version {made.version}, from {made.source}")


@cli.command()
@click.argument("place")
def inspect(place: str) -> None:
    """Show what the bundle in PLACE, a folder or s3://bucket/prefix, holds; verify checksums."""
    from classifier.model.bundle import Folder, S3Store, read_bundle  # noqa: PLC0415
    from tools.model.summary import summary  # noqa: PLC0415

    if "://" in place:
        store: Folder | S3Store = S3Store(Place().convert(place, None, None))
    elif Path(place).is_dir():
        store = Folder(Path(place))
    else:
        raise ToolError(f"{place}: no such folder")
    Console().print(summary(read_bundle(store), store))


@cli.command()
@click.argument("folder", type=FOLDER)
@images_option
@click.option("--json", "as_json", is_flag=True, help="Print JSON alone.")
def evaluate(folder: Path, images: Path, as_json: bool) -> None:
    """Measure top-1 and top-5 of the bundle in FOLDER on images whose names tell their class."""
    import dataclasses  # noqa: PLC0415

    from classifier.model.network import Model  # noqa: PLC0415
    from tools.model.draft import open_folder  # noqa: PLC0415
    from tools.model.evaluate import labelled_images, probabilities, score  # noqa: PLC0415

    model = Model.load(open_folder(folder))
    images = labelled_images(images, model)
    with progress() as bar:
        task = bar.add_task("images", total=len(images))
        answers = probabilities(model, images, lambda: bar.advance(task))
    result = score(answers, images)
    if as_json:
        click.echo(json.dumps(dataclasses.asdict(result)))
    else:
        click.echo(f"{result.images} images: top-1 {result.top1:.2%}, top-5 {result.top5:.2%}")


@cli.command()
@click.argument("folder", type=FOLDER)
@click.argument("place", type=Place())
def publish(folder: Path, place: S3Prefix) -> None:
    """Upload the bundle in FOLDER to PLACE, s3://bucket/prefix: a new prefix, for good.

    Every object is read back and compared; the manifest comes last, so that nobody ever finds
    half a bundle.
    """
    from tools.model.publish import publish as upload  # noqa: PLC0415

    with progress() as bar:
        task = bar.add_task("files", total=4)
        upload(folder, place, lambda: bar.advance(task))
    click.echo(f"{place} holds the bundle: deploy with MODEL_URI={place}")


def write(draft: Any, to: Path) -> None:
    """Write ``draft`` into the folder ``to`` and say so."""
    made = draft.write(to)
    click.echo(f"{to} holds {made.name}, version {made.version}")


def holds_bundle(folder: Path) -> bool:
    """Whether there is a whole bundle, of any network."""
    from classifier.model.bundle import Folder, read_bundle  # noqa: PLC0415

    try:
        read_bundle(Folder(folder))
    except ClassifierError:
        return False
    return True


def main(arguments: list[str]) -> int:
    """Run one command and return its exit status; what went wrong is one line, and no trace."""
    return command.run(
        cli,
        arguments,
        name="scripts/model.py",
        interrupted="nothing was written",
        errors=(ToolError, ClassifierError),
    )
