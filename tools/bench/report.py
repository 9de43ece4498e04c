"""The results as docs/benchmarks.md, as plots, and as docs/benchmarks.json."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from jinja2 import Environment, StrictUndefined

from tools.bench import cost
from tools.bench.contenders import Sample
from tools.bench.measure import HANDLERS, IMPORTS, TORCH_ENGINES, Results, engine_run


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table in Markdown; the first column is aligned left, the others right."""
    rule = "|".join(["---", *["---:"] * (len(head) - 1)])
    lines = [" | ".join(head), rule, *(" | ".join(row) for row in rows)]
    return "\n".join(f"| {line} |" if line != rule else f"|{line}|" for line in lines) + "\n"


def sample_table(
    name: str, samples: Mapping[str, Sample], unit: str = "ms", factor: float = 1
) -> str:
    """A table of samples: median, quartiles, count, and each median over the first's."""
    first = next(iter(samples.values())).median
    rows = []
    for contender, sample in samples.items():
        figures = sample.describe()
        low, middle, high = (figures[key] * factor for key in ("p25", "median", "p75"))
        rows.append(
            [
                contender,
                f"{middle:.3g}",
                f"{low:.3g} to {high:.3g}",
                str(figures["count"]),
                f"{sample.median / first:.2f}",
            ]
        )
    return table([name, f"median, {unit}", "quartiles", "runs", "ratio"], rows)


def page(results: Results, document: Mapping[str, Any]) -> str:
    """The text of docs/benchmarks.md. document: docs/benchmarks.json."""
    imports = {IMPORTS[module]: sample for module, sample in results.imports.items()}
    bundle = Sample([[run["bundle"] for run in results.phases["ours"]]]).median * 1000
    template = Environment(undefined=StrictUndefined, autoescape=False).from_string(  # noqa: S701
        Path(__file__).with_name("page.md.jinja").read_text()
    )
    return (
        template.render(
            document=document,
            torch=any(set(TORCH_ENGINES) & set(samples) for samples in results.engines.values()),
            short=short(document),
            starts=sample_table("start-up", results.starts, "s"),
            cold_starts=cold_starts(results),
            phases=phases(results),
            bundle_ms=bundle,
            imports=sample_table("a bare interpreter, and", imports),
            steps=steps(results),
            requests=[sample_table(run, samples) for run, samples in results.requests.items()],
            memory=memory(results),
            engines=[sample_table(run, samples) for run, samples in results.engines.items()],
            batches=batches(results),
            preparation=sample_table("12 MP to tensor", results.preparation),
            load=load(document["load"]),
            package=package(document["package"]),
        ).rstrip()
        + "\n"
    )


def short(document: Mapping[str, Any]) -> str:
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


def summary(document: Mapping[str, Any]) -> str:
    """The README's section on benchmarks. document: docs/benchmarks.json."""
    load = " ".join(
        f"At {run['rate']:.0f} requests a second for {run['seconds']:.0f} s, two environments with"
        f" {precision} answered in {run['mean_ms']:.0f} ms on average, with {run['errors']} errors."
        for precision, run in document["load"].items()
    )
    return f"{short(document)}\n{load}"


def dollars(results: Results) -> dict[str, float]:
    """A million photographs of 234 KB on Lambda, without a gateway, at 1,769 MB, by contender."""
    prices = cost.Prices.read(cost.PRICES)
    return {
        name: cost.million(prices, sample.median, 1769)["function URL"]
        for name, sample in results.requests["234 KB"].items()
    }


def cold_starts(results: Results) -> str:
    """Start-up after the system forgot what it read from disks; empty: it may not be told to."""
    if not results.cold_starts:
        return ""
    rows = []
    for name, sample in results.cold_starts.items():
        warm = results.starts[name].median
        read = results.read_mb[name].median
        runs = len(sample.values)
        ratio = sample.median / warm
        figures = f"{sample.median:.2f}", f"{warm:.2f}", f"{ratio:.2f}", f"{read:.0f}", str(runs)
        rows.append([name, *figures])
    return table(["cold disk", "median, s", "warm, s", "ratio", "read, MB", "runs"], rows)


def memory(results: Results) -> str:
    """The peak memory of each process that answered whole requests."""
    rows = [[name, f"{peak:.0f}"] for name, peak in results.peak_mb.items()]
    return table(["peak memory", "MB"], rows)


def batches(results: Results) -> str:
    """Images a second of one environment, beside what its network alone would give."""
    rows = []
    for run, threads in (("one vCPU", 1), ("two vCPU", 2)):
        for name, sample in results.batches[run].items():
            _, network, _ = HANDLERS[name]
            engine = name.replace("Lite0 ", "")
            alone = 8000 / results.engines[engine_run(network, 8, threads)][engine].median
            figures = f"{sample.median:.0f}", f"{alone:.0f}", f"{sample.median / alone:.2f}"
            rows.append([f"{name}, {run}", *figures])
    return table(["batches", "images/s", "network alone, images/s", "ratio"], rows)


def phases(results: Results) -> str:
    """The phases of a start-up: each one's median."""
    rows = []
    for kind, runs in results.phases.items():
        last = 0.0
        for index, (name, _) in enumerate(runs[0]["reached"]):
            at = Sample([[run["reached"][index][1] for run in runs]]).median
            rows.append([kind, name, f"{(at - last) * 1000:.0f}", f"{at * 1000:.0f}"])
            last = at
    return table(["strategy", "phase", "takes, ms", "done at, ms"], rows)


def steps(results: Results) -> str:
    """The steps of a warm request: each one's median, and its share of the whole."""
    names = next(iter(results.steps.values()))
    rows = []
    for step in names:
        row = [step]
        for samples in results.steps.values():
            share = samples[step].median / samples["in all"].median
            row += [f"{samples[step].median:.2f}", f"{share:.1%}"]
        rows.append(row)
    head = [cell for kind in results.steps for cell in (f"{kind}, ms", "of all")]
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
    return figures | {"peak_memory_mb": results.peak_mb}


def write(results: Results, document: dict[str, Any], docs: Path) -> None:
    """Write benchmarks.json, benchmarks.md and the plots into the folder ``docs``."""
    from tools.bench import plots  # noqa: PLC0415  (matplotlib, for this alone)

    (docs / "benchmarks.json").write_text(json.dumps(document, indent=1) + "\n")
    (docs / "benchmarks.md").write_text(page(results, document))
    plots.draw(results, dollars(results), docs / "images")
