"""What a million images cost, by memory size, from measured times and AWS's prices.

Times are read from docs/benchmarks.json, prices and their date from tools/bench/prices.json. The
table is printed; with --write it goes into its section of docs/deploy.md.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import click

from tools.bench import part_vcpu
from tools.bench.handlers import OURS
from tools.bench.measure import TWO_THREADS
from tools.bench.part_vcpu import VCPU_MB
from tools.command import Command
from tools.docs.sections import fill_section
from tools.errors import ToolError
from tools.project import ROOT

PAGE = ROOT / "docs" / "deploy.md"
PRICES = Path(__file__).with_name("prices.json")
# The template's sizes whose times are measured, or follow from one that is.
SIZES_MB = (*part_vcpu.SIZES_MB, VCPU_MB, 2 * VCPU_MB)
# The log line and the metrics record of a request.
_LOG_BYTES = 1500
_MILLION = 1_000_000
# What a function may use of its memory, at the peak of the benchmarks' requests.
_MEMORY_SHARE = 0.75


@dataclass(frozen=True)
class Prices:
    """US dollars; prices.json says for what."""

    date: str
    region: str
    lambda_gb_second: float
    lambda_million_requests: float
    rest_api_million_requests: float
    http_api_million_requests: float
    s3_million_gets: float
    s3_million_puts: float
    sqs_million_requests: float
    eventbridge_million_events: float
    logs_gb: float

    @classmethod
    def read(cls, path: Path) -> Self:
        """The prices in the JSON file ``path``. Raises ToolError: one is missing."""
        table = json.loads(path.read_text())
        try:
            return cls(**{name: table[name] for name in cls.__dataclass_fields__})
        except KeyError as missing:
            raise ToolError(f"{path}: {missing} is missing: add the price") from missing


@dataclass(frozen=True)
class Measured:
    """One network's request.

    ms_by_vcpus: with one and with two. peak_mb: its process's memory. ms_by_mb: with the part of a
    vCPU of a memory size, where that was measured.
    """

    ms_by_vcpus: Mapping[int, float]
    peak_mb: float
    ms_by_mb: Mapping[int, float] = field(default_factory=dict)


def duration_ms(measured: Measured, memory_mb: int) -> float:
    """A request's time at ``memory_mb``, ms.

    Part of a vCPU takes longer in proportion, where it was not measured.
    """
    if memory_mb in measured.ms_by_mb:
        return measured.ms_by_mb[memory_mb]
    vcpus = max(1, memory_mb // VCPU_MB)
    return measured.ms_by_vcpus[vcpus] * max(1.0, VCPU_MB / memory_mb)


def million(prices: Prices, ms: float, memory_mb: int) -> dict[str, float]:
    """The costs of a million images of ``ms`` each, dollars, by the way they come."""
    compute = _MILLION * ms / 1000 * memory_mb / 1024 * prices.lambda_gb_second
    logs = _MILLION * _LOG_BYTES / 1e9 * prices.logs_gb
    requests = compute + logs + prices.lambda_million_requests
    # Sent alone; received and deleted by the ten.
    messages = 1.2 * prices.sqs_million_requests
    return {
        "function URL": requests,
        "HTTP API": requests + prices.http_api_million_requests,
        "REST API": requests + prices.rest_api_million_requests,
        # One invocation has many images: its request and its log line cost next to nothing.
        "batches": compute + prices.s3_million_gets,
        "uploads": (
            compute
            + prices.s3_million_gets
            + prices.s3_million_puts
            + prices.eventbridge_million_events
            + messages
        ),
    }


def table(prices: Prices, measured: Mapping[str, Measured]) -> str:
    """The costs as a Markdown table. measured: by contender."""
    lines: list[str] = []
    for name, figures in measured.items():
        for memory in SIZES_MB:
            if figures.peak_mb > memory * _MEMORY_SHARE:
                continue
            ms = duration_ms(figures, memory)
            costs = million(prices, ms, memory)
            if not lines:
                lines = [f"| network | memory, MB | ms | {' | '.join(costs)} |"]
                lines.append("|---|" + "---:|" * (2 + len(costs)))
            cells = " | ".join(f"${cost:.2f}" for cost in costs.values())
            lines.append(f"| {name} | {memory:,} | {ms:.0f} | {cells} |")
    return "\n".join(lines)


def measured(benchmarks: Mapping[str, Any]) -> dict[str, Measured]:
    """Our function's figures in docs/benchmarks.json, by network and precision."""
    runs = benchmarks["runs"]
    one, two = runs["request_ms, 100 KB"], runs[f"request_ms, {TWO_THREADS}"]
    return {
        name: Measured(
            {1: one[name]["median"], 2: two[name]["median"]},
            runs["peak_memory_mb"][name],
            {
                int(memory_mb): figures[name]["request_ms"]["100 KB"]["median"]
                for memory_mb, figures in benchmarks.get("cpu_shares", {}).items()
            },
        )
        for name in OURS
    }


def section(prices: Prices, benchmarks: dict[str, Any]) -> str:
    """The section on costs. benchmarks: docs/benchmarks.json."""
    part = (
        "The times at 512 and 1,024 MB were measured with that part"
        if benchmarks.get("cpu_shares")
        else "The times at 512 and 1,024 MB are computed from those with one vCPU"
    )
    introduction = f"""A million images of 100 KB, in dollars ({prices.region}, prices of
{prices.date}, no free tier), at the times measured on {benchmarks["date"]} (`docs/benchmarks.md`).
Below 1,769 MB a function has part of a vCPU, so a request takes longer for about the same money.
{part}. 3,538 MB are two
vCPUs. Sizes with less than a quarter of memory to spare are left out. Waiting for a caller's
server, cold starts and data that leaves AWS cost extra. `scripts/cost.py --write` updates the
table."""
    return f"{introduction}\n\n{table(prices, measured(benchmarks))}"


@click.command("scripts/cost.py", cls=Command, help=__doc__)
@click.option("--write", is_flag=True, help="Write the table into docs/deploy.md.")
def main(write: bool) -> None:
    figures = ROOT / "docs" / "benchmarks.json"
    if not figures.exists():
        raise ToolError(
            "There are no measurements yet: run `make bench`, then `make bench-publish`."
        )
    text = section(Prices.read(PRICES), json.loads(figures.read_text()))
    if not write:
        click.echo(text)
        return
    fill_section(PAGE, "cost", text)
