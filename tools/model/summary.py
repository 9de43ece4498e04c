"""What a bundle holds, in words."""

from collections.abc import Iterator
from typing import Any

from rich.table import Column, Table

from classifier.model.bundle import Bundle, Store
from classifier.model.network import Model
from tools.model.files import read_notes
from tools.model.layers import describe_layers


def summary(bundle: Bundle, store: Store) -> Table:
    """A table of ``bundle``, which came from ``store``; its network is bound and run once.

    Raises BundleError: the network does not fit its parameters or labels.
    """
    manifest, preprocessing = bundle.manifest, bundle.manifest.input
    model = Model.load(bundle)
    table = Table.grid(Column(), Column(overflow="fold"), padding=(0, 2))  # addresses are not cut
    table.add_row("bundle", str(store))
    table.add_row("name", manifest.name)
    table.add_row("version", manifest.version)
    if manifest.description:
        table.add_row("knows", manifest.description)
    if manifest.licence:
        table.add_row("licence", manifest.licence)
    table.add_row("source", manifest.source)
    table.add_row("precision", manifest.precision)
    for role, file in manifest.files.items():
        if file.sha256 is None:
            table.add_row(role, f"{file.key}, no checksum: this bundle has no manifest")
        else:
            table.add_row(
                role, f"{file.key}, {file.bytes:,} bytes, SHA-256 verified:\n{file.sha256}"
            )
    size, mean, std = preprocessing.size, preprocessing.mean, preprocessing.std
    fit = "straight to it"
    if preprocessing.fit == "crop":
        fit = f"short side to {preprocessing.resize}, centre"
    name, color = preprocessing.name, preprocessing.color
    table.add_row("input", f"{name!r}: {size} x {size}, {fit}, {color}")
    table.add_row("pixels", f"(pixel * {preprocessing.scale:g} - {_three(mean)}) / {_three(std)}")
    output = manifest.output
    kind = "probabilities" if output.probabilities else f"logits, {output.activation} is applied"
    if output.activation == "sigmoid":
        kind += "; an image may have several"
    table.add_row("output", f"{len(bundle.labels)} classes, {kind}")
    for name, text in describe_layers(model.sizes).items():
        table.add_row(name, text)
    for name, value in read_notes(store).items():
        table.add_row(name, "\n".join(_lines(value)))
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
