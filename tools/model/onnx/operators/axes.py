"""What moves values about and computes nothing: reshape, transpose, concat, split, slice, pad."""

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from classifier.model.lean_mxnet import mx
from tools.model.onnx.call import Call
from tools.model.onnx.errors import UnsupportedError
from tools.model.onnx.operators.activation import Operator
from tools.model.onnx.value import Value
from tools.model.onnx.value import reshape as reshape_symbol

_FIXED_BATCH = "export with a dynamic batch axis"


def reshape(call: Call) -> Value:
    """Reshape, Flatten, Squeeze, Unsqueeze: the shape of the output says it all.

    A shape that was exported for one image holds for any number of them: the axis of the images is
    the one that as many numbers come before as did, and its size is left open.
    """
    value = call.value()
    before = math.prod(value.shape[: value.images])
    images = next(
        (
            axis
            for axis, size in enumerate(call.shape)
            if math.prod(call.shape[:axis]) == before and size % call.batch == 0
        ),
        None,
    )
    if images is None:
        raise UnsupportedError("it spreads the images of a batch over several axes", _FIXED_BATCH)
    if images == 0 and len(call.shape) == 2 and call.shape[0] == value.shape[0]:
        return call.result(mx.sym.Flatten(_flat(value)))  # quantizes, unlike a general reshape
    symbol = reshape_symbol(value.plain().symbol, call.shape, images)
    return call.result(symbol, images=images)


def _flat(value: Value) -> Any:
    """The symbol of ``value``, unordered where only axes of length 1 have moved."""
    axes = [axis for axis in value.order if value.shape[axis] != 1 or axis == value.images]
    return value.symbol if axes == sorted(axes) and not value.axis(0) else value.plain().symbol


def transpose(call: Call) -> Value:
    """Noted, and carried out when an operator needs it: see ``value``."""
    value = call.value()
    axes = tuple(call.attribute("perm") or reversed(range(value.rank)))
    order = tuple(axes.index(axis) for axis in value.order)
    return call.result(value.symbol, order, axes.index(value.images))


def concat(call: Call) -> Value:
    values = [call.value(index) for index in range(len(call.inputs))]
    if len({value.order for value in values}) > 1:
        values = [value.plain() for value in values]
    first = values[0]
    axis = call.attribute("axis") % first.rank
    if axis == first.images or len({value.images for value in values}) > 1:
        raise UnsupportedError("it joins along the axis of the images")
    symbols = [value.symbol for value in values]
    return call.like(first, mx.sym.Concat(*symbols, dim=first.axis(axis), name=call.name))


def split(call: Call) -> list[Value]:
    value = call.value()
    axis = call.attribute("axis", 0) % value.rank
    if axis == value.images:
        raise UnsupportedError("it splits along the axis of the images")
    parts, begin = [], 0
    for index, shape in enumerate(call.shapes):
        end = begin + shape[axis]
        symbol = mx.sym.slice_axis(value.symbol, axis=value.axis(axis), begin=begin, end=end)
        parts.append(call.like(value, symbol, index))
        begin = end
    return parts


def slice_(call: Call) -> Value:
    value = call.value()
    starts, ends = call.integers("starts", 1), call.integers("ends", 2)
    if starts is None or ends is None:
        raise UnsupportedError("its starts or ends are missing")
    axes = call.integers("axes", 3) or tuple(range(len(starts)))
    steps = call.integers("steps", 4) or (1,) * len(starts)
    symbol = value.symbol
    for axis, start, end, step in zip(axes, starts, ends, steps, strict=True):
        size = value.shape[axis % value.rank]
        taken = range(size)[start:end:step]
        if len(taken) == size and step == 1:
            continue
        if axis % value.rank == value.images:
            raise UnsupportedError("it takes some images of a batch", _FIXED_BATCH)
        symbol = _take(symbol, value.axis(axis), value.rank, taken)
    return call.like(value, symbol)


def _take(symbol: Any, axis: int, rank: int, taken: range) -> Any:
    if taken.step == 1:
        return mx.sym.slice_axis(symbol, axis=axis, begin=taken.start, end=taken.stop)
    if taken.step < 0:
        raise UnsupportedError("it counts backwards")
    every: list[int | None] = [None] * rank
    begin, end, step = every.copy(), every.copy(), every.copy()
    begin[axis], end[axis], step[axis] = taken.start, taken.stop, taken.step
    return mx.sym.slice(symbol, begin=tuple(begin), end=tuple(end), step=tuple(step))


