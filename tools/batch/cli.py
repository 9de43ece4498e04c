#!/usr/bin/env python3
"""Classifies S3 objects by the million, or a folder on this machine. See docs/batches.md."""

import sys
from contextlib import nullcontext
from itertools import chain
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from tools.batch import execution, local, results
from tools.batch.deployment import Deployment
from tools.command import Group
from tools.errors import ToolError

console = Console(stderr=True, highlight=False)

stack_option = click.option(
    "--stack", default="image-classification", show_default=True, help="The deployed stack."
)
region_option = click.option("--region", help="The stack's region. Default: that of the profile.")
top_k_option = click.option(
    "--top-k", type=click.IntRange(1, 16), default=5, show_default=True, help="Labels an image."
)
least_option = click.option(
    "--min-probability",
    type=click.FloatRange(0, 1),
    default=0.0,
    show_default=True,
    help="Leave out labels below it.",
)
to_option = click.option(
    "--to",
    type=click.Path(dir_okay=False, path_type=Path),
    help="File for the results, one JSON object a line. Default: standard output.",
)


@click.group("scripts/batch.py", cls=Group, interrupted="what was started on AWS goes on")
def cli() -> None:
    """Classify S3 objects in batches, or images on this machine."""


@cli.command()
@click.argument("source")
@click.option("--items-per-batch", type=click.IntRange(1, 64), default=64, show_default=True)
@click.option("--follow/--no-follow", "watch", default=True, help="Wait for the end.")
@top_k_option
@least_option
@stack_option
@region_option
def start(
    source: str,
    *,
    items_per_batch: int,
    watch: bool,
    top_k: int,
    min_probability: float,
    stack: str,
    region: str | None,
) -> None:
    """Start an execution over SOURCE and follow it.

    SOURCE is s3://bucket/prefix for all objects whose keys begin so, or a manifest that lists
    them: s3://bucket/list.csv with the columns Key and, if need be, Bucket; s3://bucket/list.jsonl
    with an object of the same a line.
    """
    options = {
        "top_k": top_k,
        "min_probability": min_probability,
        "items_per_batch": items_per_batch,
    }
    place = read_source(source)
    deployment = Deployment.find(stack, region)
    arn = execution.start(deployment, place | options)
    click.echo(arn.rpartition(":")[2])
    if watch:
        _follow(deployment, arn)


@cli.command()
@click.argument("name")
@stack_option
@region_option
def follow(name: str, stack: str, region: str | None) -> None:
    """Follow the execution NAME to its end."""
    deployment = Deployment.find(stack, region)
    _follow(deployment, deployment.arn(name))


@cli.command()
@click.argument("name")
@click.option("--follow/--no-follow", "watch", default=True, help="Wait for the end.")
@stack_option
@region_option
def redrive(name: str, *, watch: bool, stack: str, region: str | None) -> None:
    """Try again what failed in the execution NAME.

    One that failed as a whole goes on where it stopped. Of one that succeeded, the images of
    failed batches, and those that could not be fetched, go to a new execution.
    """
    deployment = Deployment.find(stack, region)
    arn = execution.redrive(deployment, deployment.arn(name))
    if arn is None:
        console.print("Nothing failed that is worth another try.")
        return
    click.echo(arn.rpartition(":")[2])
    if watch:
        _follow(deployment, arn)


@cli.command("results")
@click.argument("names", nargs=-1, required=True)
@to_option
@stack_option
@region_option
def fetch(names: tuple[str, ...], to: Path | None, stack: str, region: str | None) -> None:
    """Fetch the results of the executions NAMES, in the order they ran.

    Where a later one tried an image again, its line replaces the earlier one.
    """
    deployment = Deployment.find(stack, region)
    plain = [name.rpartition(":")[2] for name in names]
    with to.open("w", encoding="utf-8") if to else nullcontext(sys.stdout) as out:
        summary = results.collect(deployment, plain, out)
    _print(summary)


@cli.command("local")
@click.argument("source")
@click.option("--api", default="http://127.0.0.1:3000", show_default=True, help="`make run`'s.")
@top_k_option
@least_option
@to_option
def on_this_machine(
    source: str, api: str, top_k: int, min_probability: float, to: Path | None
) -> None:
    """Classify SOURCE, a folder or s3://bucket/prefix, through an API that runs already.

    For s3:// the API reads the objects itself, so S3_READ_BUCKETS must name the bucket there.
    """
    if source.startswith("s3://"):
        images = list(local.of_prefix(*split(source)))
    else:
        images = list(local.of_folder(Path(source)))
    options = {"top_k": top_k, "min_probability": min_probability}
    summary = results.Summary()
    with (
        to.open("w", encoding="utf-8") if to else nullcontext(sys.stdout) as out,
        _bar() as bar,
    ):
        task = bar.add_task("classified", total=len(images))
        for line in local.classify(api, images, options):
            summary.add(line)
            results.write(out, line)
            bar.advance(task)
    _print(summary)


def split(address: str) -> tuple[str, str]:
    """Bucket and key of ``s3://bucket/key``; the key may be empty. Raises ToolError."""
    bucket, _, key = address.removeprefix("s3://").partition("/")
    if not address.startswith("s3://") or not bucket:
        raise ToolError(f"{address} is not of the form s3://bucket/prefix")
    return bucket, key


def read_source(source: str) -> dict[str, Any]:
    """The part of an execution's input that says which images. Raises ToolError."""
    bucket, key = split(source)
    kind = next((kind for kind in ("csv", "jsonl") if key.endswith(f".{kind}")), "prefix")
    return {"bucket": bucket, kind: key}


def _follow(deployment: Deployment, arn: str) -> None:
    """Show how far the execution is. Raises ToolError: it ended badly."""
    name = arn.rpartition(":")[2]
    states = execution.follow(deployment, arn)
    first = next(states)  # of one that is not there, no bar is shown
    with _bar() as bar:
        task = bar.add_task("", total=None)
        for now in chain([first], states):
            failed = f", {now.failed} in failed batches" if now.failed else ""
            bar.update(
                task,
                description=f"{now.status.lower()}{failed}",
                completed=now.done + now.failed,
                total=now.total or None,
            )
    if now.status != "SUCCEEDED":
        raise ToolError(
            f"{name} ended as {now.status} ({now.cause or 'no cause given'});"
            f" `batch.py redrive {name}` goes on where it stopped"
        )
    again = f"; `batch.py redrive {name}` tries the failed batches again" if now.failed else ""
    fetch_them = f"Fetch the results: batch.py results {name} --to results.jsonl"
    console.print(f"Done{again}. {fetch_them}", soft_wrap=True)


def _bar() -> Progress:
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=console,
    )


def _print(summary: results.Summary) -> None:
    table = Table(box=None, show_header=False)
    table.add_row("classified", str(summary.labelled))
    for code, count in summary.refused.most_common():
        table.add_row(code, str(count))
    if summary.lost:
        table.add_row("in batches that failed", str(summary.lost))
    console.print(table)
