"""Options that several commands have."""

import click

from tools.batch.output import FORMATS
from tools.option_types import FiniteRange, OutputFile

stack_option = click.option(
    "--stack", default="image-classification", show_default=True, help="The deployed stack."
)
region_option = click.option("--region", help="The stack's region. Default: that of the profile.")
top_k_option = click.option(
    "--top-k", type=click.IntRange(1, 16), default=5, show_default=True, help="Labels an image."
)
min_probability_option = click.option(
    "--min-probability",
    type=FiniteRange(0, 1),
    default=0.0,
    show_default=True,
    help="Leave out labels below it.",
)
follow_option = click.option(
    "--follow/--no-follow", "is_followed", default=True, help="Wait for the end."
)
to_option = click.option(
    "--to",
    type=OutputFile(),
    help="File for the results. Default: standard output.",
)
format_option = click.option(
    "--format",
    "form",
    type=click.Choice(FORMATS),
    help="jsonl: one JSON object a line; csv: a table of key, first label, its probability, and the"
    " code of an error. Default: csv for a file named .csv, else jsonl.",
)
embedding_option = click.option(
    "--embedding/--no-embedding", default=False, help="Also the embedding of each image."
)
