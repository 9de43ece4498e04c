"""float32 parameters become half precision in the file: half the download, the same computation."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from classifier.model.bundle import Bundle
from classifier.model.files import read_arrays
from classifier.model.network import Model
from tools.errors import ToolError
from tools.model.evaluate import probabilities
from tools.model.images import Image
from tools.model.mxnet_files import half_precision, save_arrays
from tools.model.new_bundle import NewBundle


@dataclass(frozen=True)
class Agreement:
    """Answers before and after: on how many images, and how many keep their first label.

    difference: the greatest one between two probabilities, 0..1.
    """

    images: int
    same: int
    difference: float


def halve(bundle: Bundle, labels: bytes) -> NewBundle:
    """``bundle`` with its weights in half precision. labels: its label file.

    The function makes them float32 again when it starts. Raises ToolError: it is int8, whose
    weights are so already, or in half precision. BundleError: its parameters cannot be read.
    """
    manifest = bundle.manifest
    if manifest.precision != "float32":
        raise ToolError(f"{manifest.name}: is {manifest.precision}, and has half the bytes already")
    loaded = read_arrays(bundle.params, manifest.files["params"].key)
    arrays = {":".join(name): array for name, array in loaded.items()}
    if any(array.dtype == np.float16 for array in arrays.values()):
        raise ToolError(f"{manifest.name}: its weights are in half precision already")
    params = save_arrays(half_precision(arrays))
    return NewBundle.like(bundle, labels, version=f"{manifest.version}-half", params=params)


def compare(
    bundle: Bundle, half: NewBundle, images: Sequence[Image], advance: Callable[[], None]
) -> Agreement:
    """Run both on ``images``. advance: called twice for each."""
    before, after = (
        probabilities(model, images, advance) for model in (Model.load(bundle), half.model())
    )
    return Agreement(
        images=len(images),
        same=int(np.sum(before.argmax(axis=1) == after.argmax(axis=1))),
        difference=float(np.abs(before - after).max()),
    )
