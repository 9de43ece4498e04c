"""Small checkpoints with the names of real ones and random weights."""

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
import safetensors.numpy

from tools.model.architectures.architecture import Architecture
from tools.model.architectures.resnet import ResNet

State = dict[str, npt.NDArray[np.float32]]


def state_dict(architecture: Architecture, seed: int = 0) -> State:
    """A PyTorch state dict of ``architecture``; its answers differ from class to class."""
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
        state[f"{norm}.num_batches_tracked"] = np.zeros((), np.float32)
    last = architecture.torch_last
    shape = architecture.classes, architecture.width
    state[f"{last}.weight"] = random.normal(0, 0.5, shape).astype(np.float32)
    state[f"{last}.bias"] = random.normal(0, 0.5, shape[0]).astype(np.float32)
    return state


def save(state: Mapping[str, npt.NDArray[np.float32]]) -> bytes:
    """A .safetensors file."""
    return safetensors.numpy.save(dict(state))


def resnet18() -> bytes:
    """A narrow ResNet-18 with ImageNet's 1000 classes, 150 KB."""
    return save(state_dict(ResNet(widths=(4, 6, 8, 10))))
