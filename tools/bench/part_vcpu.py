"""Our function with part of a vCPU, as with the memory sizes below 1,769 MB."""

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from tools.bench import contenders
from tools.bench.contenders import Sample, Worker
from tools.bench.handlers import OURS
from tools.bench.measure import MANY, Tick, Variables
from tools.bench.share import can_share, share

# Lambda gives processor time in proportion to memory: this much has one vCPU.
VCPU_MB = 1769
SIZES_MB = (512, 1024)
_IMAGES = ("234 KB", "100 KB")
_REQUESTS = 5  # of a turn
# What takes most memory comes first, and once: the limit must hold it.
_WARM_UP = ("12 MP", MANY, *_IMAGES)


def measure(
    folder: Path, variables: Mapping[str, Variables], rounds: int, tick: Tick
) -> dict[str, dict[str, Any]]:
    """The figures for docs/benchmarks.json, by memory size and contender.

    "start_s", "request_ms" by image, "peak_mb". Empty: this user may not limit a process.
    """
    figures: dict[str, dict[str, Any]] = {}
    for memory_mb in SIZES_MB if can_share() else ():
        starts = _starts(folder, variables, memory_mb, rounds, tick)
        requests = _requests(folder, variables, memory_mb, rounds, tick)
        figures[str(memory_mb)] = {name: {**starts[name], **requests[name]} for name in OURS}
    return figures


def _starts(
    folder: Path, variables: Mapping[str, Variables], memory_mb: int, rounds: int, tick: Tick
) -> dict[str, dict[str, Any]]:
    """Spawn to first response."""
    samples = {name: Sample() for name in OURS}
    for _ in range(rounds):
        for name, sample in samples.items():
            tick(f"start-up, {memory_mb} MB, {name}")
            with share(memory_mb / VCPU_MB, memory_mb) as command:
                figures = contenders.start("ours", folder, variables[name], command=command)
            sample.rounds.append([figures["total"]])
    return {name: {"start_s": sample.describe()} for name, sample in samples.items()}


def _requests(
    folder: Path, variables: Mapping[str, Variables], memory_mb: int, rounds: int, tick: Tick
) -> dict[str, dict[str, Any]]:
    """Warm requests, and the peak memory of these and of the largest ones."""
    samples = {name: {image: Sample() for image in _IMAGES} for name in OURS}
    with ExitStack() as stack:
        workers: dict[str, Worker] = {}
        for name in OURS:
            command = stack.enter_context(share(memory_mb / VCPU_MB, memory_mb))
            workers[name] = Worker("request", "ours", folder, variables[name], command=command)
            stack.callback(workers[name].stop)
        with ThreadPoolExecutor() as threads:  # side by side: their times do not count
            list(threads.map(_warm_up, workers.values()))
        for _ in range(rounds):
            for name, worker in workers.items():
                tick(f"requests, {memory_mb} MB, {name}")
                for image, sample in samples[name].items():
                    sample.rounds.append(worker.run(image, _REQUESTS)["ms"])
        return {
            name: {
                "request_ms": {image: sample.describe() for image, sample in each.items()},
                "peak_mb": round(workers[name].peak_mb(), 1),
            }
            for name, each in samples.items()
        }


def _warm_up(worker: Worker) -> None:
    worker.wait()
    for image in _WARM_UP:
        worker.run(image, 1)
