"""A factor and an offset for each channel: a batch norm that an exporter took apart (Keras)."""

import numpy as np

from tools.model.onnx.graph import Array, Node
from tools.model.onnx.view import View


def affine(node: Node, view: View) -> Node | None:
    """Sums and products of an image with a row of constants, as one node: x * scale + offset."""
    shape = view.shapes.get(node.outputs[0], ())
    if len(shape) != 4 or (node.operator == "Div" and node.inputs[0] in view.constants):
        return None
    for value, constant in (node.inputs, node.inputs[::-1]):
        if constant not in view.constants or view.shapes.get(value) != shape:
            continue
        before = view.producer(value, "Affine")
        axis, row = _row(view.constants[constant], shape)
        if row is None or (axis is None and not before):
            return None
        if before and axis in {None, before.attributes["axis"]}:
            axis, source = before.attributes["axis"], before.inputs[0]
            scale, offset = (view.constants[name] for name in before.inputs[1:])
        else:
            source = value
            scale, offset = np.ones_like(row), np.zeros_like(row)
        scale, offset = _applied(node, scale, offset, row, first=value == node.inputs[0])
        names = view.add(node, "scale", scale), view.add(node, "offset", offset)
        return Node("Affine", node.name, (source, *names), node.outputs, {"axis": axis})
    return None


def _row(constant: Array, shape: tuple[int, ...]) -> tuple[int | None, Array | None]:
    """The axis along which ``constant`` has its numbers, and these; no axis for a single one."""
    if constant.size == 1:
        return None, constant.reshape(1).astype(np.float64)
    full = (1,) * (4 - constant.ndim) + constant.shape
    for axis in (1, 3):
        if len(full) == 4 and constant.size == full[axis] == shape[axis]:
            return axis, constant.reshape(-1).astype(np.float64)
    return None, None


def _applied(
    node: Node, scale: Array, offset: Array, row: Array, *, first: bool
) -> tuple[Array, Array]:
    """The scale and the offset after the operation of ``node``; first: the value stands first."""
    if node.operator == "Mul":
        return scale * row, offset * row
    if node.operator == "Div":
        return scale / row, offset / row
    scale = scale * np.ones_like(row)
    if node.operator == "Add":
        return scale, offset + row
    sign = 1 if first else -1  # Sub
    return sign * scale, sign * (offset - row)
