"""Measures everything side by side, into build/bench; publishes that in the documents."""

import subprocess
import tempfile
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from tools.bench import contenders, load, machine, measure, publication, report
from tools.bench.packages import check_packages
from tools.command import Command
from tools.local.s3 import LocalS3
from tools.project import ROOT

BUCKET = "bench"
TO = ROOT / "build" / "bench"
LOAD_S = 60
PRECISIONS = ("float32", "int8")


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
    check_packages("aiohttp", "matplotlib", "openvino")
    if load_seconds is None:
        load_seconds = LOAD_S if rounds > 1 else 0
    results = measure.Results()
    engines = dict[str, tuple[str, ...]](measure.ENGINES)
    if torch:
        engines[measure.TORCH] = ("engine", "torch", torch[0])
    console = Console()
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        folder = Path(name)
        with console.status("making images and bundles"):
            measure.make_inputs(folder)
        run(results, folder, engines, rounds, console)
        document: dict[str, Any] = {
            "date": datetime.now(UTC).date().isoformat(),
            "machine": machine.describe({"torch": torch[1]} if torch else {}),
            "ratios": report.ratios(results),
            "peak_memory_mb": round(results.peak_mb["ours float32"]),
            "load": load.measure(folder, load.RATE, load_seconds, console) if load_seconds else {},
            "runs": report.as_json(results) | {"peak_memory_mb": results.peak_mb},
            "package": package(),
        }
    to.mkdir(parents=True, exist_ok=True)
    report.write(results, document, to)
    for ratio, value in document["ratios"].items():
        limit = report.LIMITS[ratio]
        verdict = "[green]met[/]" if value <= limit else "[red]not met[/]"
        console.print(f"{ratio:<34} {value:6.3f}  (at most {limit:.2f}) {verdict}")
    console.print(f"Peak memory {document['peak_memory_mb']} MB.")
    if not load_seconds:
        console.print("Left out: the load test (--load-seconds 60, or more than one round).")
    console.print(f"The page: {to / 'benchmarks.md'}", soft_wrap=True)
    if to == TO:
        console.print("The documents are as they were; `make bench-publish` puts it there.")


def run(
    results: measure.Results,
    folder: Path,
    engines: Mapping[str, tuple[str, ...]],
    rounds: int,
    console: Console,
) -> None:
    """Run all measurements but the load, with their progress."""
    with LocalS3() as s3:
        variables = {
            precision: s3.variables
            | {"MODEL_URI": s3.fill_from(BUCKET, precision, folder / precision)}
            for precision in PRECISIONS
        }
        float32, int8 = variables["float32"], variables["int8"]
        by_contender = {"ours float32": float32, "ours int8": int8, "2017": float32}
        columns = (
            TextColumn("{task.description:<34}"),
            BarColumn(),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
        )
        turns = rounds * (
            4 + len(measure.REQUEST_RUNS) * len(measure.REQUESTS) + 2 + 3 * len(engines) + 2
        )
        with Progress(*columns, console=console) as progress:
            task = progress.add_task("", total=turns)

            def tick(description: str) -> None:
                progress.update(task, description=description, advance=1)

            measure.start_up(results, folder, float32, rounds, tick)
            measure.requests(results, folder, by_contender, rounds, tick)
            measure.steps(results, folder, variables, rounds, tick)
            measure.engines(results, folder, engines, rounds, tick)
            measure.preparation(results, folder, rounds, tick)


def package() -> dict[str, int]:
    """Bytes of the function and its layers; empty: they are not built."""
    parts = [part for part in contenders.BUILT.glob("*") if part.is_dir()]
    return {
        part.name: sum(file.stat().st_size for file in part.rglob("*") if file.is_file())
        for part in sorted(parts)
    }
