"""Where the lines of results go, and in which form."""

import csv
import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import IO, Any

import click

from tools.batch.results import Line, Write

FORMATS = ("jsonl", "csv")
COLUMNS = ("key", "label", "probability", "code")


def format_of(path: Path | None) -> str:
    """The format that a file's name asks for."""
    return "csv" if path and path.suffix.lower() == ".csv" else "jsonl"


@contextmanager
def output(path: Path | None, form: str) -> Iterator[Write]:
    """What writes one line of results to the file ``path``, or to standard output.

    The lines stand in a file beside ``path`` until all are there, so an earlier file stays whole.
    After a failure they stay there, and a message names it.

    form: one of FORMATS.

    Raises OSError: nothing can be written there.
    """
    if path is None or (path.exists() and not path.is_file()):  # a pipe, or /dev/null
        with _open(path) as file:
            yield _writer(file, form)
        return
    path = path.resolve()
    part = _unused(path)
    lines = 0
    # Line by line: what is classified is not lost, however the run ends.
    with part.open("x", encoding="utf-8", errors="backslashreplace", buffering=1) as file:
        write_line = _writer(file, form)

        def write(line: Line) -> None:
            nonlocal lines
            write_line(line)
            lines += 1

        try:
            yield write
        except BaseException:
            _keep(part, path, lines)
            raise
    part.replace(path)


def _keep(part: Path, path: Path, lines: int) -> None:
    if not lines:
        part.unlink()
        return
    earlier = f"; {path.name} is as it was" if path.exists() else ""
    click.echo(f"The {lines} lines that were finished are in {part}{earlier}.", err=True)


def _unused(path: Path) -> Path:
    """A name beside ``path`` that no file has: not that of another run either."""
    names = (f"{path.name}.part{number or ''}" for number in count())
    return next(part for name in names if not (part := path.with_name(name)).exists())


@contextmanager
def _open(path: Path | None) -> Iterator[IO[str]]:
    if path is None:
        yield sys.stdout
        return
    with path.open("w", encoding="utf-8", errors="backslashreplace") as file:
        yield file


def _writer(file: IO[str], form: str) -> Write:
    if form == "jsonl":
        return lambda line: file.write(json.dumps(line, ensure_ascii=False) + "\n")
    table = csv.writer(file, lineterminator="\n")
    table.writerow(COLUMNS)
    return lambda line: table.writerow(_row(line))


def _row(line: Line) -> tuple[Any, ...]:
    """The row of ``line``: its first label, or the code of its error."""
    if "error" in line:
        return line["key"], "", "", line["error"]["code"]
    first: Line = next(iter(line["labels"]), {})
    return line["key"], first.get("label", ""), first.get("probability", ""), ""
