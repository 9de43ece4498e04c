"""The same network in onnxruntime: what ours is measured beside."""

import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from onnxruntime import quantization
from onnxruntime.quantization.shape_inference import quant_pre_process

from classifier.image.tensor import Tensor


def quantized(model: bytes, tensors: Sequence[Tensor]) -> bytes:
    """The int8 model of an ONNX ``model``: static (QDQ), a scale for each channel of a weight.

    tensors: (3, size, size) float32 each; they calibrate it.
    """
    with tempfile.TemporaryDirectory() as folder:
        plain, ready, int8 = (str(Path(folder, name)) for name in ("plain", "ready", "int8"))
        Path(plain).write_bytes(model)
        quant_pre_process(plain, ready)
        quantization.quantize_static(
            ready,
            int8,
            _Calibration(tensors),
            quant_format=quantization.QuantFormat.QDQ,
            # The default, signed activations, takes twice as long on processors with VNNI.
            activation_type=quantization.QuantType.QUInt8,
            weight_type=quantization.QuantType.QInt8,
            per_channel=True,
        )
        return Path(int8).read_bytes()


def runner(model: bytes, threads: int) -> Callable[[Any], Any]:
    """Runs ``model``: (n, 3, size, size) float32 becomes (n, classes) float32."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(model, options, ["CPUExecutionProvider"])
    return lambda tensors: session.run(None, {"data": tensors})[0]


class _Calibration(quantization.CalibrationDataReader):  # type: ignore[misc]
    def __init__(self, tensors: Sequence[Tensor]) -> None:
        self._feeds = iter([{"data": tensor[np.newaxis]} for tensor in tensors])

    def get_next(self) -> dict[str, Tensor] | None:
        return next(self._feeds, None)
