"""Groups of nodes that are one operator in MXNet.

Exporters take apart what their opset has no operator for: the exact GELU, hard swish, layer norm,
a fully connected layer on more than two axes. Whole, they are faster, and more of them is fused.
"""

import dataclasses
from collections.abc import Callable, Mapping

import numpy as np

from tools.model.onnx.affine import affine
from tools.model.onnx.gates import gated
from tools.model.onnx.graph import Graph, Node, used_nodes
from tools.model.onnx.view import View

# What may be made of a node by its operator: one node, several, or nothing.
_Made = Node | tuple[Node, ...] | None
_Patterns = Mapping[str, tuple[Callable[[Node, View], _Made], ...]]


def fuse(graph: Graph) -> Graph:
    """``graph`` with the groups put together, under the names of their last nodes."""
    constants, shapes = dict(graph.constants), dict(graph.shapes)
    nodes = list(graph.nodes)
    for patterns in _PASSES:
        view = View({}, constants, shapes)
        nodes = [made for node in nodes for made in _replaced(node, patterns, view)]
    return dataclasses.replace(
        graph, nodes=used_nodes(nodes, graph.output), constants=constants, shapes=shapes
    )


def _replaced(node: Node, patterns: _Patterns, view: View) -> tuple[Node, ...]:
    """What the first pattern that fits makes of ``node``."""
    tried = patterns.get(node.operator, ())
    made = next((made for pattern in tried if (made := pattern(node, view))), node)
    nodes = made if isinstance(made, tuple) else (made,)
    view.producers |= {output: each for each in nodes for output in each.outputs}
    return nodes


def _moved_padding(node: Node, view: View) -> tuple[Node, ...] | None:
    """Pad, Transpose: the same in the other order, so that a convolution may take the padding."""
    pad = view.producer(node.inputs[0], "Pad")
    pads = pad_widths(pad, view) if pad else None
    perm = node.attributes.get("perm")
    shape = view.shapes.get(pad.inputs[0]) if pad else None
    if not pad or not pads or not perm or not shape:
        return None
    inner = f"{node.outputs[0]}/unpadded"
    view.shapes[inner] = tuple(shape[axis] for axis in perm)
    moved = np.array([pads[axis + end] for end in (0, len(perm)) for axis in perm])
    inputs = (inner, view.add(node, "pads", moved), *pad.inputs[2:3])
    attributes = {
        name: pad.attributes[name] for name in ("mode", "value") if name in pad.attributes
    }
    return (
        Node("Transpose", f"{node.name}/unpadded", pad.inputs[:1], (inner,), {"perm": perm}),
        Node("Pad", pad.name, inputs, node.outputs, attributes),
    )


def pad_widths(pad: Node, view: View) -> list[int] | None:
    """What ``pad`` adds before every axis, then after every one; None where that is not fixed."""
    if len(pad.inputs) > 3:
        return None
    if (pads := pad.attributes.get("pads")) is not None:
        return list(pads)
    array = view.constants.get(pad.inputs[1])
    return None if array is None else [int(each) for each in array]


def _padded_convolution(node: Node, view: View) -> Node | None:
    """Pad, Conv: the convolution pads by itself."""
    pad = view.producer(node.inputs[0], "Pad")
    pads = pad_widths(pad, view) if pad else None
    if not pad or not pads or pad.attributes.get("mode", "constant") != "constant":
        return None
    value = view.number(pad.inputs[2]) if pad.inputs[2:] and pad.inputs[2] else 0.0
    if pad.attributes.get("value", value) != 0:
        return None
    rank = len(pads) // 2
    own = node.attributes.get("pads") or [0] * (2 * rank - 4)
    begins, ends = pads[:rank], pads[rank:]
    if rank < 3 or any((*begins[:2], *ends[:2])) or min(pads) < 0:
        return None
    if node.attributes.get("auto_pad", "NOTSET") not in {"NOTSET", "VALID"}:
        return None
    total = [a + b for a, b in zip(own, (*begins[2:], *ends[2:]), strict=True)]
    attributes = {**node.attributes, "pads": total, "auto_pad": "NOTSET"}
    return dataclasses.replace(
        node, inputs=(pad.inputs[0], *node.inputs[1:]), attributes=attributes
    )


