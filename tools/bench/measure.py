"""The measurements: in every round each contender takes one turn."""

import base64
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from classifier.model.bundle import Folder, read_bundle
from classifier.model.lean_mxnet import mx
from tools.bench import contenders, images, onnx_resnet
from tools.bench.contenders import Sample, Worker
from tools.errors import ToolError
from tools.project import ROOT

type Tick = Callable[[str], None]

REQUESTS = {
    "ours float32": ("request", "ours"),
    "ours int8": ("request", "ours"),
    "2017": ("request", "2017"),
}
TWO_THREADS = "100 KB, two threads"
# By number of threads, as functions with one vCPU and with two have them: the name of each
# measurement, and the worker's run. The strategy of 2017 takes one image a request.
REQUEST_RUNS = {
    "1": {"100 KB": "100 KB", "12 MP": "12 MP", "16 x 100 KB": "16 x 100 KB"},
    "2": {TWO_THREADS: "100 KB"},
}
PROFILES = {"float32": ("profile", "ours"), "int8": ("profile", "ours")}
ENGINES = {
    "MXNet float32 (ours)": ("engine", "mxnet float32"),
    "MXNet int8 (ours)": ("engine", "mxnet int8"),
    "ONNX Runtime": ("engine", "onnxruntime"),
    "OpenVINO float32": ("engine", "openvino float32"),
    "OpenVINO default": ("engine", "openvino default"),
}
TORCH = "PyTorch"
PREPARATIONS = {"ours": ("prepare", "reduced"), "whole": ("prepare", "whole")}
IMPORTS = {
    "numpy": "NumPy",
    "cv2": "OpenCV (and NumPy)",
    "classifier.model.lean_mxnet": "MXNet as the function imports it (and NumPy)",
    "aws_lambda_powertools": "Powertools: logger, metrics",
    "http.client": "http.client",
    "classifier.s3.client": "our S3 client",
    "boto3": "boto3",
    "app": "the whole function, without a model",
}


@dataclass
class Results:
    """Samples, by what was measured and by contender."""

    starts: dict[str, Sample] = field(default_factory=dict)
    phases: dict[str, list[Any]] = field(default_factory=dict)
    imports: dict[str, Sample] = field(default_factory=dict)
    requests: dict[str, dict[str, Sample]] = field(default_factory=dict)
    not_inference: Sample = field(default_factory=Sample)
    steps: dict[str, dict[str, Sample]] = field(default_factory=dict)
    engines: dict[str, dict[str, Sample]] = field(default_factory=dict)
    preparation: dict[str, Sample] = field(default_factory=dict)
    peak_mb: dict[str, float] = field(default_factory=dict)


def make_inputs(folder: Path) -> None:
    """Make the inputs in ``folder``: images, bundles, the peers' network."""
    for name, data in (("100 KB", images.small()), ("12 MP", images.large())):
        (folder / f"{name}.jpg").write_bytes(data)
        (folder / f"{name}.b64").write_text(base64.b64encode(data).decode())
    _model("synthetic", "--to", str(folder / "float32"))
    arrays = mx.nd.load_frombuffer(read_bundle(Folder(folder / "float32")).params)
    weights = {name.partition(":")[2]: array.asnumpy() for name, array in arrays.items()}
    onnx_resnet.write(weights, folder / "resnet-18.onnx")
    np.savez(folder / "resnet-18.npz", **weights)
    (folder / "calibration").mkdir()
    for number, data in enumerate(images.calibration(24)):
        (folder / "calibration" / f"{number}.jpg").write_bytes(data)
    _model(
        "quantize",
        str(folder / "float32"),
        "--images",
        str(folder / "calibration"),
        "--to",
        str(folder / "int8"),
        "--force",
    )


def _model(*arguments: str) -> None:
    """Run the model tool. Raises ToolError, with the tool's message."""
    process = subprocess.run(
        [sys.executable, str(ROOT / "scripts" / "model.py"), *arguments],
        capture_output=True,
        text=True,
        check=False,
    )
    if process.returncode:
        raise ToolError(process.stderr.strip())


