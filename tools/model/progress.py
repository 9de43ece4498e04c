"""What is shown while something takes long."""

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
