"""Products of matrices: fully connected layers, and values with values."""

import numpy as np

from classifier.model.lean_mxnet import mx
from tools.model.onnx.call import Call
from tools.model.onnx.errors import UnsupportedError
from tools.model.onnx.graph import Array
from tools.model.onnx.operators.activation import Operator
from tools.model.onnx.value import Value


def gemm(call: Call) -> Value:
    """A fully connected layer: alpha * A * B + beta * C."""
    weight = call.needed_constant(1)
    if call.attribute("transA", 0):
        raise UnsupportedError("its first input is transposed")
    weight = weight if call.attribute("transB", 0) else weight.T
    bias = call.constant(2)
    if bias is not None:
        bias = _row(bias * call.attribute("beta", 1.0), len(weight))
    return _linear(call, weight * call.attribute("alpha", 1.0), bias)


def matmul(call: Call) -> Value:
    """A product with a constant matrix, or of two values."""
    right = call.input(1)
    if isinstance(right, Value):
        left, right = call.value().plain(), right.plain()
        if left.rank != right.rank or left.shape[:-2] != right.shape[:-2] or left.rank < 3:
            raise UnsupportedError("its inputs are broadcast")
        if left.images != right.images or left.images >= left.rank - 2:
            raise UnsupportedError("it multiplies along the axis of the images")
        return call.result(mx.sym.linalg.gemm2(left.symbol, right.symbol), images=left.images)
    weight = call.needed_constant(1)
    if weight.ndim != 2:
        raise UnsupportedError("its constant has not two axes")
    return _linear(call, weight.T, None)


def linear(call: Call) -> Value:
    """A product with a constant matrix, (out, in), and a bias: see ``fusion``."""
    return _linear(call, call.needed_constant(1), call.constant(2))


def _linear(call: Call, weight: Array, bias: Array | None) -> Value:
    """A fully connected layer on the last axis. weight: (out, in); bias: (out,)."""
    value = call.value()
    if value.images == value.rank - 1:
        raise UnsupportedError("it multiplies along the axis of the images")
    wide = len(weight)
    # Channels last by ONNX's count, but second in memory: a convolution of one pixel.
    convolution = value.rank == 4 and value.axis(-1) == 1 and value.axis(value.images) == 0
    if convolution:
        weight = weight[:, :, np.newaxis, np.newaxis]
    else:
        value = value.plain()
    parameters = [call.parameter("weight", weight)]
    if bias is not None:
        parameters.append(call.parameter("bias", bias))
    no_bias = bias is None
    if convolution:
        symbol = mx.sym.Convolution(
            value.symbol,
            *parameters,
            kernel=(1, 1),
            num_filter=wide,
            no_bias=no_bias,
            name=call.name,
        )
    else:
        symbol = mx.sym.FullyConnected(
            value.symbol,
            *parameters,
            num_hidden=wide,
            no_bias=no_bias,
            flatten=value.rank == 2,
            name=call.name,
        )
    return call.like(value, symbol)


def _row(bias: Array, wide: int) -> Array:
    """``bias`` as one number for each output."""
    if bias.size != 1 and bias.shape[-1] != bias.size:
        raise UnsupportedError("its bias is not one row")
    return np.broadcast_to(bias.reshape(-1), (wide,))


TABLE: dict[str, Operator] = {"Gemm": gemm, "Linear": linear, "MatMul": matmul}
