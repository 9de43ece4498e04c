"""The graph while nodes of it are put together."""

import dataclasses

import numpy as np

from tools.model.onnx.graph import Array, Node, Shape


@dataclasses.dataclass
class View:
    """The graph so far: who gives a value, and its constants."""

    producers: dict[str, Node]
    constants: dict[str, Array]
    shapes: dict[str, Shape]

    def producer(self, name: str, *operators: str) -> Node | None:
        """The node that gives ``name``, if it is one of ``operators``."""
        node = self.producers.get(name)
        return node if node and node.operator in operators else None

    def number(self, name: str) -> float | None:
        array = self.constants.get(name)
        return float(array.reshape(())) if array is not None and array.size == 1 else None

    def row(self, name: str, wide: int) -> Array | None:
        """The constant ``name`` as one number for each of ``wide`` entries of the last axis."""
        array = self.constants.get(name)
        if (
            array is None
            or array.size not in {1, wide}
            or array.shape[-1:] not in {(), (array.size,)}
        ):
            return None
        return np.broadcast_to(array.reshape(-1), (wide,))

    def parted(self, node: Node, *operators: str) -> tuple[Node, str] | None:
        """A node of two inputs: the one that is given by ``operators``, and the other's name."""
        for name, other in (node.inputs, node.inputs[::-1]):
            if producer := self.producer(name, *operators):
                return producer, other
        return None

    def add(self, node: Node, role: str, array: Array) -> str:
        name = f"{node.outputs[0]}/{role}"
        self.constants[name] = array
        return name
