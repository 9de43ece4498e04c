"""The ResNet family of basic blocks (He et al. 2015): ResNet-18, 34 and narrower ones.

The graph is that of Gluon's ``resnet18_v1``: convolution, batch norm, ReLU; the stride sits in a
block's first convolution. Layers are called as Gluon calls them, without its prefix.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from classifier.model.lean_mxnet import mx
from tools.model.network import Array

EPSILON = 1e-5
STAGES = 4
# A batch norm's four arrays: two are learned, two are statistics of the training images.
LEARNED = ("gamma", "beta")
STATISTICS = ("running_mean", "running_var")


@dataclass(frozen=True)
class Architecture:
    """blocks and widths (channels) of the four stages; classes: number of outputs."""

    blocks: tuple[int, ...] = (2, 2, 2, 2)
    widths: tuple[int, ...] = (64, 128, 256, 512)
    classes: int = 1000

    @property
    def name(self) -> str:
        """Such as "resnet-18": by the number of layers with weights on the longest way."""
        return f"resnet-{2 * sum(self.blocks) + 2}"


@dataclass(frozen=True)
class Layer:
    """One convolution and its batch norm, under every name that they go by.

    conv, norm: in the graph. torch, gluon: the same two, as torchvision and as Gluon's
    ``save_parameters`` call them. shape: of the weight, (out, in, height, width).
    """

    conv: str
    norm: str
    torch: tuple[str, str]
    gluon: tuple[str, str]
    shape: tuple[int, int, int, int]
    stride: int


@dataclass(frozen=True)
class Block:
    """Two convolutions, and one more on the way around them where the shape changes."""

    name: str
    first: Layer
    second: Layer
    shortcut: Layer | None

    @property
    def layers(self) -> list[Layer]:
        return [layer for layer in (self.first, self.second, self.shortcut) if layer]


# A block's part: the names of its convolution and batch norm in torchvision and in Gluon.
_PARTS = {
    "first": (("conv1", "bn1"), ("body.0", "body.1")),
    "second": (("conv2", "bn2"), ("body.3", "body.4")),
    "shortcut": (("downsample.0", "downsample.1"), ("downsample.0", "downsample.1")),
}


def stem(architecture: Architecture) -> Layer:
    """The 7 x 7 convolution that sees the image."""
    names = ("conv1", "bn1"), ("features.0", "features.1")
    return Layer("conv0", "batchnorm0", *names, (architecture.widths[0], 3, 7, 7), stride=2)


def blocks(architecture: Architecture) -> Iterator[Block]:
    """The blocks in the order that an image meets them."""
    before = architecture.widths[0]
    for stage, (depth, width) in enumerate(
        zip(architecture.blocks, architecture.widths, strict=True)
    ):
        number = 0  # Gluon counts the convolutions of a stage
        for index in range(depth):
            stride = 2 if stage > 0 and index == 0 else 1
            place = (stage, index, number)
            first = _layer(place, "first", (width, before, 3, 3), stride)
            second = _layer(place, "second", (width, width, 3, 3), 1)
            shortcut = None
            if stride != 1 or before != width:
                shortcut = _layer(place, "shortcut", (width, before, 1, 1), stride)
            block = Block(f"stage{stage + 1}_block{index}", first, second, shortcut)
            yield block
            number += len(block.layers)
            before = width


def layers(architecture: Architecture) -> Iterator[Layer]:
    """Every convolution with its batch norm."""
    yield stem(architecture)
    for block in blocks(architecture):
        yield from block.layers


def symbol(architecture: Architecture, *, softmax: bool = False) -> Any:
    """The graph, an ``mx.sym.Symbol``: "data", (n, 3, height, width), to (n, classes) logits.

    softmax: it ends in SoftmaxOutput, to be trained; then it gives probabilities.
    """
    x = _normed(mx.sym.Variable("data"), stem(architecture))
    x = mx.sym.Activation(x, act_type="relu", name="relu0")
    x = mx.sym.Pooling(x, kernel=(3, 3), stride=(2, 2), pad=(1, 1), pool_type="max", name="pool0")
    for block in blocks(architecture):
        around = _normed(x, block.shortcut) if block.shortcut else x
        x = mx.sym.Activation(_normed(x, block.first), act_type="relu", name=f"{block.name}_relu0")
        x = mx.sym.elemwise_add(_normed(x, block.second), around, name=f"{block.name}_sum")
        x = mx.sym.Activation(x, act_type="relu", name=f"{block.name}_relu1")
    x = mx.sym.Pooling(x, kernel=(1, 1), global_pool=True, pool_type="avg", name="pool1")
    x = mx.sym.FullyConnected(x, num_hidden=architecture.classes, name="dense0")
    return mx.sym.SoftmaxOutput(x, name="softmax") if softmax else x


def draw(architecture: Architecture, seed: int) -> tuple[dict[str, Array], dict[str, Array]]:
    """Weights of a network that was never trained: (arguments, auxiliary states), by name.

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

    arguments: dict[str, Array] = {}
    auxiliary: dict[str, Array] = {}
    for layer in layers(architecture):
        wide = layer.shape[0]
        fan_in = layer.shape[1] * layer.shape[2] * layer.shape[3]
        arguments[f"{layer.conv}_weight"] = normal(layer.shape, (2 / fan_in) ** 0.5)
        arguments[f"{layer.norm}_gamma"] = around(0.75, 0.5, wide)
        arguments[f"{layer.norm}_beta"] = around(0, 0.2, wide)
        auxiliary[f"{layer.norm}_running_mean"] = around(0, 0.2, wide)
        auxiliary[f"{layer.norm}_running_var"] = around(1, 0.5, wide)
    fan_in = architecture.widths[-1]
    arguments["dense0_weight"] = normal((architecture.classes, fan_in), (1 / fan_in) ** 0.5)
    arguments["dense0_bias"] = around(0, 0.2, architecture.classes)
    return arguments, auxiliary


def _layer(
    place: tuple[int, int, int], part: str, shape: tuple[int, int, int, int], stride: int
) -> Layer:
    stage, index, number = place
    number += list(_PARTS).index(part)
    torch, gluon = _PARTS[part]
    return Layer(
        f"stage{stage + 1}_conv{number}",
        f"stage{stage + 1}_batchnorm{number}",
        tuple(f"layer{stage + 1}.{index}.{name}" for name in torch),
        tuple(f"features.{stage + 4}.{index}.{name}" for name in gluon),
        shape,
        stride,
    )


def _normed(x: Any, layer: Layer) -> Any:
    kernel = layer.shape[2]
    x = mx.sym.Convolution(
        x,
        num_filter=layer.shape[0],
        kernel=(kernel, kernel),
        stride=(layer.stride, layer.stride),
        pad=(kernel // 2, kernel // 2),
        no_bias=True,
        name=layer.conv,
    )
    names = {
        member: mx.sym.Variable(f"{layer.norm}_{member}") for member in (*LEARNED, *STATISTICS)
    }
    # Called moving_mean by the operator and running_mean by Gluon, whose names these are.
    return mx.sym.BatchNorm(
        x,
        gamma=names["gamma"],
        beta=names["beta"],
        moving_mean=names["running_mean"],
        moving_var=names["running_var"],
        eps=EPSILON,
        fix_gamma=False,
        name=layer.norm,
    )
