"""What the model tool shows: progress on standard error, results on standard output."""

from pathlib import Path

import click
from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)

from classifier.model.manifest import Manifest
from tools.model.download import Report, Start

errors = Console(stderr=True)


def progress() -> Progress:
    """A bar on standard error, where that is a terminal; standard output is for programs."""
    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn()
    return Progress(
        *columns,
        TimeRemainingColumn(),
        console=errors,
        transient=True,
        disable=not errors.is_terminal,
    )


def byte_progress() -> Progress:
    """Bars on standard error that count bytes."""
    columns = TextColumn("{task.description}"), BarColumn(), DownloadColumn()
    return Progress(
        *columns,
        TransferSpeedColumn(),
        TimeRemainingColumn(),
        console=errors,
        disable=not errors.is_terminal,
    )


def show_downloads(bars: Progress, console: Console) -> Start:
    """What shows each download in ``console``: a line when it starts, then a bar in ``bars``."""

    def start(name: str) -> Report:
        console.print(f"Fetching {name}", soft_wrap=True)
        task = bars.add_task(name.rpartition("/")[2], total=None)
        return lambda here, total: bars.update(task, completed=here, total=total)

    return start


def print_written(folder: Path, manifest: Manifest) -> None:
    """One line about the bundle that was written into ``folder``."""
    click.echo(f"{folder} holds {manifest.name}, version {manifest.version}")
