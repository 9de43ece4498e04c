"""Measures everything side by side, into build/bench; publishes that in the documents."""

import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from tools.bench import (
    handlers,
    load,
    machine,
    measure,
    part_vcpu,
    publication,
    ratios,
    report,
)
from tools.bench.handlers import HANDLERS, OURS
from tools.bench.object_server import S3_PACE, object_server
from tools.bench.worker import BATCHES, NETWORKS
from tools.command import Command
from tools.packages import require
from tools.project import ROOT

TO = ROOT / "build" / "bench"
LOAD_S = 60


def with_torch_version(
    _context: click.Context, _option: click.Parameter, python: str | None
) -> tuple[str, str] | None:
    """``python`` and the version of its PyTorch. Raises click.BadParameter: it has none."""
    if python is None:
        return None
    code = "import numpy, torch; print(torch.__version__)"
    try:
        process = subprocess.run([python, "-c", code], capture_output=True, text=True, check=False)
    except OSError as error:
        raise click.BadParameter(f"{python}: {error.strerror}") from error
    if process.returncode:
        message = (process.stderr.strip().splitlines() or ["it ends with an error"])[-1]
        raise click.BadParameter(f"{python}: {message}")
    return python, process.stdout.strip()


@click.command("scripts/bench.py", cls=Command, context_settings={"show_default": True})
@click.option("--rounds", default=15, type=click.IntRange(1), help="Turns of each contender.")
@click.option(
    "--load-seconds",
    type=click.IntRange(0),
    help="0: no load test.  [default: 60; with one round 0]",
)
@click.option(
    "--torch",
    metavar="PYTHON",
    callback=with_torch_version,
    help="A Python with PyTorch and NumPy, to measure PyTorch too.",
)
@click.option("--to", default=TO, type=click.Path(path_type=Path), help="Folder for the page.")
@click.option(
    "--publish",
    is_flag=True,
    help="Measure nothing: write what is in the folder into docs/ and the README.",
)
def main(
    rounds: int, load_seconds: int | None, torch: tuple[str, str] | None, to: Path, publish: bool
) -> None:
    """Measure everything side by side; write the page, its plots and the figures.

    The documents stay as they are. A single round takes some two minutes and leaves out the load
    test; its figures are rough.
    """
    if publish:
        publication.publish(to)
        return
    require("bench", "aiohttp", "matplotlib", "nncf", "openvino")
    if load_seconds is None:
        load_seconds = LOAD_S if rounds > 1 else 0
    results = measure.Results()
    engines: dict[str, Sequence[str]] = {name: (kind,) for name, kind in measure.ENGINES.items()}
    if torch:
        engines |= {name: (kind, torch[0]) for name, kind in measure.TORCH_ENGINES.items()}
    console = Console()
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        folder = Path(name)
        with console.status("making images and bundles"):
            measure.make_inputs(folder)
        run(results, folder, engines, rounds, console)
        document: dict[str, Any] = {
            "date": datetime.now(UTC).date().isoformat(),
            "machine": machine.describe({"torch": torch[1]} if torch else {}),
            "ratios": ratios.ratios(results),
            "peak_memory_mb": round(results.peak_mb["ours float32"]),
            "load": load.measure(folder, load.RATE, load_seconds, console) if load_seconds else {},
            "runs": report.as_json(results),
            "cpu_shares": results.cpu_shares,
            "package": machine.package(),
        }
    to.mkdir(parents=True, exist_ok=True)
    report.write(document, to)
    for ratio, value in document["ratios"].items():
        verdict = ""
        if limit := ratios.LIMITS.get(ratio):
            word = "at least" if ratio in ratios.LEAST else "at most"
            met = "[green]met[/]" if ratios.is_met(ratio, value) else "[red]not met[/]"
            verdict = f"({word} {limit:g}) {met}"
        console.print(f"{ratio:<40} {value:8.3f}  {verdict}")
    console.print(f"Peak memory {document['peak_memory_mb']} MB.")
    for line in left_out(document):
        console.print(line)
    console.print(f"The page: {to / 'benchmarks.md'}", soft_wrap=True)
    if to == TO:
        console.print("The documents are as they were; `make bench-publish` puts it there.")


def left_out(document: Mapping[str, Any]) -> list[str]:
    """What was not measured, and how it would be. document: docs/benchmarks.json."""
    lines = {
        "load": "the load test (--load-seconds 60, or more than one round)",
        "cpu_shares": "part of a vCPU (only root may limit a process, and not in every container)",
    }
    return [f"Left out: {line}." for member, line in lines.items() if not document[member]]


def run(
    results: measure.Results,
    folder: Path,
    engines: Mapping[str, Sequence[str]],
    rounds: int,
    console: Console,
) -> None:
    """Run all measurements but the load, with their progress."""
    with object_server(handlers.objects(folder), S3_PACE) as url:
        variables = handlers.variables(url)
        columns = (
            TextColumn("{task.description:<34}"),
            BarColumn(),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
        )
        turns = len(NETWORKS) * 2 * len(BATCHES) + rounds * (
            (1 + len(measure.REQUEST_RUNS)) * len(HANDLERS)
            + len(measure.PHASED)
            + len(measure.COLD)
            + 3 * len(OURS)
            + len(measure.PREPARATIONS)
            + 2 * len(part_vcpu.SIZES_MB) * len(OURS)
        )
        with Progress(*columns, console=console) as progress:
            task = progress.add_task("", total=turns)

            def tick(description: str) -> None:
                progress.update(task, description=description, advance=1)

            measure.start_up(results, folder, variables, rounds, tick)
            measure.requests(results, folder, variables, rounds, tick)
            results.cpu_shares = part_vcpu.measure(folder, variables, rounds, tick)
            measure.steps(results, folder, variables, rounds, tick)
            measure.batches(results, folder, rounds, tick)
            measure.engines(results, folder, engines, rounds, tick)
            measure.preparation(results, folder, rounds, tick)
