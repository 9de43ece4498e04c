"""What a million images cost, by memory size, from measured times and AWS's prices.

Times come from docs/benchmarks.json, prices and their date from scripts/prices.json. The table
is printed; with --write it is put into docs/deploy.md, between its marks.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import click

from tools.docs.sections import fill_section
from tools.project import ROOT

PAGE = ROOT / "docs" / "deploy.md"
# Of the template's sizes, those whose times are measured or follow from one that is.
SIZES_MB = (1024, 1769, 3538)
# Lambda's processor time is in proportion to memory; this much is one vCPU.
_VCPU_MB = 1769
# What a request writes: its log line and its metrics record.
_LOG_BYTES = 1500
_MILLION = 1_000_000


@dataclass(frozen=True)
class Prices:
    """US dollars; see the file for what each is of."""

    date: str
    region: str
    lambda_gb_second: float
    lambda_million_requests: float
    rest_api_million_requests: float
    http_api_million_requests: float
    s3_million_gets: float
    logs_gb: float

    @classmethod
    def read(cls, path: Path) -> Self:
        """The prices in the JSON file ``path``. Raises click.ClickException: one is missing."""
        table = json.loads(path.read_text())
        try:
            return cls(**{name: table[name] for name in cls.__dataclass_fields__})
        except KeyError as missing:
            raise click.ClickException(f"{path}: {missing} is missing") from missing


def duration_ms(by_vcpus: Mapping[int, float], memory_mb: int) -> float:
    """A request's time at ``memory_mb``, ms; ``by_vcpus`` has it with one vCPU and with two.

    Less than one vCPU stretches the time that one takes.
    """
    vcpus = max(1, memory_mb // _VCPU_MB)
    return by_vcpus[vcpus] * max(1.0, _VCPU_MB / memory_mb)


def million(prices: Prices, ms: float, memory_mb: int) -> dict[str, float]:
    """What a million images cost: by REST API, by HTTP API, and read from S3 in batches."""
    compute = _MILLION * ms / 1000 * memory_mb / 1024 * prices.lambda_gb_second
    logs = _MILLION * _LOG_BYTES / 1e9 * prices.logs_gb
    asked = compute + logs + prices.lambda_million_requests
    return {
        "Lambda alone": compute + prices.lambda_million_requests,
        "by REST API": asked + prices.rest_api_million_requests,
        "by HTTP API": asked + prices.http_api_million_requests,
        # One invocation for many images: neither its request nor its log line counts.
        "from S3, in batches": compute + prices.s3_million_gets,
    }


def table(prices: Prices, measured: Mapping[str, Mapping[int, float]]) -> str:
    """The costs in Markdown; ``measured`` has, by precision and number of vCPUs, ms."""
    lines: list[str] = []
    for precision, by_vcpus in measured.items():
        for memory in SIZES_MB:
            ms = duration_ms(by_vcpus, memory)
            costs = million(prices, ms, memory)
            if not lines:
                lines = [f"| precision | memory, MB | ms | {' | '.join(costs)} |"]
                lines.append("|---|" + "---:|" * (2 + len(costs)))
            told = " | ".join(f"${cost:.2f}" for cost in costs.values())
            lines.append(f"| {precision} | {memory:,} | {ms:.0f} | {told} |")
    return "\n".join(lines)


def page(prices: Prices, told: dict[str, Any]) -> str:
    """What docs/deploy.md says of costs."""
    asked = {1: "request_ms, 100 KB", 2: "request_ms, 100 KB, two threads"}
    measured = {
        each: {vcpus: told["runs"][what][f"ours {each}"]["median"] for vcpus, what in asked.items()}
        for each in ("float32", "int8")
    }
    about = f"""A million images of 100 KB, in dollars ({prices.region}, prices of {prices.date},
no free tier), at the times measured on {told["date"]} (`docs/benchmarks.md`). Below 1,769 MB a
function has part of a vCPU, so a request takes longer for the same money; 3,538 MB are two vCPUs.
Waiting for a caller's server is paid for too, and comes on top; so do cold starts, and data that
leaves AWS. `scripts/cost.py --write` brings the table up to date."""
    return f"{about}\n\n{table(prices, measured)}"


@click.command(help=__doc__)
@click.option("--write", is_flag=True, help="Put the table into docs/deploy.md.")
def main(write: bool) -> None:
    figures = ROOT / "docs" / "benchmarks.json"
    if not figures.exists():
        raise click.ClickException("There are no measurements yet: run `make bench`.")
    text = page(
        Prices.read(Path(__file__).with_name("prices.json")), json.loads(figures.read_text())
    )
    if not write:
        click.echo(text)
        return
    fill_section(PAGE, "cost", text)
