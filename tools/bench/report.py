"""The results as a page, as plots, and as docs/benchmarks.json."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from jinja2 import Environment, StrictUndefined

from tools.bench.contenders import Sample
from tools.bench.measure import IMPORTS, TORCH, TWO_THREADS, Results
from tools.docs.sections import fill_section

README = Path(__file__).resolve().parents[2] / "README.md"

# Ours over the other's, and what it is to be at most.
BARS = {
    "start_vs_2017": 0.38,
    "warm_float32_vs_2017": 0.18,
    "warm_int8_vs_2017": 0.07,
    "warm_float32_vs_2017_two_threads": 0.18,
    "warm_int8_vs_2017_two_threads": 0.07,
    "inference_float32_vs_onnxruntime": 1.05,
    "inference_int8_vs_onnxruntime": 0.35,
    "preprocess_12mp_vs_full": 0.30,
    "non_inference_share": 0.15,
}
SAYS = {
    "start_vs_2017": "Spawn to first answer, the bundle read from S3, over the 2017 strategy's",
    "warm_float32_vs_2017": "Warm request, JPEG of 100 KB, float32, over the 2017 strategy's",
    "warm_int8_vs_2017": "The same, int8",
    "warm_float32_vs_2017_two_threads": "The same, two threads each, float32",
    "warm_int8_vs_2017_two_threads": "The same, two threads each, int8",
    "inference_float32_vs_onnxruntime": "Inference alone, float32, one thread, over ONNX Runtime's",
    "inference_int8_vs_onnxruntime": "Inference alone, int8, over ONNX Runtime's float32",
    "preprocess_12mp_vs_full": "12-megapixel JPEG to tensor, over full decoding and INTER_AREA",
    "non_inference_share": "What of a warm float32 request is not inference",
}


def ratios(results: Results) -> dict[str, float]:
    """Ours over the other's: of medians of one run."""
    warm, warm_2 = (
        {name: sample.median for name, sample in results.requests[asked].items()}
        for asked in ("100 KB", TWO_THREADS)
    )
    alone = {name: sample.median for name, sample in results.engines["batch 1"].items()}
    theirs = alone["ONNX Runtime"]
    found = {
        "start_vs_2017": results.starts["ours"].median / results.starts["2017"].median,
        "warm_float32_vs_2017": warm["ours float32"] / warm["2017"],
        "warm_int8_vs_2017": warm["ours int8"] / warm["2017"],
        "warm_float32_vs_2017_two_threads": warm_2["ours float32"] / warm_2["2017"],
        "warm_int8_vs_2017_two_threads": warm_2["ours int8"] / warm_2["2017"],
        "inference_float32_vs_onnxruntime": alone["MXNet float32 (ours)"] / theirs,
        "inference_int8_vs_onnxruntime": alone["MXNet int8 (ours)"] / theirs,
        "preprocess_12mp_vs_full": (
            results.preparation["ours"].median / results.preparation["whole"].median
        ),
        "non_inference_share": results.not_inference.median,
    }
    return {name: round(value, 3) for name, value in found.items()}


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table in Markdown; the first column to the left, the others to the right."""
    ruled = "|".join(["---", *["---:"] * (len(head) - 1)])
    lines = [" | ".join(head), ruled, *(" | ".join(row) for row in rows)]
    return "\n".join(f"| {line} |" if line != ruled else f"|{line}|" for line in lines) + "\n"


def sampled(name: str, samples: Mapping[str, Sample], unit: str = "ms", factor: float = 1) -> str:
    """A table of samples: median, quartiles, count, and each median over the first's."""
    first = next(iter(samples.values())).median
    rows = []
    for who, sample in samples.items():
        found = sample.describe()
        low, middle, high = (found[key] * factor for key in ("p25", "median", "p75"))
        rows.append(
            [
                who,
                f"{middle:.3g}",
                f"{low:.3g} to {high:.3g}",
                str(found["count"]),
                f"{sample.median / first:.2f}",
            ]
        )
    return table([name, f"median, {unit}", "quartiles", "runs", "ratio"], rows)


def page(results: Results, told: Mapping[str, Any]) -> str:
    """docs/benchmarks.md."""
    imports = {IMPORTS[module]: sample for module, sample in results.imports.items()}
    bundle = Sample([[run["bundle"] for run in results.phases["ours"]]]).median * 1000
    template = Environment(undefined=StrictUndefined, autoescape=False).from_string(  # noqa: S701
        Path(__file__).with_name("page.md.jinja").read_text()
    )
    return (
        template.render(
            told=told,
            peak_mb=results.peak_mb,
            torch=TORCH in results.engines["batch 1"],
            verdicts=verdicts(told["ratios"]),
            starts=sampled("start-up", results.starts, "s"),
            phases=phases(results),
            bundle_ms=bundle,
            imports=sampled("a bare interpreter, and", imports),
            steps=steps(results),
            floor=floor(results),
            requests=[sampled(image, found) for image, found in results.requests.items()],
            engines=[sampled(batch, found) for batch, found in results.engines.items()],
            preparation=sampled("12 MP to tensor", results.preparation),
            load=load(told["load"]),
            package=package(told["package"]),
        ).rstrip()
        + "\n"
    )


