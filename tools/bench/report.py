"""The results as docs/benchmarks.md, as plots, and as docs/benchmarks.json."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Any

from jinja2 import Environment, StrictUndefined

from tools.bench import cost
from tools.bench.contenders import Figures
from tools.bench.handlers import HANDLERS
from tools.bench.measure import IMPORTS, TORCH_ENGINES, Results, engine_run
from tools.bench.object_server import S3_PACE
from tools.bench.profile import BATCH_STEPS
from tools.bench.share import PERIOD_US
from tools.bench.tables import sample_table, table

_INTRODUCTION = """One image, one thread, medians of one run. Ours runs ResNet-18, or
EfficientNet-Lite0 ("Lite0"). Beside it, ResNet-18 in a handler as one would write it today
(onnxruntime, Pillow, boto3) and in one that works as the sample of 2017 did."""

# docs/benchmarks.json.
type Document = Mapping[str, Any]


def page(document: Document) -> str:
    """The text of docs/benchmarks.md."""
    runs = document["runs"]
    imports = {IMPORTS[module]: figures for module, figures in runs["imports_ms"].items()}
    inference = _named(runs, "inference_ms, ")
    template = Environment(undefined=StrictUndefined, autoescape=False).from_string(  # noqa: S701
        Path(__file__).with_name("page.md.jinja").read_text()
    )
    return (
        template.render(
            document=document,
            torch=any(set(TORCH_ENGINES) & set(samples) for samples in inference.values()),
            short=short(document),
            starts=sample_table("start-up", runs["start_s"], "s"),
            cold_starts=cold_starts(runs),
            phases=phases(runs["phases_ms"]),
            bundle_ms=runs["phases_ms"]["ours"]["bundle"],
            imports=sample_table("a bare interpreter, and", imports),
            pace=S3_PACE,
            period_ms=PERIOD_US // 1000,
            steps=steps(_named(runs, "steps_ms, ")),
            requests=[sample_table(*each) for each in _named(runs, "request_ms, ").items()],
            memory=memory(runs["peak_memory_mb"]),
            engines=[sample_table(*each) for each in inference.items()],
            batches=batches(runs),
            preparation=sample_table("12 MP to tensor", runs["preparation_ms"]),
            # Figures from before it was measured have no such member.
            cpu_shares=cpu_shares(document.get("cpu_shares", {})),
            load=load(document["load"]),
            package=package(document["package"]),
        ).rstrip()
        + "\n"
    )


def _named(runs: Mapping[str, Any], prefix: str) -> dict[str, Any]:
    """The measurements whose names begin with ``prefix``, by the rest of their names."""
    return {
        name.removeprefix(prefix): each for name, each in runs.items() if name.startswith(prefix)
    }


def short(document: Document) -> str:
    """What a reader wants to know first: ours beside a handler of today and the one of 2017."""
    runs = document["runs"]
    rows = [_short_row(runs, name) for name in HANDLERS]
    head = ["", "start-up, s", "photograph of 234 KB, ms", "JPEG of 100 KB, ms", "memory, MB"]
    return table(head, rows)


def _short_row(runs: Mapping[str, Any], name: str) -> list[str]:
    return [
        name,
        f"{runs['start_s'][name]['median']:.2f}",
        f"{runs['request_ms, 234 KB'][name]['median']:.1f}",
        f"{runs['request_ms, 100 KB'][name]['median']:.1f}",
        f"{runs['peak_memory_mb'][name]:.0f}",
    ]


def summary(document: Document) -> str:
    """The README's section on benchmarks. document: docs/benchmarks.json."""
    load = " ".join(
        f"At {run['rate']:.0f} requests a second for {run['seconds']:.0f} s, two environments with"
        f" {precision} answered in {run['mean_ms']:.0f} ms on average, with {run['errors']} errors."
        for precision, run in document["load"].items()
    )
    return f"{_INTRODUCTION}\n\n{short(document)}\n{load}"


def dollars(document: Document) -> dict[str, float]:
    """A million photographs of 234 KB by function URL, at 1,769 MB, by contender."""
    prices = cost.Prices.read(cost.PRICES)
    return {
        name: cost.million(prices, figures["median"], 1769)["function URL"]
        for name, figures in document["runs"]["request_ms, 234 KB"].items()
    }


def cold_starts(runs: Mapping[str, Any]) -> str:
    """Start-up after the system forgot what it read from disks; empty: it may not be told to."""
    rows = []
    for name, figures in runs["cold_start_s"].items():
        cold, warm = figures["median"], runs["start_s"][name]["median"]
        read = runs["cold_start_read_mb"][name]["median"]
        cells = f"{cold:.2f}", f"{warm:.2f}", f"{cold / warm:.2f}", f"{read:.0f}"
        rows.append([name, *cells, str(figures["count"])])
    head = ["cold disk", "median, s", "warm, s", "ratio", "read, MB", "runs"]
    return table(head, rows) if rows else ""


def memory(peaks: Mapping[str, float]) -> str:
    """The peak memory of each process that answered whole requests."""
    return table(["peak memory", "MB"], [[name, f"{peak:.0f}"] for name, peak in peaks.items()])


