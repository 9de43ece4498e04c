"""`bundle`: a bundle of MXNet's own files."""

from pathlib import Path

import click

from classifier.image.preprocessing import Preprocessing
from tools.model.files import read_file
from tools.model.layers import with_layers
from tools.model.mxnet_files import input_name, last_activation
from tools.model.new_bundle import NewBundle, check_name, today
from tools.model.options import (
    PATH,
    Number,
    ThreeNumbers,
    output_option,
    to_option,
    version_option,
)
from tools.model.other_files import refuse_for_bundle
from tools.model.output import resolve_output
from tools.model.terminal import print_written


@click.command()
@click.argument("symbol", type=PATH)
@click.argument("params", type=PATH)
@click.argument("labels", type=PATH)
@click.option("--name", required=True, help="Name of the model, for the answers and the files.")
@version_option
@click.option("--size", type=int, required=True, help="Width and height of the input, pixels.")
@click.option("--resize", type=int, help="With crop: the short side before the cut, pixels.")
@click.option(
    "--fit",
    type=click.Choice(["crop", "squash"]),
    help="crop: the centre is cut out; squash: straight to the size. Default: crop with --resize,"
    " else squash.",
)
@click.option("--color", type=click.Choice(["RGB", "BGR"]), default="RGB", show_default=True)
@click.option("--scale", type=Number(), default=1.0, help="(pixel * SCALE - mean) / std; 1.")
@click.option("--mean", type=ThreeNumbers(), default=(0.0, 0.0, 0.0), help="Default: 0,0,0.")
@click.option("--std", type=ThreeNumbers(), default=(1.0, 1.0, 1.0), help="Default: 1,1,1.")
@output_option
@click.option(
    "--description", default="", help='What the network knows, such as "five kinds of screws".'
)
@click.option("--licence", default="", help="Of the weights.")
@to_option
def command(  # noqa: PLR0917  (click passes them by name)
    symbol: Path,
    params: Path,
    labels: Path,
    name: str,
    version: str | None,
    size: int,
    resize: int | None,
    fit: str | None,
    color: str,
    scale: float,
    mean: tuple[float, ...],
    std: tuple[float, ...],
    output: str | None,
    description: str,
    licence: str,
    to: Path,
) -> None:
    """Make a bundle of an MXNet network: SYMBOL (JSON), PARAMS and LABELS (one a line)."""
    fit = fit or ("crop" if resize else "squash")
    if fit == "squash" and resize not in (None, size):
        raise click.UsageError("--resize goes with --fit crop")
    version = version or today()
    check_name(name)
    check_name(version, "version")
    graph, weights = read_file(symbol), read_file(params)
    refuse_for_bundle(str(symbol), graph)
    refuse_for_bundle(str(params), weights)
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
    result = resolve_output(output, last_activation(graph))
    bundle = NewBundle(
        name=name,
        version=version,
        preprocessing=preprocessing,
        probabilities=result.probabilities,
        activation=result.activation,
        source=symbol.name,
        symbol=graph,
        params=weights,
        labels=read_file(labels),
        description=description,
        licence=licence,
        origins={"symbol": str(symbol), "params": str(params), "labels": str(labels)},
    )
    print_written(to, with_layers(bundle).write(to))
