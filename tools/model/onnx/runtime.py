"""ONNX Runtime, quiet, on a model in memory."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import onnxruntime
from onnx import ModelProto
from onnxruntime.capi import onnxruntime_pybind11_state as errors

from tools.errors import ToolError
from tools.model.onnx.errors import first_line

RUNTIME_ERRORS = (
    errors.EPFail,
    errors.Fail,
    errors.InvalidArgument,
    errors.InvalidGraph,
    errors.InvalidProtobuf,
    errors.NotImplemented,
    errors.RuntimeException,
    RuntimeError,
)
_ONLY_ERRORS = 3


def session_options(
    level: onnxruntime.GraphOptimizationLevel,
) -> onnxruntime.SessionOptions:
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = level
    options.log_severity_level = _ONLY_ERRORS + 1
    return options


class Session:
    """A model, ready to run. Raises ToolError: ONNX Runtime does not take it."""

    def __init__(self, model: ModelProto) -> None:
        options = session_options(onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL)
        try:
            self._session = onnxruntime.InferenceSession(
                model.SerializeToString(), options, providers=["CPUExecutionProvider"]
            )
        except RUNTIME_ERRORS as error:
            raise ToolError(f"ONNX Runtime does not take it: {first_line(error)}") from error

    def run(
        self, images: npt.NDArray[np.float32], outputs: Sequence[str] | None = None
    ) -> list[npt.NDArray[np.float32]]:
        """The ``outputs``, by default the model's own, of as many ``images`` as it takes at once.

        Raises ToolError: ONNX Runtime cannot run it.
        """
        name = self._session.get_inputs()[0].name
        try:
            return [np.asarray(each) for each in self._session.run(outputs, {name: images})]
        except RUNTIME_ERRORS as error:
            raise ToolError(f"ONNX Runtime cannot run it: {first_line(error)}") from error
