"""Contenders: processes that take turns, so that what slows the machine slows them all."""

import json
import os
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median, quantiles
from typing import Any

from tools.errors import ToolError
from tools.project import ROOT

BUILT = ROOT / ".aws-sam" / "build"
# MXNet, NumPy and OpenCV as they are deployed, where `make build` has made them.
LAYERS = [
    path for path in (BUILT / "MxnetLayer/python", BUILT / "OpencvLayer/python") if path.is_dir()
]
# Contenders that run on the wheels.
_PEERS = ("2017", "today", "onnxruntime", "openvino", "torch")

# This environment's Python without its site packages: their .pth files (coverage, the editable
# finder, setuptools' shim, our MXNet import) run at every start, and Lambda's Python has none. A
# bare interpreter takes 49 ms with them and 10 without. What they import is mostly what a contender
# needs itself, so its start gains 0 to 20 ms. The packages come last on PYTHONPATH.
PYTHON = (sys.executable, "-S")
_PACKAGES = sysconfig.get_path("purelib")

# By contender: median, quartiles and count, as Sample.describe gives them.
type Figures = Mapping[str, Mapping[str, float]]


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
        """Median, quartiles, minimum, and count."""
        values = self.values
        low, _, high = quantiles(values, n=4) if len(values) > 1 else (values[0],) * 3
        figures = {"median": median(values), "p25": low, "p75": high, "min": min(values)}
        return {name: round(value, 4) for name, value in figures.items()} | {"count": len(values)}


def environment(
    kind: str, variables: Mapping[str, str], python: Sequence[str] = PYTHON
) -> dict[str, str]:
    """The environment of a contender: none of the caller's settings, and by default one thread."""
    layers = [] if kind.startswith(_PEERS) else LAYERS
    packages = [_PACKAGES] if python == PYTHON else []
    paths = [*layers, ROOT / "src", ROOT, *packages]
    inherited = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    return inherited | {
        "PYTHONPATH": os.pathsep.join(map(str, paths)),
        "OMP_NUM_THREADS": "1",
        "AWS_EC2_METADATA_DISABLED": "true",
        "POWERTOOLS_METRICS_NAMESPACE": "Bench",
        **variables,
    }


class Worker:
    """A contender that keeps running (see worker.py).

    python: another one than this environment's. command: begins the process's command line.
    """

    def __init__(
        self,
        task: str,
        kind: str,
        source: Path,
        variables: Mapping[str, str],
        python: str | None = None,
        *,
        command: Sequence[str] = (),
    ) -> None:
        interpreter = (python,) if python else PYTHON
        # What it writes there, downloads above all, goes when it ends.
        self._temporary = tempfile.TemporaryDirectory(prefix="contender-", dir=source)
        self._process = subprocess.Popen(
            [*command, *interpreter, "-m", "tools.bench.worker", task, kind, str(source)],
            env=environment(kind, variables, interpreter) | {"TMPDIR": self._temporary.name},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def wait(self) -> None:
        """Wait until it can run. Raises ToolError: it ended instead."""
        self._read()

    def run(self, name: str, count: int) -> dict[str, list[float]]:
        """Do ``count`` runs; returns their "ms" and, of our requests, the "not_inference_ms"."""
        figures: dict[str, list[float]] = self._send(f"{name} {count}")
        return figures

    def peak_mb(self) -> float:
        """Its peak memory, MB."""
        return float(self._send("memory 0"))

    def steps(self) -> dict[str, list[float]]:
        """Of a profile: the ms of each step, request by request; of a batch, call by call."""
        figures: dict[str, list[float]] = self._send("steps 0")
        return figures

    def stop(self) -> None:
        """End it."""
        self._process.kill()
        self._process.communicate()
        self._temporary.cleanup()

    def _send(self, line: str) -> Any:
        assert self._process.stdin
        self._process.stdin.write(line + "\n")
        self._process.stdin.flush()
        return self._read()

    def _read(self) -> Any:
        assert self._process.stdout
        line = self._process.stdout.readline()
        if not line:
            _, errors = self._process.communicate()
            self._temporary.cleanup()
            raise ToolError(_last_line(errors))
        return json.loads(line)


@contextmanager
def workers(
    kinds: Mapping[str, tuple[str, ...]], source: Path, variables: Mapping[str, Mapping[str, str]]
) -> Iterator[dict[str, Worker]]:
    """A worker for each of ``kinds``: by name its task, its kind and, optionally, its Python."""
    with ExitStack() as stack:
        running = {}
        for name, (task, kind, *python) in kinds.items():
            running[name] = Worker(task, kind, source, variables.get(name, {}), *python)
            stack.callback(running[name].stop)
        for worker in running.values():  # they get ready side by side
            worker.wait()
        yield running


def start(
    kind: str,
    source: Path,
    variables: Mapping[str, str],
    *options: str,
    command: Sequence[str] = (),
) -> dict[str, Any]:
    """One start from spawn to first response (see start.py): seconds.

    command: begins the process's command line.
    """
    with tempfile.TemporaryDirectory(prefix="contender-", dir=source) as temporary:
        arguments = [kind, str(source), str(time.monotonic()), *options]
        process = subprocess.run(
            [*command, *PYTHON, "-m", "tools.bench.start", *arguments],
            env=environment(kind, variables) | {"TMPDIR": temporary},
            capture_output=True,
            text=True,
            check=False,
        )
    if process.returncode:
        raise ToolError(_last_line(process.stderr))
    figures: dict[str, Any] = json.loads(process.stderr.splitlines()[-1])
    return figures


def drop_page_cache() -> bool:
    """Make the system forget what it read from disks; False: only its administrator may."""
    os.sync()
    try:
        Path("/proc/sys/vm/drop_caches").write_text("3")
    except OSError:
        return False
    return True


def import_ms(module: str) -> float:
    """How long a bare interpreter takes to import ``module``, ms."""
    code = (
        "import sys, time; before = time.perf_counter(); "
        f"__import__({module!r}); print((time.perf_counter() - before) * 1000)"
    )
    process = subprocess.run(
        [*PYTHON, "-c", code],
        env=environment("ours", {}),
        capture_output=True,
        text=True,
        check=True,
    )
    return float(process.stdout.splitlines()[-1])


def _last_line(errors: str) -> str:
    return (errors.strip().splitlines() or ["A contender ended without a message."])[-1]
