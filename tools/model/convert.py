"""The same ResNet under other names: torchvision's and Gluon's parameters become ours."""

from collections.abc import Callable, Mapping

from tools.errors import ToolError
from tools.model import resnet
from tools.model.network import Array

# A network's parameters: what it learned, and the statistics that its batch norms keep.
Parameters = tuple[dict[str, Array], dict[str, Array]]
# From one layer to the names of its convolution's weight and of its batch norm's four arrays.
Naming = Callable[[resnet.Layer], tuple[str, tuple[str, ...]]]

_MEMBERS = (*resnet.LEARNED, *resnet.STATISTICS)
_TORCH_MEMBERS = ("weight", "bias", "running_mean", "running_var")


def from_torch(state: Mapping[str, Array]) -> tuple[resnet.Architecture, *Parameters]:
    """What network ``state`` is of, torchvision's names, and its parameters under ours.

    Raises ToolError, which names the array: it is none of ResNet-18, 34 and their like.
    """
    arrays = {
        name.removeprefix("module."): array  # DataParallel's
        for name, array in state.items()
        if not name.endswith(".num_batches_tracked")
    }
    architecture = _recognise(arrays)
    return architecture, *_rename(arrays, architecture, _torch, "fc.{}")


def from_gluon(arrays: Mapping[str, Array]) -> tuple[resnet.Architecture, *Parameters]:
    """Gluon's ``resnet18_v1``, as ``save_parameters`` or the older ``save_params`` wrote it.

    Raises ToolError, which names the array: it is something else.
    """
    architecture = resnet.Architecture()
    if "features.0.weight" in arrays:
        return architecture, *_rename(arrays, architecture, _gluon, "output.{}")
    plain = {name.removeprefix("resnetv10_"): array for name, array in arrays.items()}
    return architecture, *_rename(plain, architecture, _gluon_old, "dense0_{}")


def _torch(layer: resnet.Layer) -> tuple[str, tuple[str, ...]]:
    conv, norm = layer.torch
    return f"{conv}.weight", tuple(f"{norm}.{member}" for member in _TORCH_MEMBERS)


def _gluon(layer: resnet.Layer) -> tuple[str, tuple[str, ...]]:
    conv, norm = layer.gluon
    return f"{conv}.weight", tuple(f"{norm}.{member}" for member in _MEMBERS)


def _gluon_old(layer: resnet.Layer) -> tuple[str, tuple[str, ...]]:
    return f"{layer.conv}_weight", tuple(f"{layer.norm}_{member}" for member in _MEMBERS)


def _recognise(arrays: Mapping[str, Array]) -> resnet.Architecture:
    if "layer1.0.conv3.weight" in arrays:
        raise ToolError("a ResNet of bottleneck blocks (50 and deeper); only 18 and 34 are taken")
    blocks, widths = [], []
    for stage in range(1, 5):
        first = arrays.get(f"layer{stage}.0.conv1.weight")
        if first is None or "fc.weight" not in arrays:
            raise ToolError("none of torchvision's ResNets: the names of its tensors are others")
        depth = 1
        while f"layer{stage}.{depth}.conv1.weight" in arrays:
            depth += 1
        blocks.append(depth)
        widths.append(len(first))
    return resnet.Architecture(tuple(blocks), tuple(widths), len(arrays["fc.weight"]))


def _rename(
    arrays: Mapping[str, Array], architecture: resnet.Architecture, naming: Naming, head: str
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
    for layer in resnet.layers(architecture):
        conv, norm = naming(layer)
        arguments[f"{layer.conv}_weight"] = take(conv, layer.shape)
        for member, name in zip(_MEMBERS, norm, strict=True):
            kind = arguments if member in resnet.LEARNED else auxiliary
            kind[f"{layer.norm}_{member}"] = take(name, layer.shape[:1])
    classes, wide = architecture.classes, architecture.widths[-1]
    arguments["dense0_weight"] = take(head.format("weight"), (classes, wide))
    arguments["dense0_bias"] = take(head.format("bias"), (classes,))
    if rest:
        raise ToolError(f"{min(rest)!r} has no place in a ResNet of basic blocks")
    return arguments, auxiliary
