"""What a deploy asks where no option says it."""

from pathlib import Path

import boto3
import click

from tools.deploy.parameters import Options
from tools.deploy.regions import Regions
from tools.errors import ToolError
from tools.model.choice import choose
from tools.project import ROOT

_MODELS = ROOT / "models"


def check_before_build(
    chosen: str | None, regions: list[str] | None, options: Options, *, yes: bool
) -> None:
    """Check the options that would end a deploy after some minutes of building.

    Raises ToolError: there is no region, or no bundle, or it lacks what ``options`` ask for.
    BundleError: it is broken.
    """
    from tools.deploy import model  # noqa: PLC0415  (brings MXNet)

    if yes and not regions:
        regions = ask_regions(yes=True)
    if chosen or yes:
        bundle = model.read(ask_model(chosen, yes=True))
        for region in regions or [""]:
            model.check_embedding(bundle, options.values(region))


def ask_regions(*, yes: bool) -> list[str]:
    """The regions; yes: that of the AWS profile, unasked. Raises ToolError: it has none."""
    region = boto3.Session().region_name
    if yes and not region:
        raise ToolError("say where: --regions eu-west-1")
    if yes and region:
        return [region]
    regions: list[str] = click.prompt(
        "Region (several with commas)", default=region, type=Regions()
    )
    return regions


def ask_model(name: str | None, *, yes: bool) -> Path:
    """The folder of the bundle ``name``; None: of one that is asked for.

    yes: the best one there is, or that can be fetched, unasked. Raises ToolError: there is none.
    """
    choice = choose(name, _MODELS)
    if choice.remark:
        click.echo(choice.remark)
    if name or yes:
        return choice.folder
    folder: Path = click.prompt("Model", default=choice.folder, type=click.Path(path_type=Path))
    return folder
