"""EfficientNet-Lite (Google 2020), in the names of EfficientNet-PyTorch.

EfficientNet without squeeze-and-excitation, with ReLU6 for swish, and with TensorFlow's padding,
which depends on the size of the image: Lite1's last reduction has 15 pixels, an odd number, where
Lite0's has 14.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from tools.errors import ToolError
from tools.model.architectures.inverted_residual import Block, InvertedResidual, read_layer
from tools.model.catalogue import INPUTS
from tools.model.mxnet_files import Array

_STRIDES = (1, 2, 2, 2, 1, 2, 1)
_EPSILON = 1e-3


@dataclass(frozen=True)
class Variant:
    """depths: blocks of the stages. width: channels of the third stage's output."""

    name: str
    depths: tuple[int, ...]
    width: int


VARIANTS = (
    Variant("efficientnet-lite0", (1, 2, 2, 3, 3, 4, 1), 40),
    Variant("efficientnet-lite1", (1, 3, 3, 4, 4, 5, 1), 40),
    Variant("efficientnet-lite2", (1, 3, 3, 4, 4, 5, 1), 48),
)


def recognise(arrays: Mapping[str, Array]) -> InvertedResidual | None:
    """The EfficientNet-Lite whose state dict ``arrays`` is; None where it is none.

    Raises ToolError: it is another EfficientNet, or a weight is missing.
    """
    if "_blocks.0._depthwise_conv.weight" not in arrays or "_fc.weight" not in arrays:
        return None
    variant = _variant(arrays)
    preprocessing = INPUTS[variant.name]
    size = preprocessing.size
    first = read_layer(
        arrays, "first", ("_conv_stem", "_bn0"), stride=2, size=size, epsilon=_EPSILON
    )
    size = -(-size // 2)
    blocks: list[Block] = []
    for depth, stage_stride in zip(variant.depths, _STRIDES, strict=True):
        for index in range(depth):
            stride = stage_stride if index == 0 else 1
            blocks.append(_block(arrays, len(blocks), stride, size))
            size = -(-size // stride)
    return InvertedResidual(
        name=variant.name,
        first=first,
        blocks=tuple(blocks),
        last=read_layer(arrays, "last", ("_conv_head", "_bn1"), epsilon=_EPSILON),
        classes=len(arrays["_fc.weight"]),
        torch_last="_fc",
        preprocessing=preprocessing,
    )


def _variant(arrays: Mapping[str, Array]) -> Variant:
    if any("._se_" in name for name in arrays):
        raise ToolError("an EfficientNet with squeeze-and-excitation; only the Lite ones are taken")
    for variant in VARIANTS:
        count, third = sum(variant.depths), sum(variant.depths[:3]) - 1
        weight = arrays.get(f"_blocks.{third}._project_conv.weight")
        has_more = f"_blocks.{count}._depthwise_conv.weight" in arrays
        has_all = f"_blocks.{count - 1}._depthwise_conv.weight" in arrays
        if has_all and not has_more and weight is not None and len(weight) == variant.width:
            return variant
    names = ", ".join(variant.name for variant in VARIANTS)
    raise ToolError(f"an EfficientNet of another size; taken are {names}")


def _block(arrays: Mapping[str, Array], number: int, stride: int, size: int) -> Block:
    """Block ``number``, 0 and up; size: width and height of its input, pixels."""
    name, torch = f"block{number}", f"_blocks.{number}"
    expand = None
    if number > 0:
        names = f"{torch}._expand_conv", f"{torch}._bn0"
        expand = read_layer(arrays, f"{name}_expand", names, epsilon=_EPSILON)
    depthwise = read_layer(
        arrays,
        f"{name}_depthwise",
        (f"{torch}._depthwise_conv", f"{torch}._bn1"),
        stride=stride,
        is_depthwise=True,
        size=size,
        epsilon=_EPSILON,
    )
    names = f"{torch}._project_conv", f"{torch}._bn2"
    return Block(
        name, expand, depthwise, read_layer(arrays, f"{name}_project", names, epsilon=_EPSILON)
    )
