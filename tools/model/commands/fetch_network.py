"""`fetch`: a network of the catalogue."""

from pathlib import Path

import click
from rich import box
from rich.table import Column, Table

from classifier.errors import ClassifierError
from classifier.model.bundle import Folder, read_bundle
from tools.errors import ToolError
from tools.model.catalogue import NETWORKS, Network
from tools.model.commands.int8 import make_int8
from tools.model.download import Timeouts
from tools.model.fetch import NoSourceError, fetch
from tools.model.options import PATH
from tools.model.terminal import byte_progress, errors, print_written, show_downloads
from tools.option_types import Address, FiniteRange
from tools.project import ROOT

_OTHER_SOURCE = (
    "connect this machine, or put the files on a server that it reaches and name that with"
    " MODEL_MIRROR=URL (--mirror URL)"
)


@click.command()
@click.argument("name", default="resnet-18")
@click.option("--to", type=PATH, help="Folder for the bundle; models/NAME by default.")
@click.option(
    "--mirror",
    type=Address(),
    envvar="MODEL_MIRROR",
    help="Fetch the same files from below this address, not from where they were published.",
)
@click.option(
    "--int8", is_flag=True, help="Make an int8 bundle too, in the same place with -int8 behind."
)
@click.option(
    "--images",
    type=PATH,
    help="With --int8: a folder of images that calibrate it. Default: two that scikit-learn ships.",
)
@click.option(
    "--timeout",
    type=FiniteRange(min=0, min_open=True),
    default=30.0,
    show_default=True,
    help="How long a server may stay silent, seconds.",
)
def command(
    name: str,
    to: Path | None,
    mirror: str | None,
    images: Path | None,
    timeout: float,
    *,
    int8: bool,
) -> None:
    """Fetch the network NAME, one of `list`, verify it and make a bundle of it.

    Its sources are tried in turn, those with a checksum first: its publishers' addresses, and the
    package index that pip is set up for. A download that breaks off is resumed, in this run or the
    next.
    """
    network = NETWORKS.get(name)
    if network is None:
        raise ToolError(f"{name}: no such network; there is {', '.join(NETWORKS)}")
    if images and not int8:
        raise click.UsageError("--images goes with --int8")
    if mirror:
        network = network.mirrored(mirror)
    to = to or ROOT / "models" / name
    if _holds_bundle(to):
        click.echo(f"{to} holds a bundle already; nothing to fetch")
    else:
        _fetch(network, to, timeout)
    if int8:
        _add_int8(to, images)


def _fetch(network: Network, to: Path, timeout: float) -> None:
    """Fetch, with progress; the sources' failures are shown as a table."""
    try:
        with byte_progress() as bars:
            start = show_downloads(bars, errors)
            manifest = fetch(network, to, start, Timeouts(silence_s=timeout))
    except NoSourceError as error:
        columns = (Column(name, overflow="fold") for name in ("source", "place", "what happened"))
        table = Table(*columns, box=box.SIMPLE)  # addresses are not cut
        for failure in error.failures:
            table.add_row(failure.source, failure.place, failure.reason)
        errors.print(table)
        raise ToolError(f"{error}: {_OTHER_SOURCE}") from error
    print_written(to, manifest)


def _add_int8(folder: Path, images: Path | None) -> None:
    to = folder.with_name(f"{folder.name}-int8")
    if _holds_bundle(to):
        click.echo(f"{to} holds a bundle already; nothing to make")
    else:
        make_int8(folder, to, images)


def _holds_bundle(folder: Path) -> bool:
    """Whether there is a whole bundle, of any network."""
    try:
        read_bundle(Folder(folder))
    except ClassifierError:
        return False
    return True
