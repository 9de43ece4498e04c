"""`inspect`: what a bundle holds."""

from pathlib import Path

import click
from rich.console import Console

from classifier.model.bundle import Folder, S3Store, read_bundle
from tools.errors import ToolError
from tools.model.options import Place
from tools.model.summary import summary
from tools.store import s3_store


@click.command()
@click.argument("place")
def command(place: str) -> None:
    """Show what the bundle in PLACE, a folder or s3://bucket/prefix, holds; verify checksums."""
    if "://" in place:
        store: Folder | S3Store = s3_store(Place().convert(place, None, None))
    elif Path(place).is_dir():
        store = Folder(Path(place))
    else:
        raise ToolError(f"{place}: no such folder")
    Console().print(summary(read_bundle(store), store))
