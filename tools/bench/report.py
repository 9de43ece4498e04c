"""The results as docs/benchmarks.md, as plots, and as docs/benchmarks.json."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from jinja2 import Environment, StrictUndefined

from tools.bench.contenders import Sample
from tools.bench.measure import IMPORTS, TORCH, TWO_THREADS, Results

# The limit of each ratio, ours over the other's.
LIMITS = {
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
DESCRIPTIONS = {
    "start_vs_2017": "Spawn to first response, the bundle read from S3, over the 2017 strategy's",
    "warm_float32_vs_2017": "Warm request, JPEG of 100 KB, float32, over the 2017 strategy's",
    "warm_int8_vs_2017": "The same, int8",
    "warm_float32_vs_2017_two_threads": "The same, two threads each, float32",
    "warm_int8_vs_2017_two_threads": "The same, two threads each, int8",
    "inference_float32_vs_onnxruntime": "Inference alone, float32, one thread, over ONNX Runtime's",
    "inference_int8_vs_onnxruntime": "Inference alone, int8, over ONNX Runtime's float32",
    "preprocess_12mp_vs_full": "12-megapixel JPEG to tensor, over full decoding and INTER_AREA",
    "non_inference_share": "The share of a warm float32 request that is not inference",
}


def ratios(results: Results) -> dict[str, float]:
    """The ratios, ours over the other's, of medians of one run."""
    warm, warm_2 = (
        {name: sample.median for name, sample in results.requests[measurement].items()}
        for measurement in ("100 KB", TWO_THREADS)
    )
    inference = {name: sample.median for name, sample in results.engines["batch 1"].items()}
    theirs = inference["ONNX Runtime"]
    values = {
        "start_vs_2017": results.starts["ours"].median / results.starts["2017"].median,
        "warm_float32_vs_2017": warm["ours float32"] / warm["2017"],
        "warm_int8_vs_2017": warm["ours int8"] / warm["2017"],
        "warm_float32_vs_2017_two_threads": warm_2["ours float32"] / warm_2["2017"],
        "warm_int8_vs_2017_two_threads": warm_2["ours int8"] / warm_2["2017"],
        "inference_float32_vs_onnxruntime": inference["MXNet float32 (ours)"] / theirs,
        "inference_int8_vs_onnxruntime": inference["MXNet int8 (ours)"] / theirs,
        "preprocess_12mp_vs_full": (
            results.preparation["ours"].median / results.preparation["whole"].median
        ),
        "non_inference_share": results.not_inference.median,
    }
    return {name: round(value, 3) for name, value in values.items()}


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
            peak_mb=results.peak_mb,
            torch=TORCH in results.engines["batch 1"],
            verdicts=verdicts(document["ratios"]),
            starts=sample_table("start-up", results.starts, "s"),
            phases=phases(results),
            bundle_ms=bundle,
            imports=sample_table("a bare interpreter, and", imports),
            steps=steps(results),
            floor=floor(results),
            requests=[sample_table(run, samples) for run, samples in results.requests.items()],
            engines=[sample_table(run, samples) for run, samples in results.engines.items()],
            preparation=sample_table("12 MP to tensor", results.preparation),
            load=load(document["load"]),
            package=package(document["package"]),
        ).rstrip()
        + "\n"
    )


def summary(document: Mapping[str, Any]) -> str:
    """The README's section on benchmarks. document: docs/benchmarks.json."""
    values = document["ratios"]
    start = document["runs"]["start_s"]["ours"]["median"]
    rows = [
        ["from process spawn to the first answer", f"{values['start_vs_2017']:.2f}"],
        ["a warm request, float32, one thread", f"{values['warm_float32_vs_2017']:.2f}"],
        ["a warm request, int8, one thread", f"{values['warm_int8_vs_2017']:.3f}"],
        ["the same with two, float32", f"{values['warm_float32_vs_2017_two_threads']:.2f}"],
        ["the same with two, int8", f"{values['warm_int8_vs_2017_two_threads']:.3f}"],
    ]
    text = (
        "ResNet-18, one JPEG of 100 KB, one run of everything side by side; the time over that of a"
        " handler that keeps to the strategy of 2017, medians:\n\n"
        + table(["", "ratio"], rows)
        + f"\nA cold start took {start:.2f} s; memory peaked at {document['peak_memory_mb']} MB."
        f" Inference alone takes {values['inference_float32_vs_onnxruntime']:.2f} of ONNX Runtime's"
        f" time in float32, and {values['inference_int8_vs_onnxruntime']:.2f} in int8."
    )
    for precision, run in document["load"].items():
        text += (
            f" At {run['rate']:.0f} requests a second for {run['seconds']:.0f} s, two environments"
            f" with {precision} answered in {run['mean_ms']:.0f} ms on average, with"
            f" {run['errors']} errors; the highest sustained rate was {run['highest_rate']:.0f}."
        )
    return text


def verdicts(ratios: Mapping[str, float]) -> str:
    """Each ratio, its limit, and whether it is met."""
    rows = []
    for name, value in ratios.items():
        met = "yes" if value <= LIMITS[name] else "**no**"
        rows.append([DESCRIPTIONS[name], f"{value:.3f}", f"{LIMITS[name]:.2f}", met])
    return table(["ratio of medians", "measured", "at most", "met"], rows)


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


def floor(results: Results) -> dict[str, str]:
    """Our inference alone over the 2017 strategy's whole request, by precision."""
    theirs = results.requests["100 KB"]["2017"].median
    inference = results.engines["batch 1"]
    return {
        precision: f"{inference[f'MXNet {precision} (ours)'].median / theirs:.3f}"
        for precision in ("float32", "int8")
    }


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
    total = {"all": sum(sizes.values())}
    rows = [[name, f"{size:,}"] for name, size in {**sizes, **total}.items()]
    return table(["part", "bytes"], rows)


def as_json(results: Results) -> dict[str, Any]:
    """The figures of every sample."""
    measurements = {
        "start_s": results.starts,
        "imports_ms": results.imports,
        "preparation_ms": results.preparation,
        **{f"request_ms, {run}": samples for run, samples in results.requests.items()},
        **{f"steps_ms, {precision}": samples for precision, samples in results.steps.items()},
        **{f"inference_ms, {run}": samples for run, samples in results.engines.items()},
    }
    return {
        measurement: {contender: sample.describe() for contender, sample in samples.items()}
        for measurement, samples in measurements.items()
    }


def write(results: Results, document: dict[str, Any], docs: Path) -> None:
    """Write benchmarks.json, benchmarks.md and the plots into the folder ``docs``."""
    from tools.bench import plots  # noqa: PLC0415  (matplotlib, for this alone)

    (docs / "benchmarks.json").write_text(json.dumps(document, indent=1) + "\n")
    (docs / "benchmarks.md").write_text(page(results, document))
    plots.draw(results, docs / "images")
