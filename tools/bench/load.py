"""A sustained load: requests are sent when they are due, whatever has become of the others.

So a server that falls behind is seen to: each answer's time counts from when its request was
due. (A load of clients that wait for their last answer would slow down with the server.)
"""

import asyncio
import http.server
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import mean, quantiles
from urllib.parse import quote

import aiohttp
from rich.console import Console

from tools.local.process import run_local_stack

RATE = 75.0  # the blog post's
_TRIAL_S = 10.0
# A rate is held where nothing fails and hardly anybody waits for longer.
_PATIENCE_MS = 1000.0
_STEP = 1.2
_TIMEOUT_S = 30.0


@dataclass(frozen=True)
class Load:
    """What came of a load. rate: requests a second; errors: how many of each kind."""

    rate: float
    seconds: float
    ms: list[float]
    errors: Counter[str]

    @property
    def is_held(self) -> bool:
        return not self.errors and self.quantile(99) < _PATIENCE_MS

    def quantile(self, percent: int) -> float:
        """The time below which ``percent`` of the answers came, ms."""
        return quantiles(self.ms, n=100)[percent - 1] if len(self.ms) > 1 else float("inf")

    def describe(self) -> dict[str, float]:
        """Its figures, as docs/benchmarks.json has them."""
        found = {f"p{percent}_ms": self.quantile(percent) for percent in (50, 90, 99)}
        found |= {"mean_ms": mean(self.ms or [0.0]), "max_ms": max(self.ms, default=0.0)}
        told = {name: round(value, 1) for name, value in found.items()}
        return {
            "rate": round(self.rate, 1),
            "seconds": self.seconds,
            "requests": len(self.ms) + self.errors.total(),
            "errors": self.errors.total(),
            **told,
        }


async def drive(url: str, rate: float, seconds: float, tick: Callable[[], None]) -> Load:
    """Ask for ``url`` ``rate`` times a second for ``seconds``; ``tick`` hears of each answer."""
    times: list[float] = []
    errors: Counter[str] = Counter()
    timeout = aiohttp.ClientTimeout(total=_TIMEOUT_S)
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(timeout=timeout, connector=connector) as session:

        async def ask(due: float) -> None:
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

        started = time.perf_counter()
        async with asyncio.TaskGroup() as tasks:
            for number in range(round(rate * seconds)):
                due = started + number / rate
                await asyncio.sleep(max(0.0, due - time.perf_counter()))
                tasks.create_task(ask(due))
    return Load(rate, seconds, times, errors)


def run(url: str, rate: float, seconds: float, console: Console) -> Load:
    """``drive``, with its progress shown."""
    count, answered = round(rate * seconds), 0
    with console.status("") as status:

        def tick() -> None:
            nonlocal answered
            answered += 1
            status.update(f"{rate:.0f} a second: {answered} of {count} answered")

        load = asyncio.run(drive(url, rate, seconds, tick))
    held = "held" if load.is_held else f"not held {dict(load.errors) or ''}"
    console.print(f"  {rate:5.1f} a second: 99 % within {load.quantile(99):.0f} ms, {held}")
    return load


def highest(url: str, console: Console, above: float = 20.0) -> float:
    """The highest rate that is held, to a twentieth; 0: not even ``above`` is."""
    held, failed = 0.0, above
    while run(url, failed, _TRIAL_S, console).is_held:
        held, failed = failed, failed * _STEP
    while held and failed / held > 1.05:
        middle = (held + failed) / 2
        if run(url, middle, _TRIAL_S, console).is_held:
            held = middle
        else:
            failed = middle
    return held


def measure(
    folder: Path, rate: float, seconds: float, console: Console
) -> dict[str, dict[str, float]]:
    """The whole local stack, float32 and int8, at ``rate`` or at what is held below it."""
    found = {}
    for precision in ("float32", "int8"):
        console.print(f"Load, {precision}")
        with (
            image_server(folder / "100 KB.jpg") as image,
            run_local_stack(
                folder / f"{precision}.log",
                MODEL=str(folder / precision),
                ENVIRONMENTS="2",
                PRIVATE_URL_HOSTS=image.split("/")[2],
            ) as api,
        ):
            url = f"{api}/predict?url={quote(image, safe='')}"
            run(url, 10, 3, console)
            most = highest(url, console)
            load = run(url, min(rate, most) if most else rate, seconds, console)
            while most and not load.is_held:  # what was held for a trial, but not for long
                most *= 0.9
                load = run(url, min(rate, most), seconds, console)
            found[precision] = load.describe() | {"highest_rate": round(most, 1)}
    return found


@contextmanager
def image_server(image: Path) -> Iterator[str]:
    """Serve ``image`` on this machine; its address."""
    data = image.read_bytes()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "image/jpeg")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *_: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}/image.jpg"
        server.shutdown()
