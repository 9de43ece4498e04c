"""One contender in a process of its own: ``python -m tools.bench.worker TASK KIND SOURCE``.

Each line of standard input is "NAME COUNT". The response is one line of JSON: the milliseconds of
COUNT runs of NAME; for "memory 0" the process's peak memory, MB; for "steps 0" of a profile the
milliseconds of each step. The contender's own output is dropped.
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

from tools.bench import profile, torch_resnet

CONTEXT = SimpleNamespace(
    aws_request_id="1",
    function_name="bench",
    memory_limit_in_mb="1769",
    invoked_function_arn="arn:aws:lambda:eu-central-1:123456789012:function:bench",
    function_version="1",
    get_remaining_time_in_millis=lambda: 30_000,
)

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


def handler(kind: str) -> Any:
    """``lambda_handler`` of our function, or of the strategy of 2017."""
    module = "app" if kind == "ours" else "tools.bench.strategy_2017"
    return importlib.import_module(module).lambda_handler


def requests(source: Path, kind: str) -> Mapping[str, Run]:
    """Whole requests, by name: "100 KB", "12 MP" and, of our function, "16 x 100 KB"."""
    handle = handler(kind)
    events = {name: event((source / f"{name}.b64").read_text()) for name in ("100 KB", "12 MP")}
    if kind == "ours":
        many = {"images": [{"image": events["100 KB"]["body"]}] * 16}
        events["16 x 100 KB"] = event(json.dumps(many), "application/json")

    def run(event: Mapping[str, Any]) -> Any:
        response = handle(event, CONTEXT)
        if response["statusCode"] != 200:
            raise RuntimeError(response["body"])
        return json.loads(response["body"])

    return {name: partial(run, event) for name, event in events.items()}


def engine(source: Path, kind: str) -> Mapping[str, Run]:
    """The network alone, by name: "batch 1", "batch 8" and "batch 16"."""
    import numpy as np

    load = {"mxnet": _mxnet, "onnxruntime": _onnxruntime, "openvino": _openvino, "torch": _torch}
    forward = load[kind.split(maxsplit=1)[0]](source, kind)
    rng = np.random.default_rng(0)
    tensors = {n: rng.standard_normal((n, 3, 224, 224), np.float32) for n in (1, 8, 16)}
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


def _mxnet(source: Path, kind: str) -> Callable[[Any], Any]:
    from classifier.model.bundle import Folder, read_bundle
    from classifier.model.network import Model

    return Model.load(read_bundle(Folder(source / kind.split()[1]))).classify


def _onnxruntime(source: Path, _kind: str) -> Callable[[Any], Any]:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(
        str(source / "resnet-18.onnx"), options, providers=["CPUExecutionProvider"]
    )
    return lambda tensors: session.run(None, {"data": tensors})


def _openvino(source: Path, kind: str) -> Callable[[Any], Any]:
    import openvino

    options: dict[str, Any] = {"INFERENCE_NUM_THREADS": 1, "PERFORMANCE_HINT": "LATENCY"}
    if kind.endswith("float32"):
        options["INFERENCE_PRECISION_HINT"] = "f32"
    network = openvino.Core().compile_model(str(source / "resnet-18.onnx"), "CPU", options)
    return lambda tensors: network(tensors)[0]


def _torch(source: Path, _kind: str) -> Callable[[Any], Any]:
    return torch_resnet.load(source / "resnet-18.npz")


TASKS = {"request": requests, "profile": requests, "engine": engine, "prepare": preparation}


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
    steps = profile.install_clocks() if task == "profile" else {}
    runs = TASKS[task](Path(source), kind)
    print(json.dumps("ready"), file=output)
    for line in sys.stdin:
        name, count = line.rsplit(" ", 1)
        if name in ("memory", "steps"):
            print(json.dumps(peak_mb() if name == "memory" else steps), file=output)
            continue
        times, shares = [], []
        for _ in range(int(count)):
            start = time.perf_counter()
            body = runs[name]()
            times.append((time.perf_counter() - start) * 1000)
            if isinstance(body, dict) and "timing_ms" in body:
                shares.append(1 - body["timing_ms"]["inference"] / times[-1])
        print(json.dumps({"ms": times, "not_inference": shares}), file=output)


if __name__ == "__main__":
    main()
