"""A network alone, in each engine. A contender imports only its own."""

# ruff: noqa: PLC0415

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

Forward = Callable[[Any], Any]


def load(folder: Path, kind: str, threads: int) -> Forward:
    """The network in ``folder`` (see networks.py) as ``kind`` names it: an engine and a precision.

    It takes tensors, (n, 3, size, size) float32.
    """
    engine, precision = kind.split()
    return _ENGINES[engine](folder, precision, threads)


def _mxnet(folder: Path, precision: str, threads: int) -> Forward:
    from classifier.model.bundle import Folder, read_bundle
    from classifier.model.network import Model

    return Model.load(read_bundle(Folder(folder / precision)), threads).classify


def _onnxruntime(folder: Path, precision: str, threads: int) -> Forward:
    from tools.model.onnxruntime_peer import runner

    return runner((folder / f"{precision}.onnx").read_bytes(), threads)


def _openvino(folder: Path, precision: str, threads: int) -> Forward:
    """Compiled for each number of images, as OpenVINO advises. "default" lets it choose a type."""
    import openvino

    core = openvino.Core()
    options: dict[str, Any] = {"INFERENCE_NUM_THREADS": threads, "PERFORMANCE_HINT": "LATENCY"}
    if precision == "float32":
        options["INFERENCE_PRECISION_HINT"] = "f32"

    files = {"int8": "int8.onnx", "int8-nncf": "int8-nncf.xml"}
    file = folder / files.get(precision, "float32.onnx")
    if precision == "int8-nncf" and not file.exists():  # quantized once, for all numbers of threads
        openvino.save_model(_nncf(core, folder), file, compress_to_fp16=False)

    @cache
    def compiled(images: int) -> Any:
        network = core.read_model(file)
        network.reshape([images, *list(network.input(0).partial_shape)[1:]])
        return core.compile_model(network, "CPU", options)

    return lambda tensors: compiled(len(tensors))(tensors)[0]


def _nncf(core: Any, folder: Path) -> Any:
    """OpenVINO's own int8, of the same images."""
    import nncf
    import numpy as np

    (tensors,) = np.load(folder / "calibration.npz").values()
    network = core.read_model(folder / "float32.onnx")
    return nncf.quantize(network, nncf.Dataset(list(tensors[:, np.newaxis])))


def _torch(folder: Path, precision: str, threads: int) -> Forward:
    from tools.bench import torch_networks

    return torch_networks.load(folder / "state.npz", threads, compiles=precision == "compiled")


_ENGINES: dict[str, Callable[[Path, str, int], Forward]] = {
    "mxnet": _mxnet,
    "onnxruntime": _onnxruntime,
    "openvino": _openvino,
    "torch": _torch,
}
