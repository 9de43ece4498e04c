"""A PyTorch checkpoint of torchvision's ResNet-18 or 34 becomes a bundle."""

import hashlib
from pathlib import Path

import safetensors
import safetensors.numpy

from tools.errors import ToolError
from tools.model import resnet
from tools.model.convert import from_torch
from tools.model.draft import NewBundle, read_file
from tools.model.network import Array, params_file
from tools.model.pickled import STREAM, ZIP, read_pth
from tools.model.synthetic import IMAGENET_PREPROCESSING


def import_checkpoint(path: Path, labels: Path) -> NewBundle:
    """The bundle of the checkpoint ``path``, .pth or .safetensors, with the labels in ``labels``.

    Raises ToolError, which names the file: it is broken, it is no state_dict of that family, or
    it asks for more than tensors.
    """
    data = read_file(path)
    digest = hashlib.sha256(data).hexdigest()
    return checkpoint_draft(
        data,
        str(path),
        labels=read_file(labels),
        labels_origin=str(labels),
        source=f"imported from {path.name}, SHA-256 {digest}",
    )


def checkpoint_draft(
    data: bytes, where: str, *, labels: bytes, labels_origin: str, source: str
) -> NewBundle:
    """The bundle of the checkpoint that ``data`` is; errors open with ``where``."""
    try:
        architecture, arguments, auxiliary = from_torch(_read(data))
    except ToolError as error:
        raise ToolError(f"{where}: {error}") from error
    return NewBundle(
        name=architecture.name,
        preprocessing=IMAGENET_PREPROCESSING,
        probabilities=False,
        source=source,
        symbol=resnet.symbol(architecture).tojson().encode(),
        params=params_file(arguments, auxiliary),
        labels=labels,
        origins={"params": where, "labels": labels_origin},
    )


def _read(data: bytes) -> dict[str, Array]:
    if data.startswith((ZIP, STREAM)):
        return read_pth(data)
    try:
        arrays = safetensors.numpy.load(data)
    except safetensors.SafetensorError as error:
        raise ToolError(f"neither a .pth nor a .safetensors file: {error}") from error
    except KeyError as error:
        # A type that NumPy lacks.
        raise ToolError(f"its tensors are {error.args[0]}; save them as float32") from error
    return {name: array.astype("float32") for name, array in arrays.items()}
