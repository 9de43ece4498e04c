"""Numbers of channels that oneDNN is slow with become larger ones.

oneDNN 2.4, which MXNet 1.9.1 holds, has no kernels for convolutions whose channels 8 does not
divide: it computes them as matrix products, and depthwise ones channel by channel. Where such a
value goes from one convolution to the next and nowhere else, it gets channels of zeros: three
blocks of ShuffleNetV2 with 58 channels take 2.1 ms with 64 inside, and 3.4 without.
"""

import dataclasses
from collections import Counter

import numpy as np

from tools.model.onnx.graph import Array, Graph, Node

_FAST, _WIDE = 8, 16
# Of zero they give something finite, which the next convolution multiplies by zero.
_ELEMENTWISE = frozenset(
    {
        *("Clip", "Elu", "Gelu", "HardSigmoid", "HardSwish", "LeakyRelu", "Mish", "Relu", "Selu"),
        *("Sigmoid", "Softplus", "Swish", "Tanh"),
    }
)


def widen(graph: Graph) -> Graph:
    """``graph`` with channels of zeros between convolutions, where that makes them faster."""
    uses = Counter([graph.output, *(name for node in graph.nodes for name in node.inputs)])
    users = {name: node for node in graph.nodes for name in node.inputs}
    nodes = {node.outputs[0]: node for node in graph.nodes}
    constants, shapes = dict(graph.constants), dict(graph.shapes)

    def weights(node: Node) -> Array | None:
        array = constants.get(node.inputs[1]) if node.operator == "Conv" else None
        return array if array is not None and array.ndim == 4 else None

    def chain(first: Node) -> list[Node] | None:
        """The nodes from ``first`` to the convolution that mixes its channels."""
        links = [first]
        while uses[links[-1].outputs[0]] == 1 and (node := users.get(links[-1].outputs[0])):
            if node.inputs[0] != links[-1].outputs[0]:
                return None
            links.append(nodes[node.outputs[0]])
            weight = weights(node)
            if weight is not None and _groups(node) == 1:
                return links
            depthwise = weight is not None and _groups(node) == len(weight) == wide
            if not depthwise and node.operator not in _ELEMENTWISE:
                return None
        return None

    for name in [node.outputs[0] for node in graph.nodes]:
        node = nodes[name]
        weight = weights(node)
        if weight is None or _groups(node) != 1 or len(weight) % _FAST == 0:
            continue
        wide = len(weight)
        links = chain(node)
        if not links:
            continue
        more = -wide % _WIDE
        for link in links[:-1]:
            output = link.outputs[0]
            if link.operator == "Conv":
                nodes[output] = _padded(link, constants, outputs=more)
            batch, _, *rest = shapes[output]
            shapes[output] = (batch, wide + more, *rest)
        last = links[-1]
        nodes[last.outputs[0]] = _padded(nodes[last.outputs[0]], constants, inputs=more)
    return dataclasses.replace(
        graph, nodes=tuple(nodes.values()), constants=constants, shapes=shapes
    )


def _groups(node: Node) -> int:
    return int(node.attributes.get("group", 1))


def _padded(node: Node, constants: dict[str, Array], *, outputs: int = 0, inputs: int = 0) -> Node:
    """The convolution ``node`` with so many more channels, whose weights are zero."""
    weight, *bias = (constants[name] for name in node.inputs[1:] if name)
    names = [f"{node.outputs[0]}/wider weight", f"{node.outputs[0]}/wider bias"][: 1 + len(bias)]
    if inputs:
        names[0] += " of inputs"
        names[1:] = node.inputs[2:]
    constants[names[0]] = np.pad(weight, [(0, outputs), (0, inputs), (0, 0), (0, 0)])
    if bias and outputs:
        constants[names[1]] = np.pad(bias[0], (0, outputs))
    attributes = dict(node.attributes)
    if _groups(node) > 1:
        attributes["group"] = _groups(node) + outputs
    return dataclasses.replace(node, inputs=(node.inputs[0], *names), attributes=attributes)
