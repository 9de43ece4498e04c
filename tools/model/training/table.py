"""The report in a terminal."""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from tools.model.training.evaluation import Share
from tools.model.training.report import Int8, Report

# The page beside the bundle has more.
_ROWS = 10
_MAX_CONFUSION = 12


def print_report(report: Report, console: Console) -> None:
    """Print the figures, the classes, and what to look at."""
    accuracy = report.evaluation.accuracy
    low, high = accuracy.interval
    console.print(
        f"\n[bold]{accuracy.value:.1%}[/] of {accuracy.images} images that were not trained with"
        f" are right (95% interval: {low:.1%} to {high:.1%})",
        highlight=False,
    )
    console.print(
        f"{report.trained} images trained {escape(report.name)} on {escape(report.base)};"
        f" held out: {escape(report.held_out)}; seed {report.seed}",
        highlight=False,
        soft_wrap=True,
    )
    console.print(_classes(report))
    if len(report.evaluation.classes) <= _MAX_CONFUSION:
        console.print(_confusion(report))
    else:
        console.print(_frequent(report))
    console.print(_minima(report))
    for remark in report.remarks():
        console.print(f"[yellow]*[/] {escape(remark)}", highlight=False)
    console.print(f"[yellow]*[/] {escape(_int8(report.int8))}", highlight=False)
    for title, lines in _lists(report):
        console.print(f"\n{title}", highlight=False)
        for line in lines[:_ROWS]:
            console.print(f"  {escape(line)}", highlight=False, soft_wrap=True)
        if len(lines) > _ROWS:
            console.print(f"  and {len(lines) - _ROWS} more: see the report", highlight=False)
    console.print()


def _int8(int8: Int8) -> str:
    """How int8 went."""
    if int8.failure:
        return f"int8 does not go: {int8.failure}"
    return (
        f"int8 gives {percent(int8.agreement)} of {int8.agreement.images} held-out images the same"
        f" label, and is {int8.speedup:.1f} times as fast."
        + ("" if int8.command else " That is not good enough to use it.")
    )


def _classes(report: Report) -> Table:
    table = Table("class", box=box.SIMPLE)
    for column in ("trained", "held out", "recall", "precision"):
        table.add_column(column, justify="right")
    for each in report.evaluation.classes:
        table.add_row(
            escape(each.name),
            str(each.trained),
            str(each.recall.images),
            percent(each.recall),
            percent(each.precision),
        )
    table.caption = (
        "recall: how many of its images get its name; precision: how many with its name are its own"
    )
    return table


def _confusion(report: Report) -> Table:
    names = [each.name for each in report.evaluation.classes]
    table = Table("is", box=box.SIMPLE, title="held-out images: what they are, and are called")
    for name in names:
        table.add_column(escape(name), justify="right")
    for name, row in zip(names, report.evaluation.confusion, strict=True):
        cells = [str(count) if count else "." for count in row]
        table.add_row(escape(name), *cells)
    return table


def _frequent(report: Report) -> Table:
    table = Table("is", "is called", "images", box=box.SIMPLE, title="most frequent mistakes")
    for count, true, answer in report.evaluation.confusions()[:_ROWS]:
        table.add_row(escape(true), escape(answer), str(count))
    return table


def _minima(report: Report) -> Table:
    table = Table("min_probability", "answered", "of these right", box=box.SIMPLE)
    for each in report.evaluation.minima:
        table.add_row(f"{each.probability:g}", percent(each.answered), percent(each.right))
    return table


def _lists(report: Report) -> Iterator[tuple[str, Sequence[str]]]:
    """Titles, and their lines; none without lines."""
    judged = "{0.path} is called {0.answer} ({0.probability:.0%})"
    lists: Iterable[tuple[str, Sequence[str]]] = (
        ("Most confident mistakes:", [judged.format(each) for each in report.mistakes]),
        ("Labels in doubt:", [judged.format(each) for each in report.doubtful]),
        ("The same image, or nearly so:", [paths(each.paths) for each in report.twins]),
        ("Not decoded:", [f"{each.path}: {each.reason}" for each in report.failures]),
    )
    return ((title, lines) for title, lines in lists if lines)


def paths(files: Sequence[Path]) -> str:
    """The files in one line."""
    return " = ".join(map(str, files))


def percent(share: Share) -> str:
    """A share as tables have it."""
    return f"{share.value:.1%}" if share.images else "-"
