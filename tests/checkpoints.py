"""Small checkpoints with the names of real ones and random weights."""

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
import safetensors.numpy

from tools.model.architectures.architecture import Architecture
from tools.model.architectures.resnet import ResNet

State = dict[str, npt.NDArray[np.float32]]


def state_dict(architecture: Architecture, contrast: float = 0.15, seed: int = 0) -> State:
    """A PyTorch state dict of ``architecture``; contrast: spread of its last layer's weights."""
    random = np.random.default_rng(seed)
    state: State = {}
    for layer in architecture.layers():
        conv, norm = layer.torch
        outputs, *rest = layer.shape
        scale = np.sqrt(2 / np.prod(rest))
        state[f"{conv}.weight"] = random.normal(0, scale, layer.shape).astype(np.float32)
        for member, low, high in [
            ("weight", 0.5, 1.2), ("bias", -0.2, 0.2),
            ("running_mean", -0.2, 0.2), ("running_var", 0.7, 1.4),
        ]:  # fmt: skip
            state[f"{norm}.{member}"] = random.uniform(low, high, outputs).astype(np.float32)
    last = architecture.torch_last
    shape = architecture.classes, architecture.width
    state[f"{last}.weight"] = random.normal(0, contrast, shape).astype(np.float32)
    state[f"{last}.bias"] = random.normal(0, 0.2, shape[0]).astype(np.float32)
    return state


def save(state: Mapping[str, npt.NDArray[np.float32]]) -> bytes:
    """A .safetensors file, with the counters that PyTorch keeps beside batch norms."""
    means = [name for name in state if name.endswith("running_mean")]
    zero = np.zeros((), np.float32)
    counters = {name.replace("running_mean", "num_batches_tracked"): zero for name in means}
    return safetensors.numpy.save(dict(state) | counters)


def resnet18() -> bytes:
    """A narrow ResNet-18 with ImageNet's 1000 classes, 150 KB."""
    return save(state_dict(ResNet(widths=(4, 6, 8, 10))))


def inverted_residual(
    layers: Mapping[str, tuple[int, ...]], norms: Mapping[str, int], last: str
) -> State:
    """A state dict: convolutions by name and shape, batch norms by name and width, a last layer."""
    random = np.random.default_rng(0)
    state: State = {}
    for name, shape in layers.items():
        scale = np.sqrt(2 / np.prod(shape[1:]))
        state[f"{name}.weight"] = random.normal(0, scale, shape).astype(np.float32)
    for name, width in norms.items():
        state[f"{name}.weight"] = random.uniform(0.6, 1.1, width).astype(np.float32)
        state[f"{name}.bias"] = random.uniform(-0.2, 0.6, width).astype(np.float32)
        state[f"{name}.running_mean"] = random.uniform(-0.2, 0.2, width).astype(np.float32)
        state[f"{name}.running_var"] = random.uniform(0.7, 1.4, width).astype(np.float32)
    state[f"{last}.weight"] = random.normal(0, 0.06, (10, 1280)).astype(np.float32)
    state[f"{last}.bias"] = random.normal(0, 0.2, 10).astype(np.float32)
    return state


def mobilenet_v2() -> State:
    """MobileNetV2 (Sandler et al. 2018, table 2) in torchvision's names, with ten classes."""
    layers: dict[str, tuple[int, ...]] = {"features.0.0": (32, 3, 3, 3)}
    norms = {"features.0.1": 32}
    inputs, number = 32, 1
    for expansion, outputs, repeats in [
        (1, 16, 1), (6, 24, 2), (6, 32, 3), (6, 64, 4), (6, 96, 3), (6, 160, 3), (6, 320, 1),
    ]:  # fmt: skip
        for _ in range(repeats):
            name, hidden, at = f"features.{number}.conv", inputs * expansion, 0
            if expansion > 1:
                layers[f"{name}.0.0"], norms[f"{name}.0.1"], at = (hidden, inputs, 1, 1), hidden, 1
            layers[f"{name}.{at}.0"], norms[f"{name}.{at}.1"] = (hidden, 1, 3, 3), hidden
            layers[f"{name}.{at + 1}"] = (outputs, hidden, 1, 1)
            norms[f"{name}.{at + 2}"] = outputs
            inputs, number = outputs, number + 1
    layers["features.18.0"], norms["features.18.1"] = (1280, inputs, 1, 1), 1280
    return inverted_residual(layers, norms, "classifier.1")


def efficientnet_lite(depths: tuple[int, ...], widths: tuple[int, ...]) -> State:
    """EfficientNet-Lite in the names of EfficientNet-PyTorch, with ten classes."""
    layers: dict[str, tuple[int, ...]] = {"_conv_stem": (32, 3, 3, 3)}
    norms = {"_bn0": 32}
    inputs, number = 32, 0
    for depth, width, kernel in zip(depths, widths, (3, 3, 5, 3, 5, 5, 3), strict=True):
        for _ in range(depth):
            name, hidden = f"_blocks.{number}", inputs * (6 if number else 1)
            if number:
                layers[f"{name}._expand_conv"] = (hidden, inputs, 1, 1)
                norms[f"{name}._bn0"] = hidden
            layers[f"{name}._depthwise_conv"] = (hidden, 1, kernel, kernel)
            norms[f"{name}._bn1"] = hidden
            layers[f"{name}._project_conv"] = (width, hidden, 1, 1)
            norms[f"{name}._bn2"] = width
            inputs, number = width, number + 1
    layers["_conv_head"], norms["_bn1"] = (1280, inputs, 1, 1), 1280
    return inverted_residual(layers, norms, "_fc")


LITE = {
    "efficientnet-lite0": efficientnet_lite((1, 2, 2, 3, 3, 4, 1), (16, 24, 40, 80, 112, 192, 320)),
    "efficientnet-lite1": efficientnet_lite((1, 3, 3, 4, 4, 5, 1), (16, 24, 40, 80, 112, 192, 320)),
    "efficientnet-lite2": efficientnet_lite((1, 3, 3, 4, 4, 5, 1), (16, 24, 48, 88, 120, 208, 352)),
}