def start_up(
    results: Results, folder: Path, variables: Mapping[str, str], rounds: int, tick: Tick
) -> None:
    """Spawn to first response, the bundle read from S3 over HTTP; then the same in phases."""
    for kind in ("ours", "2017"):
        contenders.start(kind, folder, variables)  # fills the page cache, writes bytecode
    for _ in range(rounds):
        for kind in ("ours", "2017"):
            tick(f"start-up, {kind}")
            figures = contenders.start(kind, folder, variables)
            results.starts.setdefault(kind, Sample()).rounds.append([figures["total"]])
    for _ in range(rounds):
        for kind in ("ours", "2017"):
            tick(f"start-up in phases, {kind}")
            results.phases.setdefault(kind, []).append(
                contenders.start(kind, folder, variables, "phases")
            )
        for module in IMPORTS:
            sample = results.imports.setdefault(module, Sample())
            sample.rounds.append([contenders.import_ms(module)])


def requests(
    results: Results,
    folder: Path,
    variables: Mapping[str, Mapping[str, str]],
    rounds: int,
    tick: Tick,
) -> None:
    """Warm requests with the image in the body, and the peak memory with one thread."""
    for threads, runs in REQUEST_RUNS.items():
        threaded = {name: {**each, "OMP_NUM_THREADS": threads} for name, each in variables.items()}
        with contenders.workers(REQUESTS, folder, threaded) as workers:
            for worker in workers.values():
                worker.run("100 KB", 2)
            for _ in range(rounds):
                for name, worker in workers.items():
                    tick(f"requests, threads: {threads}, {name}")
                    _request(results, name, worker, runs)
            if threads == "1":
                results.peak_mb = {name: worker.peak_mb() for name, worker in workers.items()}


def _request(results: Results, name: str, worker: Worker, runs: Mapping[str, str]) -> None:
    """One turn of the contender ``name``; fewer requests where each takes long."""
    for measurement, run in runs.items():
        if (name, run) == ("2017", "16 x 100 KB"):
            continue
        count = 2 if run != "100 KB" else 3 if name == "2017" else 20
        figures = worker.run(run, count)
        sample = results.requests.setdefault(measurement, {}).setdefault(name, Sample())
        sample.rounds.append(figures["ms"])
        if (measurement, name) == ("100 KB", "ours float32"):
            results.not_inference.rounds.append(figures["not_inference"])


def steps(
    results: Results,
    folder: Path,
    variables: Mapping[str, Mapping[str, str]],
    rounds: int,
    tick: Tick,
) -> None:
    """The steps of our warm request; the clocks make it a little longer."""
    with contenders.workers(PROFILES, folder, variables) as workers:
        for worker in workers.values():
            worker.run("100 KB", 2)
        requests: dict[str, Sample] = {name: Sample() for name in workers}
        for _ in range(rounds):
            for name, worker in workers.items():
                tick(f"steps of a request, {name}")
                requests[name].rounds.append(worker.run("100 KB", 10)["ms"])
        for name, worker in workers.items():
            samples = {step: Sample([ms[2:]]) for step, ms in worker.steps().items()}
            results.steps[name] = {**samples, "in all": requests[name]}


def engines(
    results: Results, folder: Path, kinds: Mapping[str, tuple[str, ...]], rounds: int, tick: Tick
) -> None:
    """The network alone, on one thread. kinds: ENGINES, or more of them."""
    with contenders.workers(kinds, folder, {}) as workers:
        for batch in (1, 8, 16):
            run = f"batch {batch}"
            for worker in workers.values():
                worker.run(run, 2)
            for _ in range(rounds):
                for name, worker in workers.items():
                    tick(f"{run}, {name}")
                    figures = worker.run(run, max(2, 16 // batch))
                    sample = results.engines.setdefault(run, {}).setdefault(name, Sample())
                    sample.rounds.append(figures["ms"])


def preparation(results: Results, folder: Path, rounds: int, tick: Tick) -> None:
    """A 12-megapixel JPEG to tensor."""
    with contenders.workers(PREPARATIONS, folder, {}) as workers:
        for _ in range(rounds):
            for name, worker in workers.items():
                tick(f"12 MP to tensor, {name}")
                figures = worker.run("12 MP", 3)
                results.preparation.setdefault(name, Sample()).rounds.append(figures["ms"])
