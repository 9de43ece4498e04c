"""Functions of one value, element by element, and softmax."""

import math
from collections.abc import Callable
from typing import Any

from classifier.model.lean_mxnet import mx
from tools.model.onnx.call import Call, UnsupportedError, scalar
from tools.model.onnx.value import Value

Operator = Callable[[Call], Value]
# What stands for "no bound": clip needs two.
_FLOAT32_MAX = 3.4028234e38
_SELU = {"alpha": 1.6732632, "gamma": 1.0507010}


def _elementwise(function: Callable[[Any], Any]) -> Operator:
    def operator(call: Call) -> Value:
        value = call.value()
        return call.like(value, function(value.symbol))

    return operator


def _activation(kind: str) -> Operator:
    return _elementwise(lambda symbol: mx.sym.Activation(symbol, act_type=kind))


def leaky_relu(call: Call) -> Value:
    value = call.value()
    slope = call.attribute("alpha", 0.01)
    return call.like(value, mx.sym.LeakyReLU(value.symbol, act_type="leaky", slope=slope))


def elu(call: Call) -> Value:
    value = call.value()
    slope = call.attribute("alpha", 1.0)
    return call.like(value, mx.sym.LeakyReLU(value.symbol, act_type="elu", slope=slope))


def selu(call: Call) -> Value:
    value = call.value()
    for name, usual in _SELU.items():
        if not math.isclose(call.attribute(name, usual), usual, rel_tol=1e-5):
            raise UnsupportedError(f"{name} is not {usual}")
    return call.like(value, mx.sym.LeakyReLU(value.symbol, act_type="selu"))


def p_relu(call: Call) -> Value:
    value, slope = call.value(), call.needed_constant(1)
    if (same := scalar(slope)) is not None:
        symbol = mx.sym.LeakyReLU(value.symbol, act_type="leaky", slope=same)
        return call.like(value, symbol)
    if slope.size != value.shape[1] or slope.shape[0] != slope.size:
        raise UnsupportedError("its slopes are neither one number nor one for each channel")
    gamma = call.parameter("gamma", slope.reshape(-1))
    return call.result(mx.sym.LeakyReLU(value.plain().symbol, gamma, act_type="prelu"))


def clip(call: Call) -> Value:
    value = call.value()
    low, high = call.number("min", 1), call.number("max", 2)
    low = -_FLOAT32_MAX if low is None else max(low, -_FLOAT32_MAX)
    high = _FLOAT32_MAX if high is None else min(high, _FLOAT32_MAX)
    if (low, high) == (0, _FLOAT32_MAX):
        return relu(call)
    return call.like(value, mx.sym.clip(value.symbol, a_min=low, a_max=high))


def hard_sigmoid(call: Call) -> Value:
    value = call.value()
    slope, offset = call.attribute("alpha", 0.2), call.attribute("beta", 0.5)
    return call.like(value, mx.sym.hard_sigmoid(value.symbol, alpha=slope, beta=offset))


def hard_swish(call: Call) -> Value:
    value = call.value()
    gate = mx.sym.hard_sigmoid(value.symbol, alpha=1 / 6, beta=0.5)
    return call.like(value, mx.sym.elemwise_mul(value.symbol, gate))


def swish(call: Call) -> Value:
    value = call.value()
    slope = call.attribute("alpha", 1.0)
    scaled = value.symbol if slope == 1 else value.symbol * slope
    gate = mx.sym.Activation(scaled, act_type="sigmoid")
    return call.like(value, mx.sym.elemwise_mul(value.symbol, gate))


def mish(call: Call) -> Value:
    value = call.value()
    gate = mx.sym.Activation(value.symbol, act_type="softrelu")
    gate = mx.sym.Activation(gate, act_type="tanh")
    return call.like(value, mx.sym.elemwise_mul(value.symbol, gate))


def gelu(call: Call) -> Value:
    value = call.value()
    if call.attribute("approximate", "none") != "none":
        raise UnsupportedError(
            "GELU by tanh is another function than MXNet's", "train with the exact GELU"
        )
    return call.like(value, mx.sym.LeakyReLU(value.symbol, act_type="gelu"))


def softmax(call: Call) -> Value:
    value, axis = _softmax_axis(call)
    return call.like(value, mx.sym.softmax(value.symbol, axis=axis))


def log_softmax(call: Call) -> Value:
    value, axis = _softmax_axis(call)
    return call.like(value, mx.sym.log_softmax(value.symbol, axis=axis))


def _softmax_axis(call: Call) -> tuple[Value, int]:
    value = call.value()
    old = call.opset < 13  # then it took everything from the axis on as one row
    axis = call.attribute("axis", 1 if old else -1) % value.rank
    if axis == value.images:
        raise UnsupportedError("its axis is that of the images")
    if old and math.prod(value.shape[axis + 1 :]) != 1:
        raise UnsupportedError("it spans several axes", "export with opset 13 or newer")
    return value, value.axis(axis)


def same(call: Call) -> Value:
    """What changes nothing when images are classified."""
    return call.like(call.value(), call.value().symbol)


relu = _activation("relu")
TABLE: dict[str, Operator] = {
    "Abs": _elementwise(mx.sym.abs),
    "Clip": clip,
    "Dropout": same,
    "Elu": elu,
    "Erf": _elementwise(mx.sym.erf),
    "Exp": _elementwise(mx.sym.exp),
    "Gelu": gelu,
    "HardSigmoid": hard_sigmoid,
    "HardSwish": hard_swish,
    "Identity": same,
    "LeakyRelu": leaky_relu,
    "Log": _elementwise(mx.sym.log),
    "LogSoftmax": log_softmax,
    "Mish": mish,
    "Neg": _elementwise(mx.sym.negative),
    "PRelu": p_relu,
    "Reciprocal": _elementwise(mx.sym.reciprocal),
    "Relu": relu,
    "Selu": selu,
    "Sigmoid": _activation("sigmoid"),
    "Softmax": softmax,
    "Softplus": _activation("softrelu"),
    "Softsign": _activation("softsign"),
    "Sqrt": _elementwise(mx.sym.sqrt),
    "Swish": swish,
    "Tanh": _activation("tanh"),
    "com.microsoft.Gelu": gelu,
    "com.microsoft.QuickGelu": swish,
}
