"""Pooling over windows, over the whole image, and means along axes."""

import math
from typing import Any

from classifier.model.lean_mxnet import mx
from tools.model.onnx.call import Call
from tools.model.onnx.errors import UnsupportedError
from tools.model.onnx.operators.activation import Operator
from tools.model.onnx.operators.window import Window, read_window
from tools.model.onnx.value import Value, reshape

# Stands for "nothing" where a maximum is taken.
_LOWEST = -3.4028234e38


def max_pool(call: Call) -> Value:
    return _pool(call, "max", {})


def average_pool(call: Call) -> Value:
    include = bool(call.attribute("count_include_pad", 0))
    return _pool(call, "avg", {"count_include_pad": include})


def _pool(call: Call, kind: str, options: dict[str, Any]) -> Value:
    value = call.value().plain()
    if value.rank not in {3, 4} or value.images != 0:
        raise UnsupportedError("it is neither over a line nor over an image")
    if len(call.shapes) > 1 or call.attribute("storage_order", 0):
        raise UnsupportedError("it also gives the places of the maxima")
    window = read_window(call, value.shape[2:], tuple(call.attribute("kernel_shape")))
    if set(window.dilations) != {1}:
        raise UnsupportedError("it is dilated")
    whole = window.kernel == window.inputs and not any((*window.begins, *window.ends))
    if whole:
        return call.result(_global(value.symbol, kind, value.rank - 2))
    symbol, padding, convention = _padded(value.symbol, window, call, kind, options)
    pooled = mx.sym.Pooling(
        symbol,
        kernel=window.kernel,
        stride=window.strides,
        pad=padding,
        pool_type=kind,
        pooling_convention=convention,
        name=call.name,
        **options,
    )
    return call.result(pooled)


def _padded(
    symbol: Any, window: Window, call: Call, kind: str, options: dict[str, Any]
) -> tuple[Any, tuple[int, ...], str]:
    """The symbol, its padding at both ends, and MXNet's word for which windows count.

    MXNet pads both ends alike; "full" takes windows that hang over the end, too. Where neither
    gives the windows of ONNX, the image is padded first, which costs a copy.
    """
    outputs, axes = call.shape[2:], range(len(window.kernel))
    begins, ends = window.begins, window.ends
    exact = begins == ends or kind == "max" or not options["count_include_pad"]
    for convention in ("valid", "full"):
        sizes = tuple(
            window.output(axis, begins[axis], begins[axis], ceil=convention == "full")
            for axis in axes
        )
        if (
            exact
            and sizes == outputs
            and all(b < k for b, k in zip(begins, window.kernel, strict=True))
        ):
            return symbol, begins, convention
    if kind == "avg" and not options["count_include_pad"] and any((*begins, *ends)):
        raise UnsupportedError("it averages over windows that are padded on one side only")
    if len(axes) != 2:
        raise UnsupportedError("it is padded on one side only")
    needed = tuple(
        max(
            (outputs[a] - 1) * window.strides[a] + window.kernel[a] - window.inputs[a] - begins[a],
            0,
        )
        for a in axes
    )
    if kind == "avg" and needed != ends and any(n > e for n, e in zip(needed, ends, strict=True)):
        raise UnsupportedError("it averages over windows that hang over the end")
    widths = (0, 0, 0, 0, begins[0], needed[0], begins[1], needed[1])
    value = _LOWEST if kind == "max" else 0.0
    symbol = mx.sym.pad(symbol, mode="constant", pad_width=widths, constant_value=value)
    return symbol, (0, 0), "valid"


def _global(symbol: Any, kind: str, rank: int) -> Any:
    return mx.sym.Pooling(symbol, kernel=(1,) * rank, global_pool=True, pool_type=kind)


def global_average_pool(call: Call) -> Value:
    value = call.value().plain()
    return call.result(_global(value.symbol, "avg", value.rank - 2))


def global_max_pool(call: Call) -> Value:
    value = call.value().plain()
    return call.result(_global(value.symbol, "max", value.rank - 2))


def reduce(call: Call) -> Value:
    """A mean, sum or maximum along axes."""
    kind = {"ReduceMean": "avg", "ReduceMax": "max", "ReduceSum": "sum"}[call.node.operator]
    value = call.value()
    axes = call.integers("axes", 1) or tuple(range(value.rank))
    axes = tuple(sorted({axis % value.rank for axis in axes}))
    if value.images in axes:
        raise UnsupportedError("it runs over the images of a batch")
    places = tuple(sorted(value.axis(axis) for axis in axes))
    if kind != "sum" and value.rank == 4 and places == (2, 3):
        symbol = _global(value.symbol, kind, 2)
    else:
        operator = {"avg": mx.sym.mean, "max": mx.sym.max, "sum": mx.sym.sum}[kind]
        symbol = operator(value.symbol, axis=places, keepdims=True)
    shape = tuple(1 if axis in axes else size for axis, size in enumerate(value.shape))
    reduced = Value(symbol, shape, value.images, value.order)
    if call.attribute("keepdims", 1):
        return call.like(reduced, symbol)
    images = value.images - sum(axis < value.images for axis in axes)
    left = reduced.plain()
    if images == 0 and len(call.shape) == 2 and math.prod(shape[2:]) == 1:
        return call.result(mx.sym.Flatten(left.symbol))
    return call.result(reshape(left.symbol, call.shape, images), images=images)


TABLE: dict[str, Operator] = {
    "AveragePool": average_pool,
    "GlobalAveragePool": global_average_pool,
    "GlobalMaxPool": global_max_pool,
    "MaxPool": max_pool,
    "ReduceMax": reduce,
    "ReduceMean": reduce,
    "ReduceSum": reduce,
}
