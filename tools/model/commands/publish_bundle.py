"""`publish`: a bundle to S3."""

from pathlib import Path

import click

from classifier.location import S3Prefix
from tools.model.options import PATH, Place
from tools.model.publish import publish
from tools.model.terminal import progress


@click.command()
@click.argument("folder", type=PATH)
@click.argument("place", type=Place())
def command(folder: Path, place: S3Prefix) -> None:
    """Upload the bundle in FOLDER to PLACE, s3://bucket/prefix, which must be new.

    Every object is read back and compared; the manifest comes last, so that nobody reads half a
    bundle.
    """
    with progress() as bar:
        task = bar.add_task("files", total=4)
        publish(folder, place, lambda: bar.advance(task))
    click.echo(f"{place} holds the bundle: deploy with MODEL_URI={place}")
