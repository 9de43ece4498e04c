"""Drives the local stack, or a deployed endpoint, at a sustained rate.

Without --url it starts the whole local stack itself (HTTP front, two environments, images by
URL from a local server), first float32, then int8, and finds the highest rate that each holds.
With --url it drives that endpoint at --rate, and nothing else:

    python scripts/load.py --url https://….amazonaws.com/prod --image https://…/cat.jpg --rate 75

It is your endpoint, and your bill: 75 requests a second for a minute are 4,500.
"""

import sys
import tempfile
from pathlib import Path
from urllib.parse import quote

import click
from rich.console import Console
from rich.table import Table

from tools.bench import load, measure


@click.command(help=__doc__, context_settings={"show_default": True})
@click.option("--url", help="The API's address; without, the local stack.")
@click.option("--image", help="With --url: the address of an image for it to fetch.")
@click.option("--rate", default=load.RATE, type=click.FloatRange(0.1), help="Requests a second.")
@click.option("--seconds", default=60.0, type=click.FloatRange(1), help="For how long.")
def main(url: str | None, image: str | None, rate: float, seconds: float) -> None:
    if bool(url) != bool(image):
        raise click.UsageError("--url and --image go together.")
    console = Console()
    if url and image:
        asked = f"{url.rstrip('/')}/predict?url={quote(image, safe='')}"
        found = {url: load.run(asked, rate, seconds, console).describe()}
    else:
        with tempfile.TemporaryDirectory(prefix="load-") as name:
            with console.status("making images and bundles"):
                measure.prepare(Path(name))
            found = load.measure(Path(name), rate, seconds, console)
    table = Table("", *found)
    for figure in next(iter(found.values())):
        table.add_row(figure, *(f"{figures[figure]:g}" for figures in found.values()))
    console.print(table)
    sys.exit(any(figures["errors"] for figures in found.values()))
