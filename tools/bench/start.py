"""One start, from spawn to first answer: ``python -m bench.start KIND SOURCE SPAWNED [phases]``.

SPAWNED is the parent's reading of the monotonic clock. The last line of standard error is JSON:
seconds since then. With "phases" the function's modules are imported one group at a time, in the
function's own order, and each is timed.
"""

import importlib
import json
import sys
import time
from pathlib import Path
from typing import Any

MODULES = {
    "ours": (
        ("S3, the bundle's download begun", "classifier.runtime.preload"),
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
    kind, source, spawned, *how = sys.argv[1:]
    since = float(spawned)
    reached: list[tuple[str, float]] = [("interpreter", time.monotonic() - since)]
    if how:
        arrived: list[float] = []
        for name, module in MODULES[kind]:
            found = importlib.import_module(module)
            if module == "classifier.runtime.preload":
                _when_read(found, lambda: arrived.append(time.monotonic() - since))
            reached.append((name, time.monotonic() - since))
    from tools.bench import worker  # noqa: PLC0415  (not before what is timed)

    handle = worker.handler(kind)
    response = handle(worker.event((Path(source) / "100 KB.b64").read_text()), worker.CONTEXT)
    assert response["statusCode"] == 200, response["body"]
    reached.append(("first answer", time.monotonic() - since))
    answer: dict[str, Any] = {"total": reached[-1][1], "peak_mb": worker.peak_mb()}
    if how:
        answer |= {"reached": reached, "bundle": max(arrived, default=None)}
    print(json.dumps(answer), file=sys.stderr)


def _when_read(head_start: Any, call: Any) -> None:
    for future in head_start._begun.values():  # noqa: SLF001  (to see when it is done)
        future.add_done_callback(lambda _: call())


if __name__ == "__main__":
    main()
