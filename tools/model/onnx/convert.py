"""The graph becomes an MXNet symbol, operator by operator."""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from classifier.model.lean_mxnet import mx
from tools.errors import ToolError
from tools.model.onnx.call import Call
from tools.model.onnx.errors import UnsupportedError, first_line
from tools.model.onnx.graph import Array, Graph, Node
from tools.model.onnx.operators.table import OPERATORS, REMEDIES, USUAL_REMEDY
from tools.model.onnx.value import Value, identity

INPUT = "data"
# So many problems are listed, and the rest counted.
_MOST_PROBLEMS = 20
_ACTIVATIONS = {"Softmax": "softmax", "Sigmoid": "sigmoid"}
_ONLY_RESHAPE = frozenset({"Flatten", "Identity", "Reshape", "Squeeze", "Unsqueeze"})


@dataclass(frozen=True)
class Network:
    """The symbol of the whole network and its parameters, and what each value of ONNX became.

    activation: the one that it ends in, "softmax" or "sigmoid"; empty: its outputs are logits.
    """

    symbol: Any
    parameters: Mapping[tuple[str, str], Array]
    values: Mapping[str, Value]
    activation: str


class _Problems:
    """Operators and uses of them that are not imported; all are collected before any is told."""

    def __init__(self) -> None:
        self._by_remedy: dict[str, list[str]] = {}
        self._count = 0

    def add(self, node: Node, reason: str, remedy: str) -> None:
        self._count += 1
        if self._count <= _MOST_PROBLEMS:
            self._by_remedy.setdefault(remedy, []).append(f"{node}: {reason}")

    def refuse(self) -> None:
        """Raises ToolError where there is any."""
        if not self._count:
            return
        parts = [f"{', '.join(uses)} ({remedy})" for remedy, uses in self._by_remedy.items()]
        more = self._count - _MOST_PROBLEMS
        rest = f"; and {more} more" if more > 0 else ""
        raise ToolError(f"{self._count} nodes cannot be imported: {'; '.join(parts)}{rest}")


def convert(graph: Graph, *, channels_last: bool) -> Network:
    """The MXNet network of ``graph``, whose input is "data", NCHW.

    channels_last: the graph's own input is NHWC.

    Raises ToolError, which lists every node that is not imported, and what to do instead.
    """
    converter = _Converter(graph, channels_last=channels_last)
    for node in graph.nodes:
        converter.add(node)
    converter.problems.refuse()
    values = converter.values
    return Network(_output(graph, values), converter.parameters, values, last_activation(graph))


class _Converter:
    """Grows the network by one node after another."""

    def __init__(self, graph: Graph, *, channels_last: bool) -> None:
        order = (0, 3, 1, 2) if channels_last else identity(4)
        image = Value(mx.sym.Variable(INPUT), graph.shapes[graph.input], 0, order)
        self.values = {graph.input: image}
        self.parameters: dict[tuple[str, str], Array] = {}
        self.problems = _Problems()
        self._graph = graph
        self._names = _Names()

    def add(self, node: Node) -> None:
        """Add what ``node`` gives; where it cannot be imported, something of the right shape."""
        outputs = [name for name in node.outputs if name]
        try:
            results = self._call(node, outputs)
        except UnsupportedError as error:
            self.problems.add(node, error.reason, error.remedy or USUAL_REMEDY)
            results = [self._stand_in(name) for name in outputs]
        self.values |= dict(zip(outputs, results, strict=True))

    def _call(self, node: Node, outputs: list[str]) -> list[Value]:
        graph = self._graph
        operator = OPERATORS.get(node.operator)
        if operator is None:
            remedy = REMEDIES.get(node.operator, "")
            raise UnsupportedError("no such operator is imported", remedy)
        if any(name not in graph.shapes for name in outputs):
            raise UnsupportedError("the shape of its output is not fixed", REMEDIES["If"])
        call = Call(
            node=node,
            inputs=tuple(self.values.get(n, graph.constants.get(n)) for n in node.inputs),
            shapes=tuple(graph.shapes[name] for name in outputs),
            batch=graph.batch,
            opset=graph.opset,
            name=self._names.unique(outputs[0]),
            parameters=self.parameters,
        )
        try:
            results = operator(call)
        except (ArithmeticError, LookupError, TypeError, ValueError, mx.MXNetError) as error:
            raise UnsupportedError(
                f"its inputs do not fit together: {first_line(error)}"
            ) from error
        return results if isinstance(results, list) else [results]

    def _stand_in(self, name: str) -> Value:
        shape = self._graph.shapes.get(name, (self._graph.batch,))
        return Value(mx.sym.Variable(self._names.unique(name)), shape, 0, identity(len(shape)))


def _output(graph: Graph, values: Mapping[str, Value]) -> Any:
    """The symbol of the output, (images, classes)."""
    value = values[graph.output].plain()
    if value.rank < 2 or value.images or math.prod(value.shape[2:]) != 1:
        shape = " x ".join(map(str, value.shape))
        raise ToolError(
            f"its output is {shape}; it should be one row of classes for each image: export the"
            " classifier, not its features"
        )
    return value.symbol if value.rank == 2 else mx.sym.Flatten(value.symbol, name="classes")


def last_activation(graph: Graph) -> str:
    """What the last operator that computes is: "softmax", "sigmoid", else empty."""
    name = graph.output
    producers = {output: node for node in graph.nodes for output in node.outputs}
    while (node := producers.get(name)) and node.operator in _ONLY_RESHAPE:
        name = node.inputs[0]
    return _ACTIVATIONS.get(node.operator, "") if node else ""


class _Names:
    """Names for MXNet: unique, and of characters that no file format minds."""

    def __init__(self) -> None:
        self._taken = {INPUT}

    def unique(self, name: str) -> str:
        plain = re.sub(r"\W+", "_", name, flags=re.ASCII).strip("_")[:100] or "node"
        unique, number = plain, 1
        while unique in self._taken:
            number += 1
            unique = f"{plain}_{number}"
        self._taken.add(unique)
        return unique
