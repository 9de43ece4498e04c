"""Every operator that is imported, by ONNX's name."""

from collections.abc import Callable

from tools.model.onnx.call import Call
from tools.model.onnx.operators import (
    activation,
    arithmetic,
    axes,
    convolution,
    matrix,
    normalization,
    pooling,
)
from tools.model.onnx.value import Value

OPERATORS: dict[str, Callable[[Call], Value | list[Value]]] = {
    **activation.TABLE,
    **arithmetic.TABLE,
    **axes.TABLE,
    **convolution.TABLE,
    **matrix.TABLE,
    **normalization.TABLE,
    **pooling.TABLE,
}

_QUANTIZED = "export the float32 network, then run scripts/model.py quantize on what is imported"
_CONTROL = "export with a fixed image size, so that nothing is decided while it runs"
# What to do instead of operators that are not imported.
REMEDIES = {
    **dict.fromkeys(
        ("QuantizeLinear", "DequantizeLinear", "DynamicQuantizeLinear", "QLinearConv"), _QUANTIZED
    ),
    **dict.fromkeys(("ConvInteger", "MatMulInteger", "QLinearMatMul"), _QUANTIZED),
    **dict.fromkeys(("If", "Loop", "Scan", "NonZero", "Shape", "Where", "Expand"), _CONTROL),
    **dict.fromkeys(
        ("TopK", "ArgMax", "NonMaxSuppression"), "leave it out: the function sorts the classes"
    ),
    **dict.fromkeys(
        ("ImageDecoder", "DecodeJpeg"), "leave it out: the function decodes and resizes images"
    ),
    **dict.fromkeys(("LSTM", "GRU", "RNN", "Einsum"), "only convolutional networks are imported"),
}
USUAL_REMEDY = "replace it in the network by operators of docs/onnx.md, and export again"
