"""Our function with part of a vCPU, as with the memory sizes below 1,769 MB."""

from collections.abc import Mapping
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
# Requests of a turn, and in advance. What takes most memory comes once: does it fit?
_REQUESTS, _WARM_UP = 5, 2
_LARGE = ("12 MP", MANY)


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
        for worker in workers.values():
            worker.wait()
            worker.run("234 KB", _WARM_UP)
        for _ in range(rounds):
            for name, worker in workers.items():
                tick(f"requests, {memory_mb} MB, {name}")
                for image, sample in samples[name].items():
                    sample.rounds.append(worker.run(image, _REQUESTS)["ms"])
        for worker in workers.values():
            for image in _LARGE:
                worker.run(image, 1)
        return {
            name: {
                "request_ms": {image: sample.describe() for image, sample in each.items()},
                "peak_mb": round(workers[name].peak_mb(), 1),
            }
            for name, each in samples.items()
        }
