"""The options of ``import`` that say how an ONNX network was trained to see an image."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from tools.errors import ToolError
from tools.model.options import Number, ThreeNumbers

_OPTIONS = (
    click.option("--size", type=click.IntRange(1, 4096), help="ONNX: width and height, pixels."),
    click.option("--resize", type=click.IntRange(1, 4096), help="ONNX: short side before the cut."),
    click.option("--fit", type=click.Choice(["crop", "squash"]), help="ONNX: default crop."),
    click.option("--color", type=click.Choice(["RGB", "BGR"]), help="ONNX: default RGB."),
    click.option("--scale", type=Number(), help="ONNX: (pixel * SCALE - mean) / std; 1/255."),
    click.option("--mean", type=ThreeNumbers(), help="ONNX: default ImageNet's."),
    click.option("--std", type=ThreeNumbers(), help="ONNX: default ImageNet's."),
    click.option(
        "--images",
        type=click.Path(path_type=Path),
        help="ONNX: folder of images that both engines classify, besides random ones.",
    ),
)


def onnx_options[F: Callable[..., Any]](function: F) -> F:
    """Adds the options to a command, which takes them as keyword arguments."""
    for option in reversed(_OPTIONS):
        function = option(function)
    return function


def refuse_options(options: dict[str, Any]) -> None:
    """Raises ToolError: one was given with a file that is not ONNX."""
    for name, value in options.items():
        if value is not None:
            raise ToolError(f"--{name} goes with .onnx files only; leave it out")
