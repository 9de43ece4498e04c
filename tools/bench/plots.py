"""The plots of docs/benchmarks.md."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import matplotlib as mpl
import matplotlib.pyplot as plt

from tools.bench.contenders import Figures
from tools.bench.measure import engine_run
from tools.bench.worker import LITE, RESNET

mpl.use("svg")
mpl.rcParams |= {
    "svg.hashsalt": "bench",  # The same figures give the same file.
    "svg.fonttype": "none",
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
}
_OURS, _OTHERS = "#2a6f97", "#b0b7bd"


def draw(runs: Mapping[str, Any], dollars: Mapping[str, float], folder: Path) -> None:
    """Draw all plots into ``folder``.

    runs: those of docs/benchmarks.json. dollars: for a million images on Lambda, by contender.
    """
    folder.mkdir(parents=True, exist_ok=True)
    _short(runs["request_ms, 234 KB"], dollars, folder / "bench-short.svg")
    request = runs["request_ms, 100 KB"]
    _bars(request, "ms a warm request, 100 KB JPEG", folder / "bench-request.svg")
    for network, name in ((RESNET, "bench-inference.svg"), (LITE, "bench-inference-lite0.svg")):
        samples = runs[f"inference_ms, {engine_run(network, 1, 1)}"]
        _bars(samples, f"ms an image, {network}, one thread", folder / name)
    _phases(runs["phases_ms"], folder / "bench-start.svg")


def _short(samples: Figures, dollars: Mapping[str, float], path: Path) -> None:
    """Milliseconds beside dollars, ours beside what a user would write today."""
    names = [name for name in samples if name != "2017"][::-1]
    colors = [_OURS if "ours" in name else _OTHERS for name in names]
    figure, sides = plt.subplots(1, 2, figsize=(8, 2.4), layout="constrained", sharey=True)
    columns = (
        ("ms a photograph of 234 KB", [samples[name]["median"] for name in names], "{:.1f}"),
        ("dollars a million, by function URL", [dollars[name] for name in names], "${:.2f}"),
    )
    for axes, (label, values, form) in zip(sides, columns, strict=True):
        axes.barh(names, values, color=colors)
        for index, value in enumerate(values):
            axes.annotate(" " + form.format(value), (value, index), va="center")
        axes.set_xlabel(label)
        axes.margins(x=0.2)
    _save(figure, path)


def _bars(samples: Figures, label: str, path: Path) -> None:
    figure, axes = plt.subplots(figsize=(7, 0.45 * len(samples) + 0.9), layout="constrained")
    names = list(samples)[::-1]
    figures = [samples[name] for name in names]
    medians = [each["median"] for each in figures]
    spread = [
        [each["median"] - each["p25"] for each in figures],
        [each["p75"] - each["median"] for each in figures],
    ]
    colors = [_OURS if "ours" in name else _OTHERS for name in names]
    axes.barh(names, medians, color=colors, xerr=spread, error_kw={"lw": 1, "ecolor": "#333"})
    for index, value in enumerate(medians):
        axes.annotate(f" {value:.3g}", (figures[index]["p75"], index), va="center")
    axes.set_xlabel(f"{label} (median, quartiles)")
    _save(figure, path)


def _phases(phases: Mapping[str, Any], path: Path) -> None:
    figure, axes = plt.subplots(figsize=(7, 2.6), layout="constrained")
    colors = mpl.color_sequences["tab20"]
    phase_colors: dict[str, Any] = {}
    for row, (kind, figures) in enumerate(reversed(list(phases.items()))):
        last = 0.0
        for name, ms in figures["reached"].items():
            color = phase_colors.setdefault(name, colors[len(phase_colors) % len(colors)])
            at = ms / 1000
            axes.barh(kind, at - last, left=last, color=color)
            last = at
        axes.annotate(f" {last:.2f} s", (last, row), va="center")
    handles = [mpl.patches.Patch(color=color, label=name) for name, color in phase_colors.items()]
    axes.legend(
        handles=handles, loc="upper center", bbox_to_anchor=(0.5, -0.3), ncols=3, frameon=False
    )
    axes.set_xlabel("seconds from spawn")
    _save(figure, path)


def _save(figure: Any, path: Path) -> None:
    figure.savefig(path, metadata={"Date": None})
    plt.close(figure)