def _biased(node: Node, view: View) -> Node | None:
    """MatMul, Add of a row: a fully connected layer."""
    parts = view.parted(node, "MatMul")
    weight = view.constants.get(parts[0].inputs[1]) if parts else None
    if not parts or weight is None or weight.ndim != 2:
        return None
    bias = view.row(parts[1], weight.shape[1])
    if bias is None:
        return None
    names = view.add(node, "weight", weight.T), view.add(node, "bias", bias)
    return Node("Linear", node.name, (parts[0].inputs[0], *names), node.outputs, {})


def _scaled(node: Node, view: View) -> Node | None:
    """A fully connected layer, Mul by a row: the row becomes part of the weights (layer scale)."""
    parts = view.parted(node, "Linear")
    if not parts:
        return None
    layer, factor = parts
    weight, bias = view.constants[layer.inputs[1]], view.constants[layer.inputs[2]]
    row = view.row(factor, len(weight))
    if row is None or view.shapes.get(node.outputs[0]) != view.shapes.get(layer.outputs[0]):
        return None
    names = (
        view.add(node, "weight", weight * row[:, np.newaxis]),
        view.add(node, "bias", bias * row),
    )
    return Node("Linear", node.name, (layer.inputs[0], *names), node.outputs, {})


def _layer_norm(node: Node, view: View) -> Node | None:
    """(x - mean) / the root of its variance * a row + a row: layer norm on the last axis."""
    wide = view.shapes.get(node.outputs[0], (0,))[-1]
    scaled = view.parted(node, "Mul")
    normed = view.parted(scaled[0], "Div") if scaled else None
    if not scaled or not normed:
        return None
    beta, gamma = view.row(scaled[1], wide), view.row(normed[1], wide)
    centred, root = normed[0].inputs
    deviation = view.producer(root, "Sqrt")
    variance = view.producer(deviation.inputs[0], "Add") if deviation else None
    subtraction = view.producer(centred, "Sub")
    if beta is None or gamma is None or not variance or not subtraction:
        return None
    square, epsilon = view.parted(variance, "ReduceMean") or (None, "")
    mean = view.producer(subtraction.inputs[1], "ReduceMean")
    eps = view.number(epsilon)
    if not square or not mean or eps is None or mean.inputs[0] != subtraction.inputs[0]:
        return None
    if not _is_square(square.inputs[0], centred, view):
        return None
    if not all(_over_last_axis(each, view) for each in (square, mean)):
        return None
    names = view.add(node, "gamma", gamma), view.add(node, "beta", beta)
    attributes = {"axis": -1, "epsilon": eps}
    inputs = (subtraction.inputs[0], *names)
    return Node("LayerNormalization", node.name, inputs, node.outputs, attributes)


def _is_square(name: str, of: str, view: View) -> bool:
    if power := view.producer(name, "Pow"):
        return power.inputs[0] == of and view.number(power.inputs[1]) == 2
    product = view.producer(name, "Mul")
    return product is not None and set(product.inputs) == {of}


def _over_last_axis(node: Node, view: View) -> bool:
    axes = node.attributes.get("axes")
    if axes is None and node.inputs[1:]:
        axes = view.constants.get(node.inputs[1], np.zeros(0)).tolist()
    rank = len(view.shapes.get(node.inputs[0], ()))
    return axes in ([-1], [rank - 1]) and bool(node.attributes.get("keepdims", 1))


# One pass after the other: rows that belong to a layer norm are not taken by ``affine``.
_PASSES: tuple[_Patterns, ...] = (
    {
        "Add": (_biased, _layer_norm),
        "Conv": (_padded_convolution,),
        "Div": (gated,),
        "Mul": (_scaled, gated),
        "Transpose": (_moved_padding,),
    },
    dict.fromkeys(("Add", "Div", "Mul", "Sub"), (affine,)),
)
