"""`synthetic`: ResNet-18 with random weights."""

from pathlib import Path

import click

from tools.model.new_folder import refuse_existing
from tools.model.options import to_option
from tools.model.synthetic import synthetic
from tools.model.terminal import print_written


@click.command()
@to_option
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True)
def command(to: Path, seed: int) -> None:
    """Make ResNet-18 with weights drawn from a seed: right speed, meaningless labels."""
    refuse_existing(to)
    print_written(to, synthetic(seed).write(to))
