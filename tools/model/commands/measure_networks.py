"""`measure`: the catalogue's networks on this machine; its table is that of docs/models.md."""

import json
import os
from collections.abc import Mapping
from pathlib import Path

import click

from classifier.model.labels import IMAGENET_LABELS, parse_labels
from tools.docs.sections import fill_section
from tools.errors import ToolError
from tools.model.catalogue import NETWORKS
from tools.model.images import Image, find_images
from tools.model.measurements import Measurement, read_measurements, write_measurements
from tools.model.options import PATH
from tools.packages import require
from tools.project import ROOT

_PAGE = ROOT / "docs" / "models.md"
_PRICES = ROOT / "tools" / "bench" / "prices.json"
# A request takes this long beside the network, ms, in a function of one vCPU: docs/benchmarks.md.
_REST_MS = 6.0
_VCPU_MB = 1769
_HEADING = (
    "| network | top-1 | top-5 | MB | ms | int8: ms | onnxruntime: ms | its int8: ms"
    " | int8 agrees | memory, MB (int8) | dollars a million (int8) |"
)


@click.command()
@click.argument("names", nargs=-1)
@click.option("--images", type=PATH, multiple=True, help="Folder of photographs; may be repeated.")
@click.option("--rounds", type=click.IntRange(min=1), default=50, show_default=True)
@click.option(
    "--write", "is_written", is_flag=True, help="Write the table into docs/models.md, and keep it."
)
def command(
    names: tuple[str, ...], images: tuple[Path, ...], rounds: int, *, is_written: bool
) -> None:
    """Measure networks of the catalogue, all without NAMES, and show them as a table.

    Each is measured beside onnxruntime with one thread, float32 and int8. Run it on a machine that
    does nothing else. ResNets have random weights here: these take as long as real ones.
    """
    if os.environ.get("OMP_NUM_THREADS") != "1":
        raise ToolError("the measurements are of one thread: set OMP_NUM_THREADS=1")
    if unknown := set(names) - set(NETWORKS):
        raise ToolError(f"{min(unknown)}: no such network; there is {', '.join(NETWORKS)}")
    require("onnx", "onnx", "onnxruntime")
    from tools.model.measure import measure  # noqa: PLC0415  (brings ONNX Runtime)

    labels = parse_labels(IMAGENET_LABELS.read_bytes(), str(IMAGENET_LABELS))
    photographs: list[Image] = [image for folder in images for image in find_images(folder, labels)]
    measurements = read_measurements() if is_written else {}
    for name in names or NETWORKS:
        measurements[name] = measure(NETWORKS[name], photographs, rounds)
        click.echo(f"{name}: {measurements[name]}")
        if is_written:
            write_measurements(measurements)
    table = _table(measurements)
    click.echo(table)
    if is_written:
        fill_section(_PAGE, "networks", table)


def _table(measurements: Mapping[str, Measurement]) -> str:
    prices = json.loads(_PRICES.read_text(encoding="utf-8"))
    lines = [
        _HEADING,
        "|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    for name, network in NETWORKS.items():
        if (each := measurements.get(name)) is None:
            continue
        agreement = "" if each.agreement is None else f"{each.agreement:.1%} of {each.images}"
        lines.append(
            f"| {name} | {network.top1:.1f} | {network.top5 or ''} | {each.bytes / 1e6:.0f}"
            f" | {each.float32_ms:.1f} | {each.int8_ms:.1f}"
            f" | {each.onnxruntime_ms:.1f} | {each.onnxruntime_int8_ms:.1f} | {agreement}"
            f" | {each.memory_mb:.0f} ({each.int8_memory_mb:.0f})"
            f" | {_dollars(each.float32_ms, prices):.2f} ({_dollars(each.int8_ms, prices):.2f}) |"
        )
    return "\n".join(lines)


def _dollars(ms: float, prices: Mapping[str, float]) -> float:
    """What Lambda asks for a million images, one a request, in a function of one vCPU."""
    seconds = (ms + _REST_MS) / 1000
    compute = 1e6 * seconds * _VCPU_MB / 1024 * prices["lambda_gb_second"]
    return compute + prices["lambda_million_requests"]
