"""What looks alike, for people and for programs: a table, CSV or JSON Lines."""

import csv
import json
import sys
from collections.abc import Sequence

import click
from rich import box
from rich.console import Console
from rich.table import Table

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
    console = Console()
    names = similar.images.names
    if not is_query:
        members = sum(map(len, similar.sets))
        summary = f"{len(names)} images; {members} of them are near-duplicates"
        click.echo(summary + (f", in {len(similar.sets)} sets" if similar.sets else ""))
        if similar.sets:
            table = Table("set", "images", "near-duplicates", box=box.SIMPLE)
            for number, indices_of_set in enumerate(similar.sets[:_ROWS], 1):
                shown = [names[index] for index in indices_of_set[:_NAMES]]
                more = len(indices_of_set) - len(shown)
                rest = [f"and {more} more"] if more else []
                table.add_row(str(number), str(len(indices_of_set)), "\n".join(shown + rest))
            console.print(table)
            _print_rest(len(similar.sets), "sets")
    table = Table("image", "nearest neighbours", "similarity", box=box.SIMPLE)
    for index in indices if is_query else indices[:_ROWS]:
        neighbours = similar.neighbours_of(index)
        table.add_row(
            names[index],
            "\n".join(names[each.index] for each in neighbours),
            "\n".join(f"{each.similarity:.3f}" for each in neighbours),
        )
    console.print(table)
    if not is_query:
        _print_rest(len(indices), "images")


def _print_rest(count: int, what: str) -> None:
    if count > _ROWS:
        click.echo(f"These are {_ROWS} of {count} {what}; --format csv has all.")
