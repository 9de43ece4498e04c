"""One contender in a process of its own: ``python -m tools.bench.worker TASK KIND SOURCE``.

Each line of standard input is "NAME COUNT". The response is one line of JSON: the milliseconds of
COUNT runs of NAME; for "memory 0" the process's peak memory, MB; for "steps 0" of a profile or a
batch the milliseconds of each step. The contender's own output is dropped.
"""

# ruff: noqa: PLC0415  (a contender imports only what it needs: its memory is measured)

import importlib
import json
import os
import re
import sys
import time
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from tools.bench import profile

CONTEXT = SimpleNamespace(
    aws_request_id="1",
    function_name="bench",
    memory_limit_in_mb="1769",
    invoked_function_arn="arn:aws:lambda:eu-central-1:123456789012:function:bench",
    function_version="1",
    get_remaining_time_in_millis=lambda: 300_000,
)

# The images of requests (see images.py): the first as a phone's thumbnail, the second as ImageNet's
# photographs are, 500 x 375.
IMAGES = ("100 KB", "234 KB", "12 MP")
# The networks (see networks.py).
RESNET, LITE = "ResNet-18", "EfficientNet-Lite0"
NETWORKS = (RESNET, LITE)
# Images that an engine takes at once.
BATCHES = (1, 8)
# Objects of a batch of the state machine, and their bucket.
BATCH_ITEMS, BUCKET = 64, "bench"

# No `type` statement: the Python that has PyTorch may be older than ours.
Run = Callable[[], Any]


def event(body: str, content_type: str = "image/jpeg") -> dict[str, Any]:
    """API Gateway's event of a POST of ``body``, an image in base64 or JSON."""
    return {
        "httpMethod": "POST",
        "path": "/predict",
        "headers": {"content-type": content_type},
        "queryStringParameters": None,
        "requestContext": {"requestId": "1"},
        "body": body,
        "isBase64Encoded": content_type == "image/jpeg",
    }


MODULES = {
    "ours": "app",
    "2017": "tools.bench.strategy_2017",
    "today": "tools.bench.handler_today",
}


def handler(kind: str) -> Any:
    """``lambda_handler`` of one of MODULES."""
    return importlib.import_module(MODULES[kind]).lambda_handler


def requests(source: Path, kind: str) -> Mapping[str, Run]:
    """Whole requests, by image and, of our function, "16 x 100 KB"."""
    handle = handler(kind)
    events = {name: event((source / f"{name}.b64").read_text()) for name in IMAGES}
    if kind == "ours":
        many = {"images": [{"image": events["100 KB"]["body"]}] * 16}
        events["16 x 100 KB"] = event(json.dumps(many), "application/json")

    def run(event: Mapping[str, Any]) -> Any:
        response = handle(event, CONTEXT)
        if response["statusCode"] != 200:
            raise RuntimeError(response["body"])
        return json.loads(response["body"])

    return {name: partial(run, event) for name, event in events.items()}


def batches(_source: Path, _kind: str) -> Mapping[str, Run]:
    """A batch of the state machine, 64 objects in S3."""
    handle = importlib.import_module("app").batch_handler
    items = [{"Key": f"{number}.jpg"} for number in range(BATCH_ITEMS)]
    event = {"Items": items, "BatchInput": {"bucket": BUCKET}}

    def run() -> None:
        results = handle(event, CONTEXT)
        assert all("labels" in result for result in results)

    return {"batch": run}


def engine(source: Path, kind: str) -> Mapping[str, Run]:
    """The network alone, by name: "batch 1" and "batch 8"."""
    import numpy as np

    from tools.bench import engines

    forward = engines.load(source, kind, int(os.environ["OMP_NUM_THREADS"]))
    rng = np.random.default_rng(0)
    tensors = {n: rng.standard_normal((n, 3, 224, 224), np.float32) for n in BATCHES}
    return {f"batch {n}": partial(forward, batch) for n, batch in tensors.items()}


def preparation(source: Path, kind: str) -> Mapping[str, Run]:
    """A 12-megapixel JPEG to tensor: as the function does it, or decoded at full size."""
    import cv2
    import numpy as np

    from classifier.image.preprocessing import Preprocessing
    from classifier.image.resize import normalise, resize_and_crop
    from classifier.image.tensor import Limits, to_tensor

    cv2.setNumThreads(1)
    data = (source / "12 MP.jpg").read_bytes()
    preprocessing = Preprocessing(
        resize=256, fit="crop", scale=1 / 255, mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225)
    )
    limits = Limits(len(data), 40_000_000)

    def whole() -> Any:
        pixels = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
        return normalise(resize_and_crop(pixels, preprocessing), preprocessing)  # type: ignore[arg-type]

    return {"12 MP": whole if kind == "whole" else lambda: to_tensor(data, preprocessing, limits)}


TASKS = {
    "request": requests,
    "profile": requests,
    "batch": batches,
    "engine": engine,
    "prepare": preparation,
}
# The steps that have a clock, by task.
CLOCKED: Mapping[str, profile.Steps] = {
    "profile": profile.STEPS,
    "batch": profile.BATCH_STEPS,
}


def peak_mb() -> float:
    """The peak memory of this process, MB (10^6 bytes)."""
    status = Path("/proc/self/status").read_text()
    peak = re.search(r"VmHWM:\s+(\d+) kB", status)
    assert peak
    return int(peak[1]) * 1024 / 1e6


def main() -> None:
    task, kind, source = sys.argv[1:]
    output = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    steps = profile.install_clocks(CLOCKED[task]) if task in CLOCKED else {}
    runs = TASKS[task](Path(source), kind)
    print(json.dumps("ready"), file=output)
    for line in sys.stdin:
        name, count = line.rsplit(" ", 1)
        if name in ("memory", "steps"):
            print(json.dumps(peak_mb() if name == "memory" else steps), file=output)
            continue
        times, rests = [], []
        for _ in range(int(count)):
            start = time.perf_counter()
            body = runs[name]()
            times.append((time.perf_counter() - start) * 1000)
            if isinstance(body, dict) and "timing_ms" in body:
                rests.append(times[-1] - body["timing_ms"]["inference"])
        print(json.dumps({"ms": times, "not_inference_ms": rests}), file=output)


if __name__ == "__main__":
    main()
