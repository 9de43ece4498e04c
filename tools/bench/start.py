"""One start-up: ``python -m tools.bench.start KIND SOURCE SPAWNED [phases]``.

SPAWNED is the parent's monotonic clock at the spawn. The last line of standard error is JSON: the
seconds from then to the first response, the peak memory, and what was read from disks. With
"phases" modules are imported one group at a time, in the function's own order, and each is timed.
"""

import importlib
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

ENVIRONMENT = "classifier.runtime.environment"
# Phases, each with the module that is imported in it. Our function imports NumPy and MXNet while a
# thread reads the bundle, and the rest while another binds the network and runs it.
PHASES = {
    "ours": (
        ("our light modules, S3", ENVIRONMENT),
        ("settings, NumPy", "numpy"),
        ("MXNet", "classifier.model.lean_mxnet"),
        ("all else, binding, first run", "app"),
    ),
    "2017": (
        ("NumPy", "numpy"),
        ("boto3", "boto3"),
        ("OpenCV", "cv2"),
        ("MXNet, download", "tools.bench.strategy_2017"),
    ),
    "today": (
        ("NumPy", "numpy"),
        ("boto3", "boto3"),
        ("onnxruntime", "onnxruntime"),
        ("Pillow", "PIL.Image"),
        ("download, session", "tools.bench.handler_today"),
    ),
}


class Clock:
    """Notes when each phase ended, seconds since the spawn."""

    def __init__(self, spawned: float) -> None:
        self._spawned = spawned
        self.reached: list[tuple[str, float]] = []
        self.bundle_read: float | None = None

    def seconds(self) -> float:
        return time.monotonic() - self._spawned

    def reach(self, phase: str) -> None:
        self.reached.append((phase, self.seconds()))

    def import_phases(self, phases: tuple[tuple[str, str], ...]) -> None:
        for phase, module in phases:
            importlib.import_module(module)
            self.reach(phase)


def main() -> None:
    kind, source, spawned, *options = sys.argv[1:]
    clock = Clock(float(spawned))
    clock.reach("interpreter")
    if options and kind == "ours":
        _start_ours(clock)
    elif options:
        clock.import_phases(PHASES[kind])
    from tools.bench import worker  # noqa: PLC0415  (not before what is timed)

    handle = worker.handler(kind)
    response = handle(worker.event((Path(source) / "100 KB.b64").read_text()), worker.CONTEXT)
    assert response["statusCode"] == 200, response["body"]
    clock.reach("first answer")
    figures: dict[str, Any] = {
        "total": clock.reached[-1][1],
        "peak_mb": worker.peak_mb(),
        "read_mb": _read_mb(),
    }
    if options:
        figures |= {"reached": clock.reached, "bundle": clock.bundle_read}
    print(json.dumps(figures), file=sys.stderr)


def _read_mb() -> float:
    """What this process made the system read from disks, MB (10^6 bytes)."""
    (line,) = (
        line for line in Path("/proc/self/io").read_text().splitlines() if "read_bytes" in line
    )
    return int(line.split()[1]) / 1e6


def _start_ours(clock: Clock) -> None:
    """Start the function; its environment's own steps reach the phases."""
    first, *early, last = PHASES["ours"]
    clock.import_phases((first,))
    environment: Any = sys.modules[ENVIRONMENT]
    environment.Preload = _timed_preload(environment.Preload, clock)
    # The environment's own import of NumPy comes before all others.
    import_numpy: Callable[[], None] = environment.import_numpy

    def timed() -> None:
        import_numpy()
        clock.import_phases(tuple(early))

    environment.import_numpy = timed
    clock.import_phases((last,))


def _timed_preload(preload: Any, clock: Clock) -> Any:
    def create(*arguments: Any) -> Any:
        reading = preload(*arguments)
        reading._reading.add_done_callback(lambda _: note())  # noqa: SLF001  (no other sign of it)
        return reading

    def note() -> None:
        clock.bundle_read = clock.seconds()

    return create


if __name__ == "__main__":
    main()
