"""The measurements: in every round each contender takes one turn."""

import base64
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tools.bench import contenders, handlers, images
from tools.bench.contenders import Sample, Worker
from tools.bench.handlers import HANDLERS, OURS
from tools.bench.object_server import object_server
from tools.bench.worker import BATCH_ITEMS, BATCHES, BUCKET, IMAGES, NETWORKS

type Tick = Callable[[str], None]
type Variables = Mapping[str, str]

PHASED = ("ours float32", "today", "2017")
COLD = ("ours float32", "ours int8", "ours Lite0 float32", "today")
MANY = "16 x 100 KB"
TWO_THREADS = "100 KB, two threads"
# By number of threads, as functions with one vCPU and with two have them: the name of each
# measurement, and the worker's run.
REQUEST_RUNS: dict[int, dict[str, str]] = {
    1: {**{name: name for name in IMAGES}, MANY: MANY},
    2: {TWO_THREADS: "100 KB"},
}
ENGINES = {
    "ours float32": "mxnet float32",
    "ours int8": "mxnet int8",
    "onnxruntime float32": "onnxruntime float32",
    "onnxruntime int8": "onnxruntime int8",
    "OpenVINO float32": "openvino float32",
    "OpenVINO default": "openvino default",
    "OpenVINO int8, onnxruntime's": "openvino int8",
    "OpenVINO int8, its own": "openvino int8-nncf",
}
TORCH_ENGINES = {"PyTorch": "torch eager", "PyTorch compiled": "torch compiled"}
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
    """Samples, by what was measured and by contender.

    Of ``engines``: see ``engine_run``. cpu_shares: figures, see part_vcpu.py.
    """

    starts: dict[str, Sample] = field(default_factory=dict)
    cold_starts: dict[str, Sample] = field(default_factory=dict)
    read_mb: dict[str, Sample] = field(default_factory=dict)
    phases: dict[str, list[Any]] = field(default_factory=dict)
    imports: dict[str, Sample] = field(default_factory=dict)
    requests: dict[str, dict[str, Sample]] = field(default_factory=dict)
    not_inference_ms: dict[str, dict[str, Sample]] = field(default_factory=dict)
    steps: dict[str, dict[str, Sample]] = field(default_factory=dict)
    engines: dict[str, dict[str, Sample]] = field(default_factory=dict)
    batches: dict[str, dict[str, Sample]] = field(default_factory=dict)
    batch_steps_ms: dict[str, dict[str, dict[str, float]]] = field(default_factory=dict)
    preparation: dict[str, Sample] = field(default_factory=dict)
    peak_mb: dict[str, float] = field(default_factory=dict)
    cpu_shares: dict[str, dict[str, Any]] = field(default_factory=dict)


def engine_run(network: str, batch: int, threads: int) -> str:
    """The name of a measurement of engines."""
    return f"{network}, batch {batch}, {'one thread' if threads == 1 else 'two threads'}"


def make_inputs(folder: Path, names: Sequence[str] = NETWORKS) -> None:
    """Make the inputs in ``folder``: images, and a folder for each network of ``names``."""
    from tools.bench import networks  # noqa: PLC0415  (the group "bench" has what it imports)

    for name in IMAGES:
        data = images.draw(name)
        (folder / f"{name}.jpg").write_bytes(data)
        (folder / f"{name}.b64").write_text(base64.b64encode(data).decode())
    calibration = [folder / f"calibration-{number}.jpg" for number in range(24)]
    for path, data in zip(calibration, images.calibration(len(calibration)), strict=True):
        path.write_bytes(data)
    for network in names:
        (folder / network).mkdir()
        networks.write(network, folder / network, calibration)


def start_up(
    results: Results, folder: Path, variables: Mapping[str, Variables], rounds: int, tick: Tick
) -> None:
    """Spawn to first response, the bundle read over HTTP; the same in phases, and cold."""
    for name, (kind, _, _) in HANDLERS.items():
        contenders.start(kind, folder, variables[name])  # fills the page cache, writes bytecode
    for _ in range(rounds):
        for name, (kind, _, _) in HANDLERS.items():
            tick(f"start-up, {name}")
            total = contenders.start(kind, folder, variables[name])["total"]
            _add(results.starts, name, [total])
    for _ in range(rounds):
        for name in PHASED:
            tick(f"start-up in phases, {name}")
            kind = HANDLERS[name][0]
            figures = contenders.start(kind, folder, variables[name], "phases")
            results.phases.setdefault(kind, []).append(figures)
        for module in IMPORTS:
            _add(results.imports, module, [contenders.import_ms(module)])
    for _ in range(rounds):
        for name in COLD:
            tick(f"start-up, cold disk, {name}")
            if not contenders.drop_page_cache():
                return
            figures = contenders.start(HANDLERS[name][0], folder, variables[name])
            _add(results.cold_starts, name, [figures["total"]])
            _add(results.read_mb, name, [figures["read_mb"]])


def _add(samples: dict[str, Sample], name: str, values: list[float]) -> None:
    """Add a round of the contender ``name``."""
    samples.setdefault(name, Sample()).rounds.append(values)


