"""Contenders: processes that are asked in turn, so that what slows the machine slows them all."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median, quantiles
from typing import Any

from tools.project import ROOT

BUILT = ROOT / ".aws-sam" / "build"
# MXNet, NumPy and OpenCV as they are deployed, where `make build` has made them.
LAYERS = [
    path for path in (BUILT / "MxnetLayer/python", BUILT / "OpencvLayer/python") if path.is_dir()
]
# Those that run on what pip installs.
_PEERS = ("2017", "onnxruntime", "openvino", "torch")


@dataclass
class Sample:
    """Measurements of one thing, ms or another unit, round by round."""

    rounds: list[list[float]] = field(default_factory=list)

    @property
    def values(self) -> list[float]:
        return [value for each in self.rounds for value in each]

    @property
    def median(self) -> float:
        return median(self.values)

    def describe(self) -> dict[str, float]:
        """Median, quartiles, the least, and how many."""
        values = self.values
        low, _, high = quantiles(values, n=4) if len(values) > 1 else (values[0],) * 3
        found = {"median": median(values), "p25": low, "p75": high, "min": min(values)}
        return {name: round(value, 4) for name, value in found.items()} | {"count": len(values)}


def environment(kind: str, variables: Mapping[str, str]) -> dict[str, str]:
    """What a contender's process sees: none of the caller's settings, and by default one thread."""
    layers = [] if kind.startswith(_PEERS) else LAYERS
    places = [*layers, ROOT / "src", ROOT]
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    return kept | {
        "PYTHONPATH": os.pathsep.join(map(str, places)),
        "OMP_NUM_THREADS": "1",
        "AWS_EC2_METADATA_DISABLED": "true",
        "POWERTOOLS_METRICS_NAMESPACE": "Bench",
        **variables,
    }


class Worker:
    """A contender that stays (see worker.py)."""

    def __init__(
        self,
        what: str,
        kind: str,
        source: Path,
        variables: Mapping[str, str],
        python: str = sys.executable,
    ) -> None:
        self._process = subprocess.Popen(
            [python, "-m", "tools.bench.worker", what, kind, str(source)],
            env=environment(kind, variables),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self._answer()

    def run(self, what: str, count: int) -> dict[str, list[float]]:
        """``count`` runs: their "ms", and of our own requests which share was "not_inference"."""
        answer: dict[str, list[float]] = self._ask(f"{what} {count}")
        return answer

    def peak_mb(self) -> float:
        """The most memory it has held, MB."""
        return float(self._ask("memory 0"))

    def steps(self) -> dict[str, list[float]]:
        """Of a profile: each step's ms, request by request."""
        answer: dict[str, list[float]] = self._ask("steps 0")
        return answer

    def stop(self) -> None:
        """End it."""
        self._process.kill()
        self._process.communicate()

    def _ask(self, line: str) -> Any:
        assert self._process.stdin
        self._process.stdin.write(line + "\n")
        self._process.stdin.flush()
        return self._answer()

    def _answer(self) -> Any:
        assert self._process.stdout
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(self._process.communicate()[1].strip().splitlines()[-1])
        return json.loads(line)


@contextmanager
def workers(
    kinds: Mapping[str, tuple[str, ...]], source: Path, variables: Mapping[str, Mapping[str, str]]
) -> Iterator[dict[str, Worker]]:
    """A worker for each of ``kinds``, by name: what it does, as which kind, and in which Python."""
    with ExitStack() as stack:
        started = {}
        for name, (what, kind, *python) in kinds.items():
            started[name] = Worker(what, kind, source, variables.get(name, {}), *python)
            stack.callback(started[name].stop)
        yield started


def start(kind: str, source: Path, variables: Mapping[str, str], *how: str) -> dict[str, Any]:
    """One start from spawn to first answer (see start.py): seconds."""
    done = subprocess.run(
        [sys.executable, "-m", "tools.bench.start", kind, str(source), str(time.monotonic()), *how],
        env=environment(kind, variables),
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(done.stderr.strip().splitlines()[-1])
    answer: dict[str, Any] = json.loads(done.stderr.splitlines()[-1])
    return answer


def imports(module: str) -> float:
    """What importing ``module`` adds to a bare interpreter, ms."""
    code = (
        "import sys, time; before = time.perf_counter(); "
        f"__import__({module!r}); print((time.perf_counter() - before) * 1000)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=environment("ours", {}),
        capture_output=True,
        text=True,
        check=True,
    )
    return float(done.stdout.splitlines()[-1])
