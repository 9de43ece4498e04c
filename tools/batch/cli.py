"""Classifies S3 objects by the million, or a folder on this machine. See docs/batches.md."""

from itertools import chain
from pathlib import Path

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from tools.batch import execution, local, results
from tools.batch.api import Api
from tools.batch.deployment import Deployment
from tools.batch.options import (
    embedding_option,
    follow_option,
    format_option,
    min_probability_option,
    region_option,
    stack_option,
    to_option,
    top_k_option,
)
from tools.batch.output import format_of, output
from tools.batch.source import batch_input, parse_source
from tools.command import Group
from tools.errors import ToolError
from tools.local.ports import HOST, Port
from tools.option_types import Address

console = Console(stderr=True, highlight=False)
# So many files that were not sent are named.
_NAMES = 5
# Images of a batch whose embeddings, up to 2,500 numbers each, surely fit into its answer.
_WITH_EMBEDDINGS = 8


@click.group("scripts/batch.py", cls=Group, interrupted="what was started on AWS goes on")
def cli() -> None:
    """Classify S3 objects in batches, or images on this machine."""


@cli.command()
@click.argument("source")
@click.option(
    "--items-per-batch",
    type=click.IntRange(1, 64),
    help=f"Default: 64; with --embedding {_WITH_EMBEDDINGS}, as a batch's answer holds 256 KiB.",
)
@follow_option
@top_k_option
@min_probability_option
@embedding_option
@stack_option
@region_option
def start(
    source: str,
    *,
    items_per_batch: int | None,
    is_followed: bool,
    top_k: int,
    min_probability: float,
    embedding: bool,
    stack: str,
    region: str | None,
) -> None:
    """Start an execution over SOURCE and follow it.

    SOURCE is s3://bucket/prefix for all objects whose keys begin so, or a manifest that lists
    them: s3://bucket/list.csv with the columns Key and, optionally, Bucket; s3://bucket/list.jsonl
    with an object of the same on each line.
    """
    options = {
        "top_k": top_k,
        "min_probability": min_probability,
        "embedding": embedding,
        "items_per_batch": items_per_batch or (_WITH_EMBEDDINGS if embedding else 64),
    }
    location = batch_input(source)
    deployment = Deployment.find(stack, region)
    arn = execution.start(deployment, location | options)
    click.echo(_name(arn))
    if is_followed:
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
@follow_option
@stack_option
@region_option
def redrive(name: str, *, is_followed: bool, stack: str, region: str | None) -> None:
    """Retry what failed in the execution NAME.

    An execution that failed goes on where it stopped. Of one that succeeded, the images of failed
    batches and those that could not be fetched go to a new execution.
    """
    deployment = Deployment.find(stack, region)
    arn = execution.redrive(deployment, deployment.arn(name))
    if arn is None:
        console.print("Nothing failed that is worth another try.")
        return
    click.echo(_name(arn))
    if is_followed:
        _follow(deployment, arn)


@cli.command("results")
@click.argument("names", nargs=-1, required=True)
@to_option
@format_option
@stack_option
@region_option
def fetch(
    names: tuple[str, ...], to: Path | None, form: str | None, stack: str, region: str | None
) -> None:
    """Fetch the results of the executions NAMES, in the order they ran.

    Where a later one retried an image, its line replaces the earlier one.
    """
    deployment = Deployment.find(stack, region)
    with output(to, form or format_of(to)) as write:
        summary = results.collect(deployment, [_name(name) for name in names], write)
    _print(summary)


@cli.command("local")
@click.argument("source")
@click.option("--url", type=Address(), help="The API's address. Default: that of `make run`.")
@click.option(
    "--port",
    envvar="PORT",
    show_envvar=True,
    default=3000,
    show_default=True,
    type=Port(),
    help="The port of `make run`.",
)
@top_k_option
@min_probability_option
@embedding_option
@to_option
@format_option
def classify_locally(
    source: str,
    *,
    url: str | None,
    port: int,
    top_k: int,
    min_probability: float,
    embedding: bool,
    to: Path | None,
    form: str | None,
) -> None:
    """Classify SOURCE, a folder or s3://bucket/prefix, through an API that is running.

    Of s3:// the API reads the objects itself, so its S3_READ_BUCKETS must name the bucket.
    """
    if source.startswith("s3://"):
        files = local.Files(list(local.s3_items(parse_source(source))), [])
    else:
        files = local.folder_files(Path(source))
    options = {"top_k": top_k, "min_probability": min_probability, "embedding": embedding}
    api = Api(url or f"http://{HOST}:{port}", options)
    summary = results.Summary()
    try:
        with output(to, form or format_of(to)) as write, _bar() as bar:
            task = bar.add_task("classified", total=len(files.images))
            for line in local.classify(api, files.images):
                summary.add(line)
                write(line)
                bar.advance(task)
    finally:
        _print(summary)
        if files.others:
            names = ", ".join(files.others[:_NAMES]) + (", …" if files.others[_NAMES:] else "")
            console.print(f"Not sent, as they are no images: {len(files.others)} ({names})")


def _name(arn: str) -> str:
    """The name of an execution, of which ``arn`` is the ARN or the name itself."""
    return arn.rpartition(":")[2]


def _follow(deployment: Deployment, arn: str) -> None:
    """Show the execution's progress to its end. Raises ToolError: it did not succeed."""
    name = _name(arn)
    states = execution.follow(deployment, arn)
    first = next(states)  # Before the bar: an execution that does not exist has none.
    with _bar() as bar:
        task = bar.add_task("", total=None)
        for state in chain([first], states):
            failures = f", {state.failed} in failed batches" if state.failed else ""
            bar.update(
                task,
                description=f"{state.status.lower()}{failures}",
                completed=state.done + state.failed,
                total=state.total or None,
            )
    if state.status != "SUCCEEDED":
        raise ToolError(
            f"{name} ended as {state.status} ({state.cause or 'no cause given'});"
            f" `batch.py redrive {name}` goes on where it stopped"
        )
    retry = f"; `batch.py redrive {name}` retries the failed batches" if state.failed else ""
    hint = f"Fetch the results: batch.py results {name} --to results.jsonl"
    console.print(f"Done{retry}. {hint}", soft_wrap=True)


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
    table.add_row("classified", str(summary.classified))
    for code, count in summary.errors.most_common():
        table.add_row(code, str(count))
    if summary.lost:
        table.add_row("in batches that failed", str(summary.lost))
    console.print(table)
