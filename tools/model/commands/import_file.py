"""`import`: a bundle of a checkpoint."""

from dataclasses import replace
from pathlib import Path

import click

from tools.model.checkpoint import import_checkpoint
from tools.model.new_folder import refuse_existing
from tools.model.options import PATH, to_option
from tools.model.terminal import print_written


@click.command()
@click.argument("file", type=PATH)
@click.option("--labels", type=PATH, required=True, help="Label file, one a line.")
@click.option(
    "--description", default="", help='What the network knows, such as "five kinds of screws".'
)
@click.option("--licence", default="", help="Of the weights.")
@to_option
def command(file: Path, labels: Path, description: str, licence: str, to: Path) -> None:
    """Make a bundle of FILE, a .pth or .safetensors state dict.

    ResNets and MobileNetV2, as torchvision names them, and EfficientNet-Lite0, 1 and 2 are
    recognised. The file is read without PyTorch; one that holds anything but tensors is refused.
    """
    refuse_existing(to)
    bundle = import_checkpoint(file, labels)
    print_written(to, replace(bundle, description=description, licence=licence).write(to))
