"""A PyTorch checkpoint becomes a bundle: ResNet, MobileNetV2 or EfficientNet-Lite."""

import hashlib
import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import safetensors
import safetensors.numpy

from tools.errors import ToolError
from tools.model.architectures import efficientnet, mobilenet, resnet
from tools.model.architectures.architecture import Architecture
from tools.model.architectures.parameters import from_torch
from tools.model.files import read_file
from tools.model.mxnet_files import Array, params_file
from tools.model.new_bundle import NewBundle
from tools.model.other_files import describe_other_file
from tools.model.torch_file import STREAM, ZIP, read_pth

_FAMILIES: tuple[Callable[[Mapping[str, Array]], Architecture | None], ...] = (
    resnet.recognise,
    mobilenet.recognise,
    efficientnet.recognise,
)
_FAMILY_NAMES = (
    "torchvision's ResNets (conv1.weight, layer1.0.conv1.weight, …) and MobileNetV2"
    " (features.0.0.weight, …), and EfficientNet-Lite0, 1 and 2 (_conv_stem.weight, …)"
)
# What DataParallel and training scripts put before every name.
_PREFIXES = re.compile(r"^(?:(?:module|backbone|model|net)\.)+")


def import_checkpoint(path: Path, labels: Path) -> NewBundle:
    """The bundle of the checkpoint ``path``, .pth or .safetensors, with the labels in ``labels``.

    Raises ToolError, which names the file: it is broken, it is no state dict of a network that is
    built here, or it holds more than tensors.
    """
    data = read_file(path)
    digest = hashlib.sha256(data).hexdigest()
    return checkpoint_bundle(
        data,
        str(path),
        labels=read_file(labels),
        labels_origin=str(labels),
        source=f"imported from {path.name}, SHA-256 {digest}",
    )


def checkpoint_bundle(
    data: bytes, where: str, *, labels: bytes, labels_origin: str, source: str
) -> NewBundle:
    """The bundle of the checkpoint ``data``; errors begin with ``where``. Raises ToolError."""
    try:
        bundle = state_bundle(read_state(data), labels=labels, source=source)
    except ToolError as error:
        raise ToolError(f"{where}: {error}") from error
    return replace(bundle, origins={"params": where, "labels": labels_origin})


def state_bundle(state: Mapping[str, Array], *, labels: bytes, source: str) -> NewBundle:
    """The bundle of a state dict. Raises ToolError: it is none of a network that is built here."""
    architecture = recognise(state)
    params = params_file(*from_torch(state, architecture))
    return NewBundle.of(architecture, source=source, params=params, labels=labels)


def recognise(arrays: Mapping[str, Array]) -> Architecture:
    """The architecture of the state dict ``arrays``.

    Raises ToolError, which lists its first ten names: it is none that is built here.
    """
    for family in _FAMILIES:
        if (architecture := family(arrays)) is not None:
            return architecture
    names = ", ".join(list(arrays)[:10])
    raise ToolError(
        f"no network that can be imported: its tensors are {names}"
        f"{', …' if len(arrays) > 10 else ''}. Known are {_FAMILY_NAMES};"
        " export another one to ONNX, and import that"
    )


def read_state(data: bytes) -> dict[str, Array]:
    """The state dict in the .pth or .safetensors file ``data``, without usual prefixes.

    Raises ToolError: it is broken, or holds more than tensors.
    """
    return {
        _PREFIXES.sub("", name): array
        for name, array in _read(data).items()
        if not name.endswith("num_batches_tracked")
    }


def _read(data: bytes) -> dict[str, Array]:
    if data.startswith((ZIP, STREAM)):
        return read_pth(data)
    try:
        arrays = safetensors.numpy.load(data)
    except safetensors.SafetensorError as error:
        if (text := describe_other_file(data)) is not None:
            raise ToolError(f"it is {text}") from error
        raise ToolError(f"neither a .pth nor a .safetensors file: {error}") from error
    except KeyError as error:
        # A type that NumPy lacks.
        raise ToolError(f"its tensors are {error.args[0]}; save them as float32") from error
    return {name: array.astype("float32") for name, array in arrays.items()}
