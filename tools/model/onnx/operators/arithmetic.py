"""Sums, products and their like, of two values or of a value and a constant."""

from typing import Any

import numpy as np

from classifier.model.lean_mxnet import mx
from tools.model.onnx.call import Call, scalar
from tools.model.onnx.errors import UnsupportedError
from tools.model.onnx.graph import Array
from tools.model.onnx.operators.activation import Operator
from tools.model.onnx.value import Value, identity, reshape

# By ONNX's name: MXNet's operator for equal shapes, for shapes that are broadcast, and that for a
# number on the right and on the left. See ``product`` for Mul.
_OPERATORS = {
    "Add": ("elemwise_add", "broadcast_add", "_plus_scalar", "_plus_scalar"),
    "Sub": ("elemwise_sub", "broadcast_sub", "_minus_scalar", "_rminus_scalar"),
    "Mul": ("broadcast_mul", "broadcast_mul", "_mul_scalar", "_mul_scalar"),
    "Div": ("elemwise_div", "broadcast_div", "_div_scalar", "_rdiv_scalar"),
    "Pow": ("_power", "broadcast_power", "_power_scalar", "_rpower_scalar"),
    "Max": ("_maximum", "broadcast_maximum", "_maximum_scalar", "_maximum_scalar"),
    "Min": ("_minimum", "broadcast_minimum", "_minimum_scalar", "_minimum_scalar"),
    "Sum": ("elemwise_add", "broadcast_add", "_plus_scalar", "_plus_scalar"),
}


def _operator(name: str) -> Any:
    return getattr(mx.sym, name, None) or getattr(mx.sym._internal, name)  # noqa: SLF001


def arithmetic(call: Call) -> Value:
    """The node's operation on its inputs, from left to right."""
    if any(operand is None for operand in call.inputs):
        raise UnsupportedError("an input is missing")
    first, *rest = call.inputs
    if not rest:
        return call.like(call.value(), call.value().symbol)
    for second in rest:
        first = _two(call, first, second)
    if not isinstance(first, Value) or first.shape != call.shape:
        raise UnsupportedError("its output has other axes than its inputs")
    return first


def _two(call: Call, left: Any, right: Any) -> Value | Array:
    if isinstance(left, Value) and isinstance(right, Value):
        return _values(call, left, right)
    if isinstance(left, Value):
        return _with_constant(call, left, right, reverse=False)
    if isinstance(right, Value):
        return _with_constant(call, right, left, reverse=True)
    raise UnsupportedError("it computes with constants alone")


def _values(call: Call, left: Value, right: Value) -> Value:
    equal, broadcast, _, _ = _OPERATORS[call.node.operator]
    rank = max(left.rank, right.rank)
    left, right = _ranked(left, rank), _ranked(right, rank)
    if left.order != right.order:
        left, right = left.plain(), right.plain()
    if left.images != right.images:
        raise UnsupportedError("its inputs have their images on different axes")
    operator = _operator(equal if left.shape == right.shape else broadcast)
    shape = np.broadcast_shapes(left.shape, right.shape)
    return Value(operator(left.symbol, right.symbol), shape, left.images, left.order)


def _ranked(value: Value, rank: int) -> Value:
    """``value`` with axes of length 1 before its own, as many as ``rank`` asks for."""
    if value.rank == rank:
        return value
    value, more = value.plain(), rank - value.rank
    shape = (1,) * more + value.shape
    symbol = reshape(value.symbol, shape, value.images + more)
    return Value(symbol, shape, value.images + more, identity(rank))


def _with_constant(call: Call, value: Value, constant: Array, *, reverse: bool) -> Value:
    _, broadcast, right, left = _OPERATORS[call.node.operator]
    shape = np.broadcast_shapes(value.shape, constant.shape)
    if shape != value.shape and len(shape) != value.rank:
        raise UnsupportedError("its constant has more axes than the value")
    number = scalar(constant)
    if number is not None and shape == value.shape:
        symbol = _operator(left if reverse else right)(value.symbol, scalar=number)
        return Value(symbol, shape, value.images, value.order)
    array = constant.reshape((1,) * (value.rank - constant.ndim) + constant.shape)
    if array.shape[value.images] != 1:
        raise UnsupportedError(
            "its constant differs from image to image of a batch", "export with a batch of one"
        )
    parameter = call.parameter("constant", array.transpose(value.order))
    operands = (parameter, value.symbol) if reverse else (value.symbol, parameter)
    return Value(_operator(broadcast)(*operands), shape, value.images, value.order)


TABLE: dict[str, Operator] = dict.fromkeys(_OPERATORS, arithmetic)
