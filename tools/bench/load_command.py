"""Loads the local stack, or a deployed API, at a steady rate.

Without --url it starts the local stack (two environments, images by URL from a local server), first
with float32, then with int8, and finds the highest rate that each sustains. With --url it loads
that API at --rate:

    python scripts/load.py --url https://….amazonaws.com/prod --image https://…/cat.jpg --rate 75

You pay for the requests: 75 a second for a minute are 4,500.
"""

import sys
import tempfile
from pathlib import Path
from urllib.parse import quote

import click
from rich.console import Console
from rich.table import Table

from tools.bench import load, measure
from tools.bench.worker import RESNET
from tools.command import Command
from tools.option_types import Address, FiniteRange
from tools.packages import require


@click.command(
    "scripts/load.py", cls=Command, help=__doc__, context_settings={"show_default": True}
)
@click.option("--url", type=Address(), help="The API's address. Default: the local stack.")
@click.option("--image", help="With --url: the address of an image that the API can fetch.")
@click.option("--rate", default=load.RATE, type=FiniteRange(0.1), help="Requests a second.")
@click.option("--seconds", default=60.0, type=FiniteRange(1), help="For how long.")
def main(url: str | None, image: str | None, rate: float, seconds: float) -> None:
    if bool(url) != bool(image):
        raise click.UsageError("--url and --image go together.")
    require("bench", "aiohttp")
    console = Console()
    if url and image:
        request = f"{url.rstrip('/')}/predict?url={quote(image, safe='')}"
        loads = {url: load.run(request, rate, seconds, console).describe()}
    else:
        with tempfile.TemporaryDirectory(prefix="load-") as name:
            with console.status("making images and bundles"):
                measure.make_inputs(Path(name), [RESNET])
            loads = load.measure(Path(name), rate, seconds, console)
    table = Table("", *loads)
    for figure in next(iter(loads.values())):
        table.add_row(figure, *(f"{figures[figure]:g}" for figures in loads.values()))
    console.print(table)
    sys.exit(any(figures["errors"] for figures in loads.values()))
