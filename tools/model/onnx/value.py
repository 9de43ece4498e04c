"""A value of the network: an MXNet symbol, and how its axes stand to those of ONNX.

A Transpose is not carried out at once: only the order of the axes is noted. Operators that work on
any order pass it on. Most pairs of transpositions cancel out that way: those of a network that was
trained with channels last (Keras), and those around a layer norm (ConvNeXt).
"""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from classifier.model.lean_mxnet import mx
from tools.model.onnx.graph import Shape


@dataclass(frozen=True)
class Value:
    """What a node computes.

    shape: as ONNX has it, for as many images as the exported graph takes. images: the axis that
    grows with the number of images. order: ONNX's axes in the order of the symbol's.
    """

    symbol: Any
    shape: Shape
    images: int
    order: Shape

    @property
    def rank(self) -> int:
        return len(self.shape)

    @property
    def ordered_shape(self) -> Shape:
        """The shape that the symbol has."""
        return tuple(self.shape[axis] for axis in self.order)

    def axis(self, axis: int) -> int:
        """Where the symbol has ONNX's ``axis``, which may be negative."""
        return self.order.index(axis % self.rank)

    def plain(self) -> "Value":
        """The same with ONNX's order of axes."""
        if self.order == identity(self.rank):
            return self
        axes = [axis for axis in self.order if self.shape[axis] != 1 or axis == self.images]
        if axes == sorted(axes):  # only axes of length 1 have moved
            symbol = reshape(self.symbol, self.shape, self.images)
        else:
            back = tuple(int(axis) for axis in np.argsort(self.order))
            symbol = transpose(self.symbol, self.ordered_shape, self.axis(self.images), back)
        return Value(symbol, self.shape, self.images, identity(self.rank))


def identity(rank: int) -> Shape:
    """The order of axes that is ONNX's own."""
    return tuple(range(rank))


def reshape(symbol: Any, shape: Shape, images: int) -> Any:
    """``symbol`` in ``shape``, where the axis ``images`` takes whatever the batch has."""
    sizes = tuple(-1 if axis == images else size for axis, size in enumerate(shape))
    return mx.sym.reshape(symbol, shape=sizes)


def transpose(symbol: Any, shape: Shape, images: int, axes: Shape) -> Any:
    """``symbol``, which has ``shape``, with its axes in the order ``axes``.

    Of more than four, axes that stay together are moved as one: oneDNN transposes four and no more.
    """
    if len(axes) <= 4:
        return mx.sym.transpose(symbol, axes=axes)
    runs: list[list[int]] = []
    for axis in axes:
        if runs and axis == runs[-1][-1] + 1:
            runs[-1].append(axis)
        else:
            runs.append([axis])
    before = sorted(runs)
    merged = tuple(math.prod(shape[axis] for axis in run) for run in before)
    where = next(index for index, run in enumerate(before) if images in run)
    moved = mx.sym.transpose(
        reshape(symbol, merged, where), axes=tuple(before.index(run) for run in runs)
    )
    return reshape(moved, tuple(shape[axis] for axis in axes), axes.index(images))
