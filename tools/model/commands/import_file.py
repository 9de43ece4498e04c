"""`import`: a bundle of an ONNX file or a checkpoint."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from tools.errors import ToolError
from tools.model.catalogue import NETWORKS
from tools.model.checkpoint import import_checkpoint
from tools.model.new_bundle import NewBundle, check_name
from tools.model.new_folder import refuse_existing
from tools.model.onnx.importer import import_with_options
from tools.model.onnx.options import onnx_options, refuse_options
from tools.model.options import PATH, output_option, to_option, version_option
from tools.model.output import resolve_output
from tools.model.terminal import print_written
from tools.packages import require


@click.command()
@click.argument("file", type=PATH)
@click.option("--labels", type=PATH, required=True, help="Label file, one a line.")
@click.option(
    "--description", default="", help='What the network knows, such as "five kinds of screws".'
)
@click.option("--licence", default="", help="Of the weights.")
@click.option("--name", help="Name of the model. Default: ONNX: the file's; else the network's.")
@version_option
@output_option
@click.option("--like", help="ONNX: see images as this network of the catalogue does.")
@onnx_options
@to_option
def command(  # noqa: PLR0917  (click passes them by name)
    file: Path,
    labels: Path,
    description: str,
    licence: str,
    name: str | None,
    version: str | None,
    output: str | None,
    to: Path,
    **options: Any,
) -> None:
    """Make a bundle of FILE: a network as .onnx, or a .pth or .safetensors state dict.

    An ONNX network is proven to answer as ONNX Runtime does: see docs/onnx.md. Of state dicts,
    ResNets and MobileNetV2, as torchvision names them, and EfficientNet-Lite0, 1 and 2 are
    recognised. They are read without PyTorch; a file that holds anything but tensors is refused.
    """
    refuse_existing(to)
    for value, kind in ((name, "name"), (version, "version")):
        if value is not None:
            check_name(value, kind)
    bundle = _import(file, labels, output, options)
    bundle = replace(
        bundle,
        name=name or bundle.name,
        version=version or bundle.version,
        description=description,
        licence=licence,
    )
    print_written(to, bundle.write(to))


def _import(file: Path, labels: Path, output: str | None, options: dict[str, Any]) -> NewBundle:
    if file.suffix.lower() != ".onnx":
        refuse_options(options)
        if output == "probabilities":
            raise ToolError("--output probabilities: a state dict gives logits; leave it out")
        bundle = import_checkpoint(file, labels)
        return replace(bundle, activation=resolve_output(output, "").activation)
    require("onnx", "onnx", "onnxruntime")
    if (like := options.pop("like")) is not None:
        if like not in NETWORKS:
            raise ToolError(f"--like {like}: it should be one of {', '.join(NETWORKS)}")
        options["like"] = NETWORKS[like].input
    return import_with_options(file, labels, output=output, **options)
