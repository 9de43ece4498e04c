"""What a bundle holds, in words."""

from collections.abc import Iterator
from typing import Any

from rich import box
from rich.table import Table

from classifier.model.bundle import Bundle, Store
from classifier.model.network import Model
from tools.model.draft import read_notes
from tools.model.quantize import Comparison


def summary(bundle: Bundle, store: Store) -> Table:
    """A table of ``bundle``, which came from ``store``; its network is bound and run once.

    Raises BundleError: the network does not fit its parameters or labels.
    """
    manifest, preprocessing = bundle.manifest, bundle.manifest.input
    Model.load(bundle)
    table = Table.grid(padding=(0, 2))
    table.add_row("bundle", str(store))
    table.add_row("name", manifest.name)
    table.add_row("version", manifest.version)
    table.add_row("source", manifest.source)
    table.add_row("precision", manifest.precision)
    for role, file in manifest.files.items():
        if file.sha256 is None:
            table.add_row(role, f"{file.key}, no checksum: this bundle has no manifest")
        else:
            table.add_row(
                role, f"{file.key}, {file.bytes:,} bytes, SHA-256 verified:\n{file.sha256}"
            )
    fit = (
        "straight to it"
        if preprocessing.fit == "squash"
        else f"short side to {preprocessing.resize}, centre"
    )
    table.add_row(
        "input",
        f"{preprocessing.name!r}: {preprocessing.size} x {preprocessing.size}, {fit}, {preprocessing.color}",
    )
    table.add_row(
        "pixels",
        f"(pixel * {preprocessing.scale:g} - {_three(preprocessing.mean)}) / {_three(preprocessing.std)}",
    )
    kind = "probabilities" if manifest.output.probabilities else "logits, softmax is applied"
    table.add_row("output", f"{len(bundle.labels)} classes, {kind}")
    for name, value in read_notes(store).items():
        table.add_row(name, "\n".join(_lines(value)))
    return table


def comparison_table(comparison: Comparison) -> Table:
    """float32 and int8 side by side."""
    sides = comparison.float32, comparison.int8
    table = Table("", "float32", "int8", box=box.SIMPLE)
    for title, name in (("top-1", "top1"), ("top-5", "top5")):
        scores = [side.score for side in sides]
        if all(scores):
            table.add_row(title, *(f"{getattr(each, name):.1%}" for each in scores))
    table.add_row("one image, ms", *(f"{side.ms:.1f}" for side in sides))
    table.add_row("parameters, MB", *(f"{side.bytes / 1e6:.1f}" for side in sides))
    table.add_row("same first label", "", f"{comparison.agreement:.1%}")
    table.add_row("times as fast", "", f"{comparison.float32.ms / comparison.int8.ms:.2f}")
    table.caption = (
        f"{comparison.held_out_images} held-out images;"
        f" {comparison.calibration_images} calibrated it ({comparison.calibration})"
    )
    return table


def _lines(value: Any, path: str = "") -> Iterator[str]:
    """A line for each value in a tree of JSON objects."""
    if not isinstance(value, dict):
        yield f"{path}: {value}" if path else str(value)
        return
    for name, inner in value.items():
        yield from _lines(inner, f"{path}.{name}" if path else name)


def _three(values: tuple[float, ...]) -> str:
    return "(" + ", ".join(f"{value:g}" for value in values) + ")"
