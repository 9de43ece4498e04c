"""Options that several commands have, and the types of their values."""

import math
from pathlib import Path

import click

from classifier.location import S3Prefix
from tools.model.output import OUTPUTS

PATH = click.Path(path_type=Path)
to_option = click.option(
    "--to",
    type=PATH,
    required=True,
    help="Folder for the bundle: new, or empty. An existing bundle is never changed.",
)
images_option = click.option(
    "--images",
    type=PATH,
    required=True,
    help="Folder of images: <class id>_*.jpg or <class id>/*.jpg (or .png, .webp).",
)

version_option = click.option(
    "--version", help="Version of the model. Default: today's date, UTC, such as 2026-11-25."
)
output_option = click.option(
    "--output",
    type=click.Choice(OUTPUTS),
    help="What the network gives; sigmoid: its classes are independent, so an image may have"
    " several. Default: as the graph ends, in softmax, in sigmoid, or in logits of a softmax.",
)


class Place(click.ParamType):
    """An S3 prefix."""

    name = "s3://bucket/prefix"

    def convert(
        self, value: str | S3Prefix, param: click.Parameter | None, ctx: click.Context | None
    ) -> S3Prefix:
        try:
            return value if isinstance(value, S3Prefix) else S3Prefix.parse(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)


class Number(click.ParamType):
    """A finite number."""

    name = "x"

    def convert(
        self, value: str | float, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        try:
            number = float(value)
        except ValueError:
            number = math.nan
        if not math.isfinite(number):
            self.fail(f"{value!r} is not a number", param, ctx)
        return number


class ThreeNumbers(click.ParamType):
    """One number for each channel, with commas between them."""

    name = "a,b,c"

    def convert(
        self,
        value: str | tuple[float, ...],
        param: click.Parameter | None,
        ctx: click.Context | None,
    ) -> tuple[float, ...]:
        if isinstance(value, tuple):
            return value
        numbers = tuple(Number().convert(part, param, ctx) for part in value.split(","))
        if len(numbers) != 3:
            self.fail(f"{value!r} is not three numbers with commas between them", param, ctx)
        return numbers