def cpu_shares(sizes: Mapping[str, Any]) -> str:
    """Our function with part of a vCPU; empty: it could not be measured."""
    rows = []
    for memory_mb, networks in sizes.items():
        for name, figures in networks.items():
            request = figures["request_ms"]["234 KB"]
            spread = f"{request['p25']:.3g} to {request['p75']:.3g}"
            cells = f"{figures['start_s']['median']:.2f}", f"{request['median']:.3g}", spread
            peak = f"{figures['peak_mb']:.0f}"
            rows.append([f"{int(memory_mb):,} MB", name, *cells, str(request["count"]), peak])
    head = ["memory size", "network", "start-up, s", "request, ms", "quartiles", "runs", "peak, MB"]
    return table(head, rows) if rows else ""


def batches(runs: Mapping[str, Any]) -> str:
    """Images a second of one environment, beside what its network alone would give.

    Then where an image's time goes, ms.
    """
    rows = []
    for run, threads in (("one vCPU", 1), ("two vCPU", 2)):
        for name, figures in runs[f"batch_images_s, {run}"].items():
            _, network, _ = HANDLERS[name]
            inference = runs[f"inference_ms, {engine_run(network, 8, threads)}"]
            alone = 8000 / inference[name.replace("Lite0 ", "")]["median"]
            rate = figures["median"]
            steps_ms = runs["batch_steps_ms"][run][name].values()
            times = [f"{ms:.1f}" for ms in (1000 / rate, *steps_ms)]
            cells = f"{rate:.0f}", f"{alone:.0f}", f"{rate / alone:.2f}"
            rows.append([f"{name}, {run}", *cells, *times])
    steps_head = [f"{step}, ms" for step in BATCH_STEPS]
    head = ["batches", "images/s", "network alone, images/s", "ratio", "an image, ms", *steps_head]
    return table(head, rows)


def phases(kinds: Mapping[str, Any]) -> str:
    """The phases of a start-up: each one's median."""
    rows = []
    for kind, figures in kinds.items():
        last = 0.0
        for name, at in figures["reached"].items():
            rows.append([kind, name, f"{at - last:.0f}", f"{at:.0f}"])
            last = at
    return table(["strategy", "phase", "takes, ms", "done at, ms"], rows)


def steps(kinds: Mapping[str, Figures]) -> str:
    """The steps of a warm request: each one's median, and its share of the whole."""
    rows = []
    for step in next(iter(kinds.values())):
        row = [step]
        for figures in kinds.values():
            ms = figures[step]["median"]
            row += [f"{ms:.2f}", f"{ms / figures['in all']['median']:.1%}"]
        rows.append(row)
    head = [cell for kind in kinds for cell in (f"{kind}, ms", "of all")]
    return table(["step", *head], rows)


def load(runs: Mapping[str, Any]) -> str:
    """The figures of the load, if there was one."""
    names = {
        "rate": "requests/s",
        "seconds": "seconds",
        "mean_ms": "mean, ms",
        "p50_ms": "median, ms",
        "p99_ms": "p99, ms",
        "errors": "errors",
        "highest_rate": "highest sustained rate",
    }
    rows = [[precision, *(f"{run[name]:.4g}" for name in names)] for precision, run in runs.items()]
    return table(["precision", *names.values()], rows) if rows else ""


def package(sizes: Mapping[str, int]) -> str:
    """The sizes of the build, if there is one."""
    if not sizes:
        return ""
    ours = {name: size for name, size in sizes.items() if name != "today"}
    rows = [[name, f"{size:,}"] for name, size in ours.items()]
    rows.append(["ours, all", f"{sum(ours.values()):,}"])
    rows.append(["packages of today's handler", f"{sizes['today']:,}"])
    return table(["part", "bytes"], rows)


def as_json(results: Results) -> dict[str, Any]:
    """The figures of every sample."""
    measurements = {
        "start_s": results.starts,
        "imports_ms": results.imports,
        "preparation_ms": results.preparation,
        "cold_start_s": results.cold_starts,
        "cold_start_read_mb": results.read_mb,
        **{f"request_ms, {run}": samples for run, samples in results.requests.items()},
        **{f"not_inference_ms, {run}": each for run, each in results.not_inference_ms.items()},
        **{f"batch_images_s, {run}": samples for run, samples in results.batches.items()},
        **{f"steps_ms, {precision}": samples for precision, samples in results.steps.items()},
        **{f"inference_ms, {run}": samples for run, samples in results.engines.items()},
    }
    figures: dict[str, Any] = {
        measurement: {contender: sample.describe() for contender, sample in samples.items()}
        for measurement, samples in measurements.items()
    }
    return figures | {
        "batch_steps_ms": results.batch_steps_ms,
        "phases_ms": {kind: _phases(runs) for kind, runs in results.phases.items()},
        "peak_memory_mb": {name: round(peak, 1) for name, peak in results.peak_mb.items()},
    }


def _phases(runs: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """When each phase was reached, and the bundle read, ms after the spawn: medians."""
    reached = {
        name: round(median(run["reached"][index][1] for run in runs) * 1000, 1)
        for index, (name, _) in enumerate(runs[0]["reached"])
    }
    bundle = [run["bundle"] for run in runs if run["bundle"]]
    return {"reached": reached, "bundle": round(median(bundle) * 1000, 1) if bundle else None}


def write(document: Document, docs: Path) -> None:
    """Write benchmarks.json, benchmarks.md and the plots into the folder ``docs``."""
    from tools.bench import plots  # noqa: PLC0415  (matplotlib, for this alone)

    (docs / "benchmarks.json").write_text(json.dumps(document, indent=1) + "\n")
    (docs / "benchmarks.md").write_text(page(document))
    plots.draw(document["runs"], dollars(document), docs / "images")
