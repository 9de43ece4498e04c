"""One start-up: ``python -m tools.bench.start KIND SOURCE SPAWNED [phases]``.

SPAWNED is the parent's monotonic clock at the spawn. The last line of standard error is JSON: the
seconds from then to the first response, and the peak memory. With "phases" the function's modules
are imported one group at a time, in the function's own order, and each is timed.
"""

import importlib
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

PRELOAD = "classifier.runtime.preload"
PHASES = {
    "ours": (
        ("S3, the bundle's download begun", PRELOAD),
        ("NumPy", "numpy"),
        ("Powertools", "aws_lambda_powertools"),
        ("OpenCV", "cv2"),
        ("MXNet", "classifier.model.lean_mxnet"),
        ("all else, binding, warm-up", "app"),
    ),
    "2017": (
        ("NumPy", "numpy"),
        ("boto3", "boto3"),
        ("OpenCV", "cv2"),
        ("MXNet, download", "tools.bench.strategy_2017"),
    ),
}


def main() -> None:
    kind, source, spawned, *options = sys.argv[1:]

    def elapsed() -> float:
        return time.monotonic() - float(spawned)

    reached: list[tuple[str, float]] = [("interpreter", elapsed())]
    bundle_read: list[float] = []
    for phase, name in PHASES[kind] if options else ():
        module = importlib.import_module(name)
        if name == PRELOAD:
            _when_read(module, lambda: bundle_read.append(elapsed()))
        reached.append((phase, elapsed()))
    from tools.bench import worker  # noqa: PLC0415  (not before what is timed)

    handle = worker.handler(kind)
    response = handle(worker.event((Path(source) / "100 KB.b64").read_text()), worker.CONTEXT)
    assert response["statusCode"] == 200, response["body"]
    reached.append(("first answer", elapsed()))
    figures: dict[str, Any] = {"total": reached[-1][1], "peak_mb": worker.peak_mb()}
    if options:
        figures |= {"reached": reached, "bundle": max(bundle_read, default=None)}
    print(json.dumps(figures), file=sys.stderr)


def _when_read(preload: Any, call: Callable[[], None]) -> None:
    """Call ``call`` when a file of the bundle has been read."""
    for future in preload._begun.values():  # noqa: SLF001  (it has no other sign of it)
        future.add_done_callback(lambda _: call())


if __name__ == "__main__":
    main()
