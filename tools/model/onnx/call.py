"""One node as its operator's function sees it."""

from collections.abc import MutableMapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from classifier.model.lean_mxnet import mx
from tools.model.onnx.errors import UnsupportedError
from tools.model.onnx.graph import Array, Node, Shape, float32
from tools.model.onnx.value import Value, identity


@dataclass(frozen=True)
class Call:
    """A node with what its inputs are.

    inputs: values, constants, None for one that is left out. shapes: of the outputs. batch: the
    number of images that they are for. opset: of the graph. name: unique, and safe in MXNet.
    parameters: of the whole network, by kind ("arg" or "aux") and name.
    """

    node: Node
    inputs: tuple[Value | Array | None, ...]
    shapes: tuple[Shape, ...]
    batch: int
    opset: int
    name: str
    parameters: MutableMapping[tuple[str, str], Array]

    @property
    def shape(self) -> Shape:
        return self.shapes[0]

    def attribute(self, name: str, default: Any = None) -> Any:
        return self.node.attributes.get(name, default)

    def input(self, index: int) -> Value | Array | None:
        return self.inputs[index] if index < len(self.inputs) else None

    def value(self, index: int = 0) -> Value:
        """The input that is computed from the image. Raises UnsupportedError: it is a constant."""
        value = self.input(index)
        if not isinstance(value, Value):
            raise UnsupportedError(f"input {index} should depend on the image")
        return value

    def constant(self, index: int) -> Array | None:
        """The constant input, None where it is left out. UnsupportedError: it is computed."""
        array = self.input(index)
        if isinstance(array, Value):
            raise UnsupportedError(
                f"input {index} is computed from the image",
                "export the network with a fixed image size and fixed weights",
            )
        return array

    def needed_constant(self, index: int) -> Array:
        array = self.constant(index)
        if array is None:
            raise UnsupportedError(f"input {index} is missing")
        return array

    def integers(self, name: str, index: int) -> Shape | None:
        """The list of integers that old opsets have as the attribute, new ones as an input."""
        if (value := self.attribute(name)) is not None:
            return tuple(int(each) for each in value)
        array = self.constant(index)
        return None if array is None else tuple(int(each) for each in array.reshape(-1))

    def number(self, name: str, index: int) -> float | None:
        """The number that old opsets have as the attribute, new ones as an input."""
        if (value := self.attribute(name)) is not None:
            return float(value)
        array = self.constant(index)
        return None if array is None else float(array.reshape(()))

    def parameter(
        self, role: str, array: Array, kind: str = "arg", dtype: str | None = None
    ) -> Any:
        """A symbol of the network's parameter ``array``, stored as float32.

        dtype: of the symbol, for operators that MXNet does not infer it for.
        """
        name = f"{self.name}_{role}"
        self.parameters[kind, name] = float32(array)
        return mx.sym.Variable(name, shape=array.shape, dtype=dtype)

    def result(
        self, symbol: Any, order: Shape | None = None, images: int | None = None, index: int = 0
    ) -> Value:
        """Output ``index``: ``symbol``. By default axes are in ONNX's order, images on axis 0."""
        shape = self.shapes[index]
        return Value(symbol, shape, images or 0, identity(len(shape)) if order is None else order)

    def like(self, value: Value, symbol: Any, index: int = 0) -> Value:
        """Output ``index``: ``symbol``, whose axes are those of ``value``."""
        return self.result(symbol, value.order, value.images, index)


def scalar(array: Array) -> float | None:
    """The number in ``array``; None where it holds several that differ."""
    if not array.size or not np.all(array == array.flat[0]):
        return None
    return float(array.flat[0])
