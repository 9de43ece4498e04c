"""Networks of inverted residual blocks (Sandler et al. 2018): MobileNetV2, EfficientNet-Lite.

A block expands its input with a 1 x 1 convolution, filters each channel for itself, and projects
the result to few channels. The first two are followed by ReLU6; where the shape stays the same, the
input is added to the result.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from classifier.image.preprocessing import Preprocessing
from classifier.model.lean_mxnet import mx
from tools.errors import ToolError
from tools.model.architectures.layer import Layer, classify, same_padding
from tools.model.mxnet_files import Array


@dataclass(frozen=True)
class Block:
    """expand is None in the first block, whose input has its width already."""

    name: str
    expand: Layer | None
    depthwise: Layer
    project: Layer

    @property
    def layers(self) -> tuple[Layer, ...]:
        return tuple(layer for layer in (self.expand, self.depthwise, self.project) if layer)

    @property
    def keeps_shape(self) -> bool:
        inputs = (self.expand or self.depthwise).shape[1 if self.expand else 0]
        return self.depthwise.stride == 1 and inputs == self.project.shape[0]


@dataclass(frozen=True)
class InvertedResidual:
    """first: the convolution that sees the image. last: the one before the global average."""

    name: str
    first: Layer
    blocks: tuple[Block, ...]
    last: Layer
    classes: int
    torch_last: str
    preprocessing: Preprocessing
    features = "relu6_last_output"

    @property
    def width(self) -> int:
        return self.last.shape[0]

    def layers(self) -> Iterator[Layer]:
        yield self.first
        for block in self.blocks:
            yield from block.layers
        yield self.last

    def symbol(self, *, softmax: bool = False) -> Any:
        x = _relu6(self.first.apply(mx.sym.Variable("data")), "relu6_first")
        for block in self.blocks:
            y = _relu6(block.expand.apply(x), f"{block.name}_relu6_0") if block.expand else x
            y = _relu6(block.depthwise.apply(y), f"{block.name}_relu6_1")
            y = block.project.apply(y)
            x = mx.sym.elemwise_add(y, x, name=f"{block.name}_sum") if block.keeps_shape else y
        x = _relu6(self.last.apply(x), "relu6_last")
        return classify(x, self.classes, softmax=softmax)


def read_layer(
    arrays: Mapping[str, Array],
    name: str,
    torch: tuple[str, str],
    *,
    stride: int = 1,
    is_depthwise: bool = False,
    size: int | None = None,
    epsilon: float = 1e-5,
) -> Layer:
    """The layer called ``name`` in the graph and ``torch`` in the state dict ``arrays``.

    size: width and height of its input, pixels, where it is padded as TensorFlow does; None: the
    padding is half the kernel on all sides. Raises ToolError: its weight is missing.
    """
    weight = arrays.get(f"{torch[0]}.weight")
    if weight is None:
        raise ToolError(f"the network needs {torch[0] + '.weight'!r}")
    if weight.ndim != 4:
        raise ToolError(f"{torch[0] + '.weight'!r} is no convolution's: it is {weight.shape}")
    outputs, inputs, kernel, width = weight.shape
    half = kernel // 2
    return Layer(
        f"conv_{name}",
        f"batchnorm_{name}",
        torch=torch,
        shape=(outputs, inputs, kernel, width),
        stride=stride,
        padding=(half, half) if size is None else same_padding(size, kernel, stride),
        groups=outputs if is_depthwise else 1,
        epsilon=epsilon,
    )


def _relu6(x: Any, name: str) -> Any:
    # MXNet fuses this with the convolution before it, as it does with ReLU.
    return mx.sym.clip(x, a_min=0, a_max=6, name=name)
