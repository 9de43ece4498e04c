"""The parameters of an architecture: renamed from a state dict, or drawn from a seed."""

from collections.abc import Callable, Mapping

import numpy as np

from tools.errors import ToolError
from tools.model.architectures.architecture import Architecture
from tools.model.architectures.layer import LEARNED, STATISTICS, Layer
from tools.model.architectures.resnet import ResNet
from tools.model.mxnet_files import Array

# A network's parameters by name: what it learned, and the statistics that its batch norms keep.
Parameters = tuple[dict[str, Array], dict[str, Array]]
# From one layer to the names of its convolution's weight and of its batch norm's four arrays.
Naming = Callable[[Layer], tuple[str, tuple[str, ...]]]

_MEMBERS = (*LEARNED, *STATISTICS)
_TORCH_MEMBERS = ("weight", "bias", "running_mean", "running_var")
# The centres and spreads of what is drawn for them.
_SPREADS = ((0.75, 0.5), (0, 0.2), (0, 0.2), (1, 0.5))


def from_torch(arrays: Mapping[str, Array], architecture: Architecture) -> Parameters:
    """The parameters in a PyTorch state dict of ``architecture``.

    Raises ToolError, which names the array: it is missing, of another shape, or one too many.
    """
    return _rename(arrays, architecture, _torch, architecture.torch_last + ".{}")


def from_gluon(arrays: Mapping[str, Array], architecture: ResNet) -> Parameters:
    """Gluon's ``resnet18_v1`` or 34, as ``save_parameters`` or the older ``save_params`` wrote it.

    Raises ToolError, which names the array: it is something else.
    """
    if "features.0.weight" in arrays:
        return _rename(arrays, architecture, _gluon, "output.{}")
    plain = {name.removeprefix("resnetv10_"): array for name, array in arrays.items()}
    return _rename(plain, architecture, _gluon_old, "dense0_{}")


def draw(architecture: Architecture, seed: int) -> Parameters:
    """Weights of a network that was never trained: (arguments, auxiliary states), by name."""
    return from_torch(draw_state(architecture, seed), architecture)


def draw_state(architecture: Architecture, seed: int) -> dict[str, Array]:
    """The PyTorch state dict of a network that was never trained.

    Convolutions as He et al. draw them (normal, variance 2 / fan-in), so that signals neither
    fade nor grow; batch norms at random, a little below the identity, against what the sums
    of the blocks add. The same seed gives the same bits.
    """
    random = np.random.Generator(np.random.PCG64(seed))

    def normal(shape: tuple[int, ...], spread: float) -> Array:
        return np.float32(spread) * random.standard_normal(shape, np.float32)

    def around(centre: float, spread: float, size: int) -> Array:
        draws = random.random(size, np.float32)
        return np.float32(centre) + np.float32(spread) * (draws - np.float32(0.5))

    state: dict[str, Array] = {}
    for layer in architecture.layers():
        channels = layer.shape[0]
        fan_in = layer.shape[1] * layer.shape[2] * layer.shape[3]
        weight, norm = _torch(layer)
        state[weight] = normal(layer.shape, (2 / fan_in) ** 0.5)
        for name, (centre, spread) in zip(norm, _SPREADS, strict=True):
            state[name] = around(centre, spread, channels)
    shape = architecture.classes, architecture.width
    state[f"{architecture.torch_last}.weight"] = normal(shape, (1 / architecture.width) ** 0.5)
    state[f"{architecture.torch_last}.bias"] = around(0, 0.2, architecture.classes)
    return state


def _torch(layer: Layer) -> tuple[str, tuple[str, ...]]:
    conv, norm = layer.torch
    return f"{conv}.weight", tuple(f"{norm}.{member}" for member in _TORCH_MEMBERS)


def _gluon(layer: Layer) -> tuple[str, tuple[str, ...]]:
    conv, norm = layer.gluon
    return f"{conv}.weight", tuple(f"{norm}.{member}" for member in _MEMBERS)


def _gluon_old(layer: Layer) -> tuple[str, tuple[str, ...]]:
    return f"{layer.conv}_weight", tuple(f"{layer.norm}_{member}" for member in _MEMBERS)


def _rename(
    arrays: Mapping[str, Array], architecture: Architecture, naming: Naming, last: str
) -> Parameters:
    """The parameters of ``architecture`` in ``arrays``; every one is there, and no other."""
    rest = dict(arrays)

    def take(name: str, shape: tuple[int, ...]) -> Array:
        if name not in rest:
            raise ToolError(f"the network needs {name!r}")
        array = rest.pop(name)
        if array.shape != shape:
            raise ToolError(f"{name!r} is {array.shape}, not {shape}")
        return array

    arguments: dict[str, Array] = {}
    auxiliary: dict[str, Array] = {}
    for layer in architecture.layers():
        conv, norm = naming(layer)
        arguments[f"{layer.conv}_weight"] = layer.fold(take(conv, layer.shape))
        for member, name in zip(_MEMBERS, norm, strict=True):
            kind = arguments if member in LEARNED else auxiliary
            kind[f"{layer.norm}_{member}"] = take(name, layer.shape[:1])
    classes = architecture.classes
    arguments["dense0_weight"] = take(last.format("weight"), (classes, architecture.width))
    arguments["dense0_bias"] = take(last.format("bias"), (classes,))
    if rest:
        raise ToolError(f"{min(rest)!r} has no place in {architecture.name}")
    return arguments, auxiliary
