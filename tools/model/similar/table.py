"""What looks alike, for people and for programs: a table, CSV or JSON Lines."""

import csv
import json
import sys
from collections.abc import Sequence

import click
from rich import box
from rich.console import Console
from rich.table import Column, Table
from rich.text import Text

from tools.model.similar.similar import Similar

FORMATS = ("table", "csv", "jsonl")
COLUMNS = ("image", "set", "neighbour", "similarity")
# So many rows of each table, and names in a row.
_ROWS = 10
_NAMES = 4


def print_lines(similar: Similar, indices: Sequence[int], form: str) -> None:
    """Print the images at ``indices`` as "csv" or "jsonl": all that is known."""
    if form == "jsonl":
        for line in similar.lines(indices):
            click.echo(json.dumps(line, ensure_ascii=False))
        return
    table = csv.writer(sys.stdout, lineterminator="\n")
    table.writerow(COLUMNS)
    for line in similar.lines(indices):
        for each in line["neighbours"]:
            table.writerow((line["image"], line["set"], each["image"], each["similarity"]))


def print_tables(similar: Similar, indices: Sequence[int], *, is_query: bool) -> None:
    """Print the sets, and the neighbours of the first images at ``indices``.

    is_query: the images are those that a person asked for: all are shown, and no sets.
    """
    if is_query:
        _print_neighbours(similar, indices)
        return
    _print_sets(similar)
    _print_neighbours(similar, indices[:_ROWS])
    _print_rest(len(indices), "images")


def _print_sets(similar: Similar) -> None:
    names, count = similar.images.names, len(similar.sets)
    members = sum(map(len, similar.sets)) or "none"
    where = f", in {count} {'set' if count == 1 else 'sets'}" if count else ""
    click.echo(f"{len(names)} images; {members} of them are near-duplicates{where}")
    if not count:
        return
    table = Table("set", "images", _column("near-duplicates"), box=box.SIMPLE)
    for number, indices in enumerate(similar.sets[:_ROWS], 1):
        shown = [names[index] for index in indices[:_NAMES]]
        rest = len(indices) - len(shown)
        lines = [*shown, f"and {rest} more"] if rest else shown
        table.add_row(str(number), str(len(indices)), Text("\n".join(lines)))
    Console().print(table)
    _print_rest(count, "sets")


def _print_neighbours(similar: Similar, indices: Sequence[int]) -> None:
    names = similar.images.names
    columns = _column("image"), _column("nearest neighbour"), "similarity"
    table = Table(*columns, box=box.SIMPLE)
    for index in indices:
        name = Text(names[index])
        for each in similar.neighbours_of(index):
            table.add_row(name, Text(names[each.index]), f"{each.similarity:.3f}")
            name = Text()
    Console().print(table)


def _column(title: str) -> Column:
    """Of names: a long one goes on in the next line, uncut."""
    return Column(title, overflow="fold")


def _print_rest(count: int, what: str) -> None:
    if count > _ROWS:
        click.echo(f"These are {_ROWS} of {count} {what}; --format csv has all.")