def gather(call: Call) -> Value:
    value, indices = call.value(), call.needed_constant(1)
    axis = call.attribute("axis", 0) % value.rank
    if axis == value.images:
        if np.array_equal(indices.reshape(-1), np.arange(value.shape[axis])):
            return reshape(call)  # PyTorch's as_strided, where nothing is skipped
        raise UnsupportedError("it takes some images of a batch", _FIXED_BATCH)
    if indices.ndim > 1:
        raise UnsupportedError("its indices have more than one axis")
    size = value.shape[axis]
    if indices.ndim == 1:
        parameter = call.parameter("indices", indices % size, dtype="float32")
        return call.like(value, mx.sym.take(value.symbol, parameter, axis=value.axis(axis)))
    at = int(indices) % size
    symbol = mx.sym.slice_axis(value.symbol, axis=value.axis(axis), begin=at, end=at + 1)
    shape = tuple(1 if each == axis else size for each, size in enumerate(value.shape))
    plain = Value(symbol, shape, value.images, value.order).plain()
    images = value.images - (axis < value.images)
    return call.result(reshape_symbol(plain.symbol, call.shape, images), images=images)


def pad(call: Call) -> Value:
    value = call.value().plain()
    pads = call.integers("pads", 1)
    axes = call.integers("axes", 3) or tuple(range(value.rank))
    if pads is None or len(pads) != 2 * len(axes) or value.rank != 4:
        raise UnsupportedError("it pads something else than an image")
    widths = [0] * 8
    for place, axis in enumerate(axes):
        widths[2 * axis], widths[2 * axis + 1] = pads[place], pads[place + len(axes)]
    if any(widths[:4]) or min(widths) < 0:
        return call.result(_channels_padded(value, widths, call))
    mode = call.attribute("mode", "constant")
    if mode not in {"constant", "edge", "reflect"}:
        raise UnsupportedError(f"its mode is {mode}")
    constant = call.number("value", 2) or 0.0
    symbol = mx.sym.pad(value.symbol, mode=mode, pad_width=tuple(widths), constant_value=constant)
    return call.result(symbol)


def _channels_padded(value: Value, widths: Sequence[int], call: Call) -> Any:
    """Zeros before and after the channels: ResNets whose shortcuts have no parameters."""
    if any((*widths[:2], *widths[4:])) or min(widths) < 0 or call.number("value", 2):
        raise UnsupportedError("it pads more than the image, or by less than nothing")
    nothing = mx.sym.slice_axis(value.symbol, axis=1, begin=0, end=1) * 0
    before, after = ([mx.sym.repeat(nothing, repeats=n, axis=1)] if n else [] for n in widths[2:4])
    return mx.sym.Concat(*before, value.symbol, *after, dim=1)


def resize(call: Call) -> Value:
    """Whole multiples of the nearest pixel, and bilinear."""
    value = call.value().plain()
    mode = call.attribute("mode", "nearest")
    coordinates = call.attribute("coordinate_transformation_mode", "half_pixel")
    if value.rank != 4 or value.images or value.shape[:2] != call.shape[:2]:
        raise UnsupportedError("it resizes something else than an image")
    (height, width), (high, wide) = value.shape[2:], call.shape[2:]
    scale, rest = divmod(high, height)
    if mode == "nearest" and not rest and (high, wide) == (height * scale, width * scale):
        return call.result(mx.sym.UpSampling(value.symbol, scale=scale, sample_type="nearest"))
    if mode == "linear" and coordinates in {"half_pixel", "align_corners", "pytorch_half_pixel"}:
        symbol = mx.sym.contrib.BilinearResize2D(
            value.symbol,
            height=high,
            width=wide,
            align_corners=coordinates == "align_corners",
        )
        return call.result(symbol)
    raise UnsupportedError(
        f"its mode is {mode}, {coordinates}", "resize by whole multiples (nearest) or bilinearly"
    )


def cast(call: Call) -> Value:
    float32 = 1
    if call.attribute("to") != float32:
        raise UnsupportedError("it casts to another type than float32", "export as float32")
    return call.like(call.value(), call.value().symbol)


TABLE: dict[str, Operator | Callable[[Call], list[Value]]] = {
    "Cast": cast,
    "Concat": concat,
    "Flatten": reshape,
    "Gather": gather,
    "Pad": pad,
    "Reshape": reshape,
    "Resize": resize,
    "Slice": slice_,
    "Split": split,
    "Squeeze": reshape,
    "Transpose": transpose,
    "Unsqueeze": reshape,
}
