"""A sustained load: each request is sent when it is due, whether or not others were answered.

A response's time counts from when its request was due, so that a server that falls behind shows it.
(Clients that wait for their last response would slow down with the server.)
"""

import asyncio
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from statistics import mean, quantiles
from urllib.parse import quote

from rich.console import Console

from tools.bench.object_server import object_server
from tools.bench.worker import RESNET
from tools.local.process import run_local_stack

RATE = 75.0  # requests a second, as in the blog post
_TRIAL_S = 10.0
# A rate is sustained when no request fails and 99 % take less.
_MAX_P99_MS = 1000.0
_RATE_STEP = 1.2
_TIMEOUT_S = 30.0


@dataclass(frozen=True)
class Load:
    """The result of a load. rate: requests a second. ms: of each response. errors: by kind."""

    rate: float
    seconds: float
    ms: list[float]
    errors: Counter[str]

    @property
    def is_sustained(self) -> bool:
        return not self.errors and self.quantile(99) < _MAX_P99_MS

    def quantile(self, percent: int) -> float:
        """The time within which ``percent`` of the responses came, ms."""
        return quantiles(self.ms, n=100)[percent - 1] if len(self.ms) > 1 else float("inf")

    def describe(self) -> dict[str, float]:
        """Its figures, in the form of docs/benchmarks.json."""
        times = {f"p{percent}_ms": self.quantile(percent) for percent in (50, 90, 99)}
        times |= {"mean_ms": mean(self.ms or [0.0]), "max_ms": max(self.ms, default=0.0)}
        return {
            "rate": round(self.rate, 1),
            "seconds": self.seconds,
            "requests": len(self.ms) + self.errors.total(),
            "errors": self.errors.total(),
            **{name: round(ms, 1) for name, ms in times.items()},
        }


async def drive(url: str, rate: float, seconds: float, tick: Callable[[], None]) -> Load:
    """Request ``url`` ``rate`` times a second for ``seconds``; each response calls ``tick``."""
    import aiohttp  # noqa: PLC0415  (`make load` installs it, for this alone)

    times: list[float] = []
    errors: Counter[str] = Counter()
    timeout = aiohttp.ClientTimeout(total=_TIMEOUT_S)
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(timeout=timeout, connector=connector) as session:

        async def send(due: float) -> None:
            try:
                async with session.get(url) as response:
                    await response.read()
                    if response.status == 200:
                        times.append((time.perf_counter() - due) * 1000)
                    else:
                        errors[f"status {response.status}"] += 1
            except (aiohttp.ClientError, TimeoutError) as error:
                errors[type(error).__name__] += 1
            tick()

        start = time.perf_counter()
        async with asyncio.TaskGroup() as tasks:
            for number in range(round(rate * seconds)):
                due = start + number / rate
                await asyncio.sleep(max(0.0, due - time.perf_counter()))
                tasks.create_task(send(due))
    return Load(rate, seconds, times, errors)


def run(url: str, rate: float, seconds: float, console: Console) -> Load:
    """``drive``, with a progress line."""
    total, count = round(rate * seconds), 0
    with console.status("") as status:

        def tick() -> None:
            nonlocal count
            count += 1
            status.update(f"{rate:.0f} a second: {count} of {total} answered")

        load = asyncio.run(drive(url, rate, seconds, tick))
    verdict = "sustained" if load.is_sustained else f"not sustained {dict(load.errors) or ''}"
    console.print(f"  {rate:5.1f} a second: 99 % within {load.quantile(99):.0f} ms, {verdict}")
    return load


def highest_rate(url: str, console: Console, lowest: float = 20.0) -> float:
    """The highest rate that is sustained, to 5 %; 0: not even ``lowest`` is."""
    sustained, failed = 0.0, lowest
    while run(url, failed, _TRIAL_S, console).is_sustained:
        sustained, failed = failed, failed * _RATE_STEP
    while sustained and failed / sustained > 1.05:
        middle = (sustained + failed) / 2
        if run(url, middle, _TRIAL_S, console).is_sustained:
            sustained = middle
        else:
            failed = middle
    return sustained


def measure(
    folder: Path, rate: float, seconds: float, console: Console
) -> dict[str, dict[str, float]]:
    """Load the local stack, float32 and int8, at ``rate`` or at the highest it sustains below."""
    figures = {}
    for precision in ("float32", "int8"):
        console.print(f"Load, {precision}")
        with (
            object_server({"/image.jpg": (folder / "100 KB.jpg").read_bytes()}) as server,
            run_local_stack(
                folder / f"{precision}.log",
                MODEL=str(folder / RESNET / precision),
                ENVIRONMENTS="2",
                PRIVATE_URL_HOSTS=server.split("/")[2],
            ) as api,
        ):
            url = f"{api}/predict?url={quote(f'{server}/image.jpg', safe='')}"
            run(url, 10, 3, console)
            most = highest_rate(url, console)
            load = run(url, min(rate, most) if most else rate, seconds, console)
            while most and not load.is_sustained:  # It was, for the length of a trial.
                most *= 0.9
                load = run(url, min(rate, most), seconds, console)
            figures[precision] = load.describe() | {"highest_rate": round(most, 1)}
    return figures
