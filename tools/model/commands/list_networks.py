"""`list`: the catalogue."""

import click
from rich import box
from rich.console import Console
from rich.table import Column, Table

from tools.model.catalogue import NETWORKS, Network
from tools.model.measurements import read_measurements
from tools.project import ROOT

_MODELS = ROOT / "models"
_WIDTH = 110  # of the table, characters


@click.command()
def command() -> None:
    """Show the networks that `fetch` takes, and which of them models/ holds.

    top-1 and top-5 are per cent of ImageNet's validation images, as published. param. and mult.:
    millions of parameters and of multiply-adds. ms and int8: milliseconds of one image on one
    thread, float32 and int8, on the machine of docs/models.md. here: what models/ holds.
    """
    measurements = read_measurements()
    headings = (
        *("network", "top-1", "top-5", "param.", "mult.", "size", "ms", "int8"),
        *("licence", "from", "here"),
    )
    columns = [Column(heading, no_wrap=True) for heading in headings]
    table = Table(*columns, box=box.SIMPLE, pad_edge=False, padding=(0, 1, 0, 0))
    for name, network in NETWORKS.items():
        times = ["", ""]
        if measurement := measurements.get(name):
            times = [f"{measurement.float32_ms:.1f}", f"{measurement.int8_ms:.1f}"]
        table.add_row(
            name,
            f"{network.top1:g}",
            f"{network.top5:g}" if network.top5 else "",
            f"{network.parameters / 1e6:.1f}",
            f"{network.multiply_adds / 1e6:.0f}",
            str(network.input.size),
            *times,
            network.licence,
            _publishers(network),
            _bundles(name),
        )
    # People type these names next. A narrow terminal breaks the lines; nothing is cut.
    console = Console()
    console.width = max(console.width, _WIDTH)
    console.print(table)


def _publishers(network: Network) -> str:
    kinds = ["index" if source.package else "publisher" for source in network.sources]
    return ", ".join(dict.fromkeys(kinds))


def _bundles(name: str) -> str:
    """Which bundles of the network are in models/."""
    folders = {"float32": _MODELS / name, "int8": _MODELS / f"{name}-int8"}
    return ", ".join(kind for kind, folder in folders.items() if folder.is_dir())
