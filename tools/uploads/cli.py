"""Shows what became of uploads, and tries them before a deploy. See docs/uploads.md."""

from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.table import Table

from tools.batch import execution
from tools.batch.deployment import Deployment as BatchDeployment
from tools.batch.source import batch_input
from tools.command import Group
from tools.option_types import Address
from tools.uploads import folder, queues
from tools.uploads.deployment import Deployment

console = Console(highlight=False, soft_wrap=True)

stack_option = click.option(
    "--stack", default="image-classification", show_default=True, help="The deployed stack."
)
region_option = click.option("--region", help="The stack's region. Default: that of the profile.")


@click.group("scripts/uploads.py", cls=Group)
def cli() -> None:
    """Look after images that are classified as they arrive in a bucket."""


@cli.command()
@stack_option
@region_option
def status(stack: str, region: str | None) -> None:
    """Show how many uploads wait, and for how long."""
    state = queues.status(Deployment.find(stack, region))
    table = Table(box=None, show_header=False)
    table.add_row("waiting", str(state.waiting))
    table.add_row("being classified, or to be tried again", str(state.in_flight))
    age = "unknown: CloudWatch has no value of late" if state.oldest_s is None else None
    table.add_row("oldest", age or f"{state.oldest_s:.0f} s")
    table.add_row("dead letters", str(state.dead))
    console.print(table)


@cli.command("dead-letters")
@click.option("--most", type=click.IntRange(min=1), default=100, show_default=True)
@stack_option
@region_option
def dead_letters(most: int, stack: str, region: str | None) -> None:
    """List uploads that were given up, and why. They stay where they are."""
    letters = queues.dead_letters(Deployment.find(stack, region), most)
    if not letters:
        console.print("There are no dead letters.")
    for letter in letters:
        click.echo(f"{letter.sent:%Y-%m-%d %H:%M:%S}  {letter.place}  {letter.reason}")


@cli.command()
@stack_option
@region_option
def redrive(stack: str, region: str | None) -> None:
    """Classify the dead letters again."""
    count = queues.redrive(Deployment.find(stack, region))
    if count:
        console.print(f"SQS moves {count} dead letters back to the queue.")
    else:
        console.print("There are no dead letters.")


@cli.command()
@click.argument("source")
@stack_option
@region_option
def backfill(source: str, stack: str, region: str | None) -> None:
    """Start a batch over SOURCE, what was there before: s3://bucket/prefix.

    Its results are those of a batch. The stack's BatchBuckets must name the bucket.
    """
    location = batch_input(source)
    arn = execution.start(BatchDeployment.find(stack, region), location)
    name = arn.rpartition(":")[2]
    click.echo(name)
    console.print(f"Follow it with `scripts/batch.py follow {name}`.")


@cli.command()
@click.argument("path", metavar="FOLDER", type=click.Path(path_type=Path))
@click.option(
    "--api",
    type=Address(),
    default="http://127.0.0.1:3000",
    show_default=True,
    help="`make run`'s.",
)
@click.option("--once", "is_once", is_flag=True, help="End when all images are classified.")
def local(path: Path, api: str, *, is_once: bool) -> None:
    """Watch FOLDER, and write a result beside each image, through an API that is running.

    Ctrl-C ends it.
    """
    try:
        for image, result in folder.watch(path, api, is_once=is_once):
            click.echo(f"{image}  {_outcome(result)}")
    except KeyboardInterrupt:
        if is_once:  # some images have no result yet
            raise
        click.echo("\nStopped.")


def _outcome(result: dict[str, Any]) -> str:
    if "error" in result:
        return str(result["error"]["code"])
    best = result["labels"][0]
    return f"{best['label']}, {best['probability']:.0%}"
