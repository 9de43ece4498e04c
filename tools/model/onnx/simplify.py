"""A model becomes a graph of fixed shapes, simplified by ONNX Runtime.

Constants are folded, batch norms and factors become part of the convolutions before them, and what
changes nothing is gone. ONNX Runtime does that offline, at its basic level: higher levels put in
operators of its own.
"""

import tempfile
from pathlib import Path

import onnx
import onnxruntime
from onnx import ModelProto

from tools.errors import ToolError
from tools.model.onnx.errors import first_line
from tools.model.onnx.graph import Graph, read_node, read_shape, used_nodes
from tools.model.onnx.runtime import RUNTIME_ERRORS, session_options

# ``fusion`` and ``value`` know better ways in MXNet.
_LEFT_OUT = ["MatMulAddFusion", "TransposeOptimizer"]


def simplify(model: ModelProto) -> Graph:
    """The graph of ``model``, whose input has a fixed shape.

    Raises ToolError: its shapes do not fit together.
    """
    _infer_shapes(model, strict=True)
    with tempfile.TemporaryDirectory() as folder:
        path = str(Path(folder, "simplified.onnx"))
        options = session_options(onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC)
        options.optimized_model_filepath = path
        try:
            onnxruntime.InferenceSession(
                model.SerializeToString(),
                options,
                providers=["CPUExecutionProvider"],
                disabled_optimizers=_LEFT_OUT,
            )
        except RUNTIME_ERRORS as error:
            raise ToolError(f"ONNX Runtime does not take it: {first_line(error)}") from error
        simplified = onnx.load_model(path)
    return _graph(_infer_shapes(simplified))


def _infer_shapes(model: ModelProto, *, strict: bool = False) -> ModelProto:
    try:
        inferred = onnx.shape_inference.infer_shapes(
            model, check_type=True, strict_mode=strict, data_prop=True
        )
    except (onnx.shape_inference.InferenceError, onnx.checker.ValidationError) as error:
        raise ToolError(f"its shapes do not fit together: {first_line(error)}") from error
    for value in inferred.graph.value_info:
        if (shape := read_shape(value)) is not None and min(shape, default=1) < 1:
            raise ToolError(f"its shapes do not fit together: {value.name!r} has none left")
    return inferred


def _graph(model: ModelProto) -> Graph:
    graph = model.graph
    shapes = {
        value.name: shape
        for value in (*graph.input, *graph.value_info, *graph.output)
        if (shape := read_shape(value)) is not None
    }
    constants = {each.name: onnx.numpy_helper.to_array(each) for each in graph.initializer}
    return Graph(
        input=graph.input[0].name,
        output=graph.output[0].name,
        nodes=used_nodes([read_node(node) for node in graph.node], graph.output[0].name),
        constants=constants,
        shapes=shapes,
        batch=shapes[graph.input[0].name][0],
        opset=max(each.version for each in model.opset_import if not each.domain),
        model=model,
    )
