"""MobileNetV2 (Sandler et al. 2018), as torchvision names and computes it."""

from collections.abc import Mapping

from tools.model.architectures.inverted_residual import Block, InvertedResidual, read_layer
from tools.model.catalogue import INPUTS
from tools.model.mxnet_files import Array

# The stages' numbers of blocks, and the strides of their first ones.
_DEPTHS = (1, 2, 3, 4, 3, 3, 1)
_STRIDES = (1, 2, 2, 2, 1, 2, 1)


def recognise(arrays: Mapping[str, Array]) -> InvertedResidual | None:
    """The MobileNetV2, of any width, whose state dict ``arrays`` is; None where it is none.

    Raises ToolError: a weight is missing.
    """
    if "features.1.conv.0.0.weight" not in arrays or "classifier.1.weight" not in arrays:
        return None
    strides = [
        stride if index == 0 else 1
        for depth, stride in zip(_DEPTHS, _STRIDES, strict=True)
        for index in range(depth)
    ]
    return InvertedResidual(
        name="mobilenet-v2",
        first=read_layer(arrays, "first", ("features.0.0", "features.0.1"), stride=2),
        blocks=tuple(_block(arrays, number, stride) for number, stride in enumerate(strides, 1)),
        last=read_layer(arrays, "last", ("features.18.0", "features.18.1")),
        classes=len(arrays["classifier.1.weight"]),
        torch_last="classifier.1",
        preprocessing=INPUTS["imagenet"],
    )


def _block(arrays: Mapping[str, Array], number: int, stride: int) -> Block:
    name, torch = f"block{number}", f"features.{number}.conv"
    expand = None
    at = 0
    if number > 1:
        expand = read_layer(arrays, f"{name}_expand", (f"{torch}.0.0", f"{torch}.0.1"))
        at = 1
    depthwise = read_layer(
        arrays,
        f"{name}_depthwise",
        (f"{torch}.{at}.0", f"{torch}.{at}.1"),
        stride=stride,
        is_depthwise=True,
    )
    project = read_layer(arrays, f"{name}_project", (f"{torch}.{at + 1}", f"{torch}.{at + 2}"))
    return Block(name, expand, depthwise, project)
