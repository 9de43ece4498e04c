"""Products that are one function of a value: GELU, the swishes, hard sigmoid."""

import dataclasses
import math

from tools.model.onnx.graph import Node
from tools.model.onnx.view import View


def _factors(name: str, view: View, depth: int = 3) -> tuple[list[str], float]:
    """``name`` as a product: its factors that are no numbers, and the product of those that are."""
    node = view.producer(name, "Mul", "Div")
    if not node or not depth:
        return [name], 1.0
    first, second = node.inputs
    divisor = view.number(second)
    if node.operator == "Div":
        if not divisor:
            return [name], 1.0
        values, number = _factors(first, view, depth - 1)
        return values, number / divisor
    values, number = [], 1.0
    for each in (first, second):
        if (constant := view.number(each)) is not None:
            number *= constant
            continue
        more, factor = _factors(each, view, depth - 1)
        values += more
        number *= factor
    return values, number


def gated(node: Node, view: View) -> Node | None:
    """Products that are GELU (x * (1 + erf(x / sqrt 2)) / 2), a swish, or hard sigmoid."""
    view = dataclasses.replace(view, producers=view.producers | {node.outputs[0]: node})
    values, number = _factors(node.outputs[0], view)
    for gate in values:
        others = [name for name in values if name is not gate]
        if math.isclose(number, 0.5, rel_tol=1e-4) and others == [_erf_input(gate, view)]:
            return Node("Gelu", node.name, tuple(others), node.outputs, {})
        if (kind := _swish(gate, view)) and number == 1 and others == [kind[1]]:
            return Node(kind[0], node.name, tuple(others), node.outputs, {})
        inner = _clipped(gate, view)
        if not inner or not math.isclose(number, 1 / 6, rel_tol=1e-4):
            continue
        if others == [inner]:
            return Node("HardSwish", node.name, (inner,), node.outputs, {})
        if not others:
            attributes = {"alpha": 1 / 6, "beta": 0.5}
            return Node("HardSigmoid", node.name, (inner,), node.outputs, attributes)
    return None


def _swish(name: str, view: View) -> tuple[str, str] | None:
    """The operator that multiplies its input by the gate ``name``, and that input."""
    if sigmoid := view.producer(name, "Sigmoid"):
        return "Swish", sigmoid.inputs[0]
    hard = view.producer(name, "HardSigmoid")
    if hard and math.isclose(hard.attributes.get("alpha", 0.2), 1 / 6, rel_tol=1e-4):
        return ("HardSwish", hard.inputs[0]) if hard.attributes.get("beta", 0.5) == 0.5 else None
    tanh = view.producer(name, "Tanh")
    softplus = view.producer(tanh.inputs[0], "Softplus") if tanh else None
    return ("Mish", softplus.inputs[0]) if softplus else None


def _erf_input(name: str, view: View) -> str | None:
    """The x of 1 + erf(x / sqrt 2)."""
    add = view.producer(name, "Add")
    parts = view.parted(add, "Erf") if add else None
    if not parts or view.number(parts[1]) != 1:
        return None
    values, number = _factors(parts[0].inputs[0], view)
    return (
        values[0]
        if len(values) == 1 and math.isclose(number, math.sqrt(0.5), rel_tol=1e-4)
        else None
    )


def _clipped(name: str, view: View) -> str | None:
    """The x of clip(x + 3, 0, 6)."""
    clip = view.producer(name, "Clip")
    if not clip:
        return None
    bounds = [clip.attributes.get(bound) for bound in ("min", "max")]
    if len(clip.inputs) == 3:
        bounds = [view.number(each) for each in clip.inputs[1:]]
    add = view.producer(clip.inputs[0], "Add")
    if bounds != [0, 6] or not add:
        return None
    for value, number in (add.inputs, add.inputs[::-1]):
        if view.number(number) == 3:
            return value
    return None
