"""Functions of one value, element by element, and softmax."""

import math
from collections.abc import Callable
from typing import Any

from classifier.model.lean_mxnet import mx
from tools.model.onnx.call import Call, scalar
from tools.model.onnx.errors import UnsupportedError
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
    return _gated(call, lambda symbol: mx.sym.hard_sigmoid(symbol, alpha=1 / 6, beta=0.5))


def swish(call: Call) -> Value:
    slope = call.attribute("alpha", 1.0)
    return _gated(
        call,
        lambda symbol: mx.sym.Activation(
            symbol if slope == 1 else symbol * slope, act_type="sigmoid"
        ),
    )


def mish(call: Call) -> Value:
    return _gated(
        call,
        lambda symbol: mx.sym.Activation(
            mx.sym.Activation(symbol, act_type="softrelu"), act_type="tanh"
        ),
    )


def _gated(call: Call, gate: Callable[[Any], Any]) -> Value:
    """The value times a function of itself.

    oneDNN computes a convolution with channels last, and MXNet multiplies with channels first. The
    reshape, which changes no shape, has the value turned once, not once for each factor: of 96
    channels of 112 x 112 that is 2.6 ms, and the product takes 2.
    """
    value = call.value()
    symbol = mx.sym.reshape(value.symbol, shape=(0,) * value.rank)
    return call.like(value, product(symbol, gate(symbol)))


def product(left: Any, right: Any) -> Any:
    """The product of two symbols of one shape.

    As fast as ``elemwise_mul``. That, MXNet quantizes even where a factor is uint8, and cannot run
    what comes of it.
    """
    return mx.sym.broadcast_mul(left, right)


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