def summary(results: Results, told: Mapping[str, Any]) -> str:
    """What the README says of it."""
    found = told["ratios"]
    start = results.starts["ours"].median
    rows = [
        ["from process spawn to the first answer", f"{found['start_vs_2017']:.2f}"],
        ["a warm request, float32, one thread", f"{found['warm_float32_vs_2017']:.2f}"],
        ["a warm request, int8, one thread", f"{found['warm_int8_vs_2017']:.3f}"],
        ["the same with two, float32", f"{found['warm_float32_vs_2017_two_threads']:.2f}"],
        ["the same with two, int8", f"{found['warm_int8_vs_2017_two_threads']:.3f}"],
    ]
    said = (
        "ResNet-18, one JPEG of 100 KB, one run of everything side by side; the time over that of a"
        " handler that keeps to the strategy of 2017, medians:\n\n"
        + table(["", "ratio"], rows)
        + f"\nA cold start took {start:.2f} s; memory peaked at {told['peak_memory_mb']} MB."
        f" Inference alone takes {found['inference_float32_vs_onnxruntime']:.2f} of ONNX Runtime's"
        f" time in float32, and {found['inference_int8_vs_onnxruntime']:.2f} in int8."
    )
    for precision, run in told["load"].items():
        said += (
            f" At {run['rate']:.0f} requests a second for {run['seconds']:.0f} s, two environments"
            f" with {precision} answered in {run['mean_ms']:.0f} ms on average, with"
            f" {run['errors']} errors; the highest rate that held was {run['highest_rate']:.0f}."
        )
    return said


def verdicts(found: Mapping[str, float]) -> str:
    """Each ratio, what it should be, and whether it is."""
    rows = []
    for name, value in found.items():
        met = "yes" if value <= BARS[name] else "**no**"
        rows.append([SAYS[name], f"{value:.3f}", f"{BARS[name]:.2f}", met])
    return table(["ratio of medians", "measured", "at most", "met"], rows)


def phases(results: Results) -> str:
    """Where a start-up's time goes: each phase's median."""
    rows = []
    for kind, runs in results.phases.items():
        last = 0.0
        for index, (name, _) in enumerate(runs[0]["reached"]):
            at = Sample([[run["reached"][index][1] for run in runs]]).median
            rows.append([kind, name, f"{(at - last) * 1000:.0f}", f"{at * 1000:.0f}"])
            last = at
    return table(["strategy", "phase", "takes, ms", "done at, ms"], rows)


def steps(results: Results) -> str:
    """Where a warm request's time goes: each step's median, and its part of the whole."""
    names = next(iter(results.steps.values()))
    rows = []
    for step in names:
        row = [step]
        for found in results.steps.values():
            part = found[step].median / found["in all"].median
            row += [f"{found[step].median:.2f}", f"{part:.1%}"]
        rows.append(row)
    head = [cell for kind in results.steps for cell in (f"{kind}, ms", "of all")]
    return table(["step", *head], rows)


def floor(results: Results) -> dict[str, str]:
    """Our inference alone over the whole request of the 2017 strategy, by precision."""
    theirs = results.requests["100 KB"]["2017"].median
    alone = results.engines["batch 1"]
    return {
        precision: f"{alone[f'MXNet {precision} (ours)'].median / theirs:.3f}"
        for precision in ("float32", "int8")
    }


def load(runs: Mapping[str, Any]) -> str:
    """What `make load` found, if it was run."""
    names = {
        "rate": "requests/s",
        "seconds": "seconds",
        "mean_ms": "mean, ms",
        "p50_ms": "median, ms",
        "p99_ms": "p99, ms",
        "errors": "errors",
        "highest_rate": "highest rate that holds",
    }
    rows = [[who, *(f"{run[name]:.4g}" for name in names)] for who, run in runs.items()]
    return table(["precision", *names.values()], rows) if rows else ""


def package(sizes: Mapping[str, int]) -> str:
    """What `make build` made, if it was run."""
    if not sizes:
        return ""
    rows = [[name, f"{size:,}"] for name, size in (sizes | {"all": sum(sizes.values())}).items()]
    return table(["part", "bytes"], rows)


def as_json(results: Results) -> dict[str, Any]:
    """Every sample, described."""
    described = {
        "start_s": results.starts,
        "imports_ms": results.imports,
        "preparation_ms": results.preparation,
        **{f"request_ms, {image}": found for image, found in results.requests.items()},
        **{f"steps_ms, {precision}": found for precision, found in results.steps.items()},
        **{f"inference_ms, {batch}": found for batch, found in results.engines.items()},
    }
    return {
        what: {who: sample.describe() for who, sample in found.items()}
        for what, found in described.items()
    }


def write(results: Results, told: dict[str, Any], docs: Path) -> None:
    """Write benchmarks.json, benchmarks.md and the plots into the folder ``docs``."""
    from tools.bench import plots  # noqa: PLC0415  (matplotlib, for this alone)

    (docs / "benchmarks.json").write_text(json.dumps(told, indent=1) + "\n")
    (docs / "benchmarks.md").write_text(page(results, told))
    if docs == README.with_name("docs"):
        fill_section(README, "benchmarks", summary(results, told))
    plots.draw(results, docs / "images")
