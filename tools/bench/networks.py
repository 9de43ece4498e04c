"""The networks that are measured, in the form that each contender takes.

Their weights are drawn from a seed: they take the same time as trained ones, and no network is
needed.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from classifier.image.tensor import Tensor
from classifier.model.bundle import Folder, read_bundle
from classifier.model.labels import IMAGENET_LABELS
from tools.bench.worker import RESNET
from tools.model.architectures import efficientnet
from tools.model.architectures.parameters import draw_state
from tools.model.architectures.resnet import ResNet
from tools.model.checkpoint import state_bundle
from tools.model.images import ImageFile
from tools.model.mxnet_files import Array
from tools.model.onnx_graph import onnx_model
from tools.model.onnxruntime_peer import quantized
from tools.model.quantize import quantize

# Stages of EfficientNet-Lite0: repeats, kernel, expansion, channels (Google 2020).
_LITE_STAGES = (
    (1, 3, 1, 16),
    (2, 3, 6, 24),
    (2, 5, 6, 40),
    (3, 3, 6, 80),
    (3, 5, 6, 112),
    (4, 5, 6, 192),
    (1, 3, 6, 320),
)
_STEM, _HEAD, _CLASSES = 32, 1280, 1000


def write(network: str, folder: Path, calibration: Sequence[Path]) -> None:
    """Write one of NETWORKS into ``folder``.

    The bundles are folders, float32 and int8; the peers' files are float32.onnx, int8.onnx
    (onnxruntime's static quantization), and state.npz with the names of PyTorch's state dict.
    calibration: images.
    """
    architecture = ResNet() if network == RESNET else efficientnet.recognise(_lite_shapes())
    assert architecture
    state = draw_state(architecture, seed=0)
    bundle = state_bundle(state, labels=IMAGENET_LABELS.read_bytes(), source="drawn from a seed")
    bundle.write(folder / "float32")
    images = [ImageFile(path, None) for path in calibration]
    quantize(
        read_bundle(Folder(folder / "float32")),
        bundle.labels,
        images,
        method="naive",
        advance=lambda: None,
    ).write(folder / "int8")
    tensors: list[Tensor] = [image.tensor(bundle.preprocessing) for image in images]
    model = onnx_model(state, bundle.preprocessing.size)
    (folder / "float32.onnx").write_bytes(model)
    (folder / "int8.onnx").write_bytes(quantized(model, tensors))
    np.savez(folder / "calibration.npz", np.stack(tensors))
    np.savez(folder / "state.npz", **state)


def _lite_shapes() -> dict[str, Array]:
    """The shapes of EfficientNet-Lite0's weights, as arrays that hold nothing."""
    shapes: dict[str, tuple[int, ...]] = {"_conv_stem": (_STEM, 3, 3, 3)}
    inputs, number = _STEM, 0
    for repeats, kernel, expansion, outputs in _LITE_STAGES:
        for _ in range(repeats):
            name, hidden = f"_blocks.{number}", inputs * expansion
            if expansion > 1:
                shapes[f"{name}._expand_conv"] = hidden, inputs, 1, 1
            shapes[f"{name}._depthwise_conv"] = hidden, 1, kernel, kernel
            shapes[f"{name}._project_conv"] = outputs, hidden, 1, 1
            inputs, number = outputs, number + 1
    shapes |= {"_conv_head": (_HEAD, inputs, 1, 1), "_fc": (_CLASSES, _HEAD)}
    return {f"{name}.weight": np.empty(shape, np.float32) for name, shape in shapes.items()}
