"""The ResNet family (He et al. 2015): ResNet-18, 34, 50 and deeper, and narrower ones.

The graph is that of Gluon's ``resnet18_v1``, and of torchvision's ``resnet50`` for bottleneck
blocks: convolution, batch norm, ReLU; the stride sits in a block's first 3 x 3 convolution. Layers
are called as Gluon calls them, without its prefix.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from classifier.image.preprocessing import Preprocessing
from classifier.model.lean_mxnet import mx
from tools.model.architectures.layer import Layer, classify
from tools.model.catalogue import INPUTS
from tools.model.mxnet_files import Array


@dataclass(frozen=True)
class Block:
    """Two or three convolutions, and one more on the way around them where the shape changes."""

    name: str
    path: tuple[Layer, ...]
    shortcut: Layer | None

    @property
    def layers(self) -> tuple[Layer, ...]:
        return (*self.path, self.shortcut) if self.shortcut else self.path


@dataclass(frozen=True)
class ResNet:
    """blocks and widths (output channels) of the four stages; classes: number of outputs.

    bottlenecks: for bottleneck blocks, the channels of each stage's 3 x 3 convolutions. stem:
    channels of the first convolution; the first width where it is None.
    """

    blocks: tuple[int, ...] = (2, 2, 2, 2)
    widths: tuple[int, ...] = (64, 128, 256, 512)
    classes: int = 1000
    bottlenecks: tuple[int, ...] | None = None
    stem: int | None = None
    torch_last = "fc"

    @property
    def name(self) -> str:
        """Such as "resnet-18": by the number of layers with weights on the longest way."""
        return f"resnet-{(3 if self.bottlenecks else 2) * sum(self.blocks) + 2}"

    @property
    def width(self) -> int:
        return self.widths[-1]

    @property
    def features(self) -> str:
        return f"stage4_block{self.blocks[-1] - 1}_relu{'2' if self.bottlenecks else '1'}_output"

    @property
    def preprocessing(self) -> Preprocessing:
        return INPUTS["imagenet"]

    def layers(self) -> Iterator[Layer]:
        yield self._first()
        for block in self._blocks():
            yield from block.layers

    def symbol(self, *, softmax: bool = False) -> Any:
        x = self._first().apply(mx.sym.Variable("data"))
        x = mx.sym.Activation(x, act_type="relu", name="relu0")
        x = mx.sym.Pooling(
            x, kernel=(3, 3), stride=(2, 2), pad=(1, 1), pool_type="max", name="pool0"
        )
        for block in self._blocks():
            around = block.shortcut.apply(x) if block.shortcut else x
            *inner, last = block.path
            for number, layer in enumerate(inner):
                relu = f"{block.name}_relu{number}"
                x = mx.sym.Activation(layer.apply(x), act_type="relu", name=relu)
            x = mx.sym.elemwise_add(last.apply(x), around, name=f"{block.name}_sum")
            x = mx.sym.Activation(x, act_type="relu", name=f"{block.name}_relu{len(inner)}")
        return classify(x, self.classes, softmax=softmax)

    def _first(self) -> Layer:
        """The 7 x 7 convolution that sees the image."""
        return Layer(
            "conv0",
            "batchnorm0",
            torch=("conv1", "bn1"),
            gluon=("features.0", "features.1"),
            shape=(self.stem or self.widths[0], 3, 7, 7),
            stride=2,
            padding=(3, 3),
        )

    def _blocks(self) -> Iterator[Block]:
        """The blocks in the order that an image meets them."""
        inputs = self.stem or self.widths[0]
        for stage, (depth, width) in enumerate(zip(self.blocks, self.widths, strict=True)):
            number = 0  # Gluon counts the convolutions of a stage
            for index in range(depth):
                stride = 2 if stage > 0 and index == 0 else 1
                inner = self.bottlenecks[stage] if self.bottlenecks else None
                block = _block((stage, index, number), inputs, inner, width, stride)
                yield block
                number += len(block.layers)
                inputs = width


def recognise(arrays: Mapping[str, Array]) -> ResNet | None:
    """The ResNet whose state dict ``arrays`` is, torchvision's names; None where it is none."""
    if "layer1.0.conv1.weight" not in arrays or "fc.weight" not in arrays:
        return None
    is_bottleneck = "layer1.0.conv3.weight" in arrays
    blocks, widths, inner = [], [], []
    for stage in range(1, 5):
        depth = 0
        while f"layer{stage}.{depth}.conv1.weight" in arrays:
            depth += 1
        last = arrays.get(f"layer{stage}.0.conv{3 if is_bottleneck else 2}.weight")
        if last is None:
            return None
        blocks.append(depth)
        widths.append(len(last))
        inner.append(last.shape[1])
    return ResNet(
        tuple(blocks),
        tuple(widths),
        len(arrays["fc.weight"]),
        tuple(inner) if is_bottleneck else None,
        len(arrays["conv1.weight"]) if "conv1.weight" in arrays else None,
    )


def _block(
    place: tuple[int, int, int], inputs: int, inner: int | None, width: int, stride: int
) -> Block:
    """The block at ``place`` (stage, index, number of its first convolution in the stage)."""
    if inner is None:
        shapes = [(width, inputs, 3, stride), (width, width, 3, 1)]
    else:
        shapes = [(inner, inputs, 1, 1), (inner, inner, 3, stride), (width, inner, 1, 1)]
    path = tuple(
        _layer(place, number, (f"conv{number + 1}", f"bn{number + 1}"), shape)
        for number, shape in enumerate(shapes)
    )
    shortcut = None
    if stride != 1 or inputs != width:
        names = "downsample.0", "downsample.1"
        shortcut = _layer(place, len(path), names, (width, inputs, 1, stride))
    return Block(f"stage{place[0] + 1}_block{place[1]}", path, shortcut)


def _layer(
    place: tuple[int, int, int],
    number: int,
    torch: tuple[str, str],
    shape: tuple[int, int, int, int],
) -> Layer:
    """Layer ``number`` of the block at ``place``; shape: (out, in, kernel, stride)."""
    stage, index, first = place
    outputs, inputs, kernel, stride = shape
    # Gluon's body is convolution, batch norm, ReLU, convolution, batch norm.
    gluon = torch if "downsample" in torch[0] else (f"body.{3 * number}", f"body.{3 * number + 1}")
    return Layer(
        f"stage{stage + 1}_conv{first + number}",
        f"stage{stage + 1}_batchnorm{first + number}",
        torch=(f"layer{stage + 1}.{index}.{torch[0]}", f"layer{stage + 1}.{index}.{torch[1]}"),
        gluon=(
            f"features.{stage + 4}.{index}.{gluon[0]}",
            f"features.{stage + 4}.{index}.{gluon[1]}",
        ),
        shape=(outputs, inputs, kernel, kernel),
        stride=stride,
        padding=(kernel // 2, kernel // 2),
    )
