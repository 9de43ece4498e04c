"""An ONNX graph in plain Python: nodes in order, the shapes of their values, the constants."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx

Array = npt.NDArray[Any]
Shape = tuple[int, ...]


@dataclass(frozen=True)
class Node:
    """One operator. ``inputs`` and ``outputs`` are names of values; an input left out is ""."""

    operator: str
    name: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    attributes: Mapping[str, Any]

    def __str__(self) -> str:
        return f"{self.operator} {self.name!r}"


@dataclass(frozen=True)
class Graph:
    """A network with one input and one output, simplified.

    constants: the initialisers, by name. shapes: of every value whose shape is known, for
    ``batch`` images. model: the same graph as ONNX has it.
    """

    input: str
    output: str
    nodes: tuple[Node, ...]
    constants: Mapping[str, Array]
    shapes: Mapping[str, Shape]
    batch: int
    opset: int
    model: onnx.ModelProto


def read_node(proto: onnx.NodeProto) -> Node:
    """The node in ``proto``. One without a name is called by its first output."""
    domain = "" if proto.domain in {"", "ai.onnx"} else f"{proto.domain}."
    return Node(
        operator=domain + proto.op_type,
        name=proto.name or next(iter(proto.output), "?"),
        inputs=tuple(proto.input),
        outputs=tuple(proto.output),
        attributes={attribute.name: _attribute(attribute) for attribute in proto.attribute},
    )


def read_shape(value: onnx.ValueInfoProto) -> Shape | None:
    """The shape of ``value``; None where a dimension is not a number."""
    kind = value.type.tensor_type
    if not kind.HasField("shape"):
        return None
    if not all(dim.HasField("dim_value") for dim in kind.shape.dim):
        return None
    return tuple(dim.dim_value for dim in kind.shape.dim)


def _attribute(proto: onnx.AttributeProto) -> Any:
    if proto.type in {onnx.AttributeProto.GRAPH, onnx.AttributeProto.GRAPHS}:
        return None  # no operator that is imported has one
    value = onnx.helper.get_attribute_value(proto)
    if isinstance(value, onnx.TensorProto):
        return onnx.numpy_helper.to_array(value)
    if isinstance(value, bytes):
        return value.decode(errors="replace")
    return list(value) if proto.type in _LISTS else value


_LISTS = frozenset({onnx.AttributeProto.INTS, onnx.AttributeProto.FLOATS})


def float32(array: Array) -> npt.NDArray[np.float32]:
    """``array`` as MXNet takes parameters: float32, rows of C."""
    return np.ascontiguousarray(array, dtype=np.float32)


def used_nodes(nodes: list[Node], output: str) -> tuple[Node, ...]:
    """Those of the ``nodes`` that ``output`` depends on, in order."""
    needed, used = {output}, []
    for node in reversed(nodes):
        if needed.intersection(node.outputs):
            needed.update(node.inputs)
            used.append(node)
    return tuple(reversed(used))
