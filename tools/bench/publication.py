"""What `make bench` measured goes into the documents: docs/benchmarks.*, its plots, the README."""

import json
import shutil
from pathlib import Path

import click

from tools.bench.report import summary
from tools.docs.sections import fill_section
from tools.errors import ToolError
from tools.project import ROOT

FIGURES = "benchmarks.json"


def publish(folder: Path, root: Path = ROOT) -> None:
    """Copy the page, its plots and its figures from ``folder`` to docs/, and fill the README.

    Raises ToolError: nothing was measured, or too little of it.
    """
    figures = folder / FIGURES
    if not figures.exists():
        raise ToolError(f"{folder} has no measurements: run `make bench` first")
    document = json.loads(figures.read_text())
    if not document["load"]:
        raise ToolError(
            f"{folder} has no load test, and the documents show one: run `make bench` without"
            " --rounds 1 and --load-seconds 0"
        )
    shutil.copytree(folder, root / "docs", dirs_exist_ok=True)
    fill_section(root / "README.md", "benchmarks", summary(document))
    click.echo(f"Written: docs/benchmarks.md, its figures and plots, README.md ({folder})")