def requests(
    results: Results, folder: Path, variables: Mapping[str, Variables], rounds: int, tick: Tick
) -> None:
    """Warm requests with the image in the body, and the peak memory with one thread."""
    kinds = {name: ("request", kind) for name, (kind, _, _) in HANDLERS.items()}
    for threads, runs in REQUEST_RUNS.items():
        threaded = {
            name: {**each, "OMP_NUM_THREADS": str(threads)} for name, each in variables.items()
        }
        with contenders.workers(kinds, folder, threaded) as workers:
            for worker in workers.values():
                worker.run("100 KB", 2)
            for _ in range(rounds):
                for name, worker in workers.items():
                    tick(f"requests, threads: {threads}, {name}")
                    _request(results, name, worker, runs)
            if threads == 1:
                results.peak_mb = {name: worker.peak_mb() for name, worker in workers.items()}


def _request(results: Results, name: str, worker: Worker, runs: Mapping[str, str]) -> None:
    """One turn of the contender ``name``; fewer requests where each takes long."""
    for measurement, run in runs.items():
        if run == MANY and name not in OURS:
            continue
        count = 2 if run in (MANY, "12 MP") else 3 if name == "2017" else 20
        figures = worker.run(run, count)
        _add(results.requests.setdefault(measurement, {}), name, figures["ms"])
        if name in OURS:
            rest = results.not_inference_ms.setdefault(measurement, {})
            _add(rest, name, figures["not_inference_ms"])


def steps(
    results: Results, folder: Path, variables: Mapping[str, Variables], rounds: int, tick: Tick
) -> None:
    """The steps of our warm request; the clocks make it a little longer."""
    kinds = dict.fromkeys(OURS, ("profile", "ours"))
    with contenders.workers(kinds, folder, variables) as workers:
        for worker in workers.values():
            worker.run("100 KB", 2)
        whole: dict[str, Sample] = {}
        for _ in range(rounds):
            for name, worker in workers.items():
                tick(f"steps of a request, {name}")
                _add(whole, name, worker.run("100 KB", 10)["ms"])
        for name, worker in workers.items():
            samples = {step: Sample([ms[2:]]) for step, ms in worker.steps().items()}
            results.steps[name] = {**samples, "in all": whole[name]}


def engines(
    results: Results, folder: Path, kinds: Mapping[str, Sequence[str]], rounds: int, tick: Tick
) -> None:
    """The networks alone. kinds: by contender its kind and, optionally, its Python."""
    tasks = {name: ("engine", *kind) for name, kind in kinds.items()}
    for network in NETWORKS:
        for threads in (1, 2):
            variables = {name: {"OMP_NUM_THREADS": str(threads)} for name in tasks}
            with contenders.workers(tasks, folder / network, variables) as workers:
                for batch in BATCHES:
                    name = engine_run(network, batch, threads)
                    _engines(results.engines.setdefault(name, {}), workers, batch, rounds)
                    tick(name)


def _engines(
    samples: dict[str, Sample], workers: Mapping[str, Worker], batch: int, rounds: int
) -> None:
    for worker in workers.values():
        worker.run(f"batch {batch}", 3)
    for _ in range(rounds):
        for name, worker in workers.items():
            _add(samples, name, worker.run(f"batch {batch}", 16 // batch)["ms"])


def batches(results: Results, folder: Path, rounds: int, tick: Tick) -> None:
    """Images a second from S3 to results, of our function: batches of the state machine.

    The steps are averages of one image, ms.
    """
    image = (folder / "100 KB.jpg").read_bytes()
    objects = {f"/{BUCKET}/{number}.jpg": image for number in range(BATCH_ITEMS)}
    with object_server(objects | handlers.objects(folder)) as url:
        for threads in (1, 2):
            variables = {
                name: {**each, "OMP_NUM_THREADS": str(threads)}
                for name, each in handlers.variables(url).items()
            }
            kinds = dict.fromkeys(OURS, ("batch", "ours"))
            run = "one vCPU" if threads == 1 else "two vCPU"
            with contenders.workers(kinds, folder, variables) as workers:
                for worker in workers.values():
                    worker.run("batch", 1)
                for _ in range(rounds):
                    for name, worker in workers.items():
                        tick(f"batches, {run}, {name}")
                        rates = [BATCH_ITEMS / ms * 1000 for ms in worker.run("batch", 1)["ms"]]
                        _add(results.batches.setdefault(run, {}), name, rates)
                images = BATCH_ITEMS * (1 + rounds)
                results.batch_steps_ms[run] = {
                    name: {step: round(sum(ms) / images, 2) for step, ms in worker.steps().items()}
                    for name, worker in workers.items()
                }


def preparation(results: Results, folder: Path, rounds: int, tick: Tick) -> None:
    """A 12-megapixel JPEG to tensor."""
    with contenders.workers(PREPARATIONS, folder, {}) as workers:
        for _ in range(rounds):
            for name, worker in workers.items():
                tick(f"12 MP to tensor, {name}")
                _add(results.preparation, name, worker.run("12 MP", 3)["ms"])
