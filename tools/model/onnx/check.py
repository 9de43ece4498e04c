"""An ONNX file is read and judged before anything of it is run.

Every size is checked against the bytes that are there before it is believed.
"""

import math
from collections.abc import Iterator
from pathlib import Path

import onnx
from google.protobuf.message import DecodeError
from onnx import AttributeProto, GraphProto, ModelProto, NodeProto, TensorProto

from tools.errors import ToolError
from tools.model.onnx.external import read_external
from tools.model.onnx.limits import MAX_FILE_BYTES, MAX_NODES, MAX_TENSORS

OLDEST_OPSET = 9
_REEXPORT = "export the network again"
# Fields that hold a tensor's numbers, where they are not raw bytes, and how many a number takes.
_FIELDS: dict[int, tuple[str, int]] = {
    TensorProto.FLOAT: ("float_data", 1),
    TensorProto.DOUBLE: ("double_data", 1),
    TensorProto.INT64: ("int64_data", 1),
    TensorProto.UINT64: ("uint64_data", 1),
    TensorProto.UINT32: ("uint64_data", 1),
    TensorProto.COMPLEX64: ("float_data", 2),
    TensorProto.COMPLEX128: ("double_data", 2),
}


def read_model(path: Path) -> ModelProto:
    """The model in ``path``, with its external data.

    Raises ToolError: it is no ONNX model, or one that is not imported.
    """
    data = _read(path)
    try:
        model = onnx.load_model_from_string(data)
    except DecodeError as error:
        raise ToolError("not an ONNX file, or a damaged one") from error
    if not model.HasField("graph") or not model.graph.node:
        raise ToolError("not an ONNX file, or one without a network")
    opset = _opset(model)
    newest = onnx.defs.onnx_opset_version()
    if not OLDEST_OPSET <= opset <= newest:
        raise ToolError(f"opset {opset}: export with an opset from {OLDEST_OPSET} to {newest}")
    if model.functions:
        raise ToolError(
            "it defines operators of its own; export with torch 2.6 or newer, or inline them"
        )
    _check_counts(model.graph)
    read_external(path, MAX_FILE_BYTES - len(data), list(_tensors(model.graph)))
    for tensor in _tensors(model.graph):
        _check_tensor(tensor)
    _check_order(model.graph, set())
    _check_schema(model)
    return model


def _read(path: Path) -> bytes:
    try:
        if not path.is_file():
            raise ToolError("no such file")
        size = path.stat().st_size
        if size > MAX_FILE_BYTES:
            raise ToolError(f"{size:,} bytes; up to {MAX_FILE_BYTES:,} are imported")
        return path.read_bytes()
    except OSError as error:
        raise ToolError(str(error.strerror)) from error


def _opset(model: ModelProto) -> int:
    versions = [each.version for each in model.opset_import if each.domain in {"", "ai.onnx"}]
    return int(max(versions, default=0))


def _graphs(graph: GraphProto) -> Iterator[GraphProto]:
    """``graph`` and those inside its nodes."""
    yield graph
    for node in graph.node:
        for attribute in node.attribute:
            inner = [attribute.g] if attribute.type == AttributeProto.GRAPH else attribute.graphs
            for each in inner:
                yield from _graphs(each)


def _check_counts(graph: GraphProto) -> None:
    nodes = tensors = 0
    for each in _graphs(graph):
        nodes += len(each.node)
        tensors += len(each.initializer)
        if each.sparse_initializer:
            raise ToolError(f"it has sparse tensors; {_REEXPORT} with dense ones")
        if nodes > MAX_NODES:
            raise ToolError(f"more than {MAX_NODES:,} nodes: no classifier has so many")
        if tensors > MAX_TENSORS:
            raise ToolError(f"more than {MAX_TENSORS:,} tensors: no classifier has so many")


def _tensors(graph: GraphProto) -> Iterator[TensorProto]:
    for each in _graphs(graph):
        yield from each.initializer
        for node in each.node:
            for attribute in node.attribute:
                if attribute.HasField("t"):
                    yield attribute.t
                yield from attribute.tensors
                if attribute.HasField("sparse_tensor") or attribute.sparse_tensors:
                    raise ToolError(f"it has sparse tensors; {_REEXPORT} with dense ones")


def _check_tensor(tensor: TensorProto) -> None:
    """Its dimensions promise as many numbers as there are."""
    if tensor.data_type not in _BITS:
        raise ToolError(f"tensor {tensor.name!r} holds no numbers")
    if any(size < 0 for size in tensor.dims):
        raise ToolError(f"tensor {tensor.name!r} has a negative dimension")
    count = math.prod(tensor.dims)
    if tensor.HasField("raw_data"):
        promised, actual = -(-count * _BITS[tensor.data_type] // 8), len(tensor.raw_data)
    else:
        field, each = _FIELDS.get(tensor.data_type, ("int32_data", 1))
        if _BITS[tensor.data_type] < 8:
            each = 1
            count = -(-count * _BITS[tensor.data_type] // 8)
        promised, actual = count * each, len(getattr(tensor, field))
    if promised != actual:
        shape = " x ".join(map(str, tensor.dims)) or "one number"
        raise ToolError(
            f"tensor {tensor.name!r}: {shape} does not fit the data it has; {_REEXPORT}"
        )


def _check_order(graph: GraphProto, outer: set[str]) -> None:
    """Every value is computed once, before it is used: there is no circle."""
    ready = outer | {"", *(each.name for each in graph.input)}
    ready |= {each.name for each in graph.initializer}
    for node in graph.node:
        for name in node.input:
            if name not in ready:
                raise ToolError(
                    f"node {_name(node)} needs {name!r}, which no node before it gives; {_REEXPORT}"
                )
        for attribute in node.attribute:
            if attribute.type == AttributeProto.GRAPH:
                _check_order(attribute.g, ready)
        for name in node.output:
            if name and name in ready:
                raise ToolError(f"node {_name(node)} gives {name!r}, which is taken; {_REEXPORT}")
            ready.add(name)
    for output in graph.output:
        if output.name not in ready:
            raise ToolError(f"output {output.name!r} is given by no node; {_REEXPORT}")


def _check_schema(model: ModelProto) -> None:
    """ONNX's own checks: every node has the inputs and attributes that its operator has."""
    try:
        onnx.checker.check_model(model)
    except onnx.checker.ValidationError as error:
        first = str(error).strip().splitlines()[0]
        raise ToolError(f"not a valid ONNX model: {first}") from error


def _name(node: NodeProto) -> str:
    return f"{node.op_type} {node.name!r}"


_BITS: dict[int, int] = {
    TensorProto.FLOAT: 32,
    TensorProto.UINT8: 8,
    TensorProto.INT8: 8,
    TensorProto.UINT16: 16,
    TensorProto.INT16: 16,
    TensorProto.INT32: 32,
    TensorProto.INT64: 64,
    TensorProto.BOOL: 8,
    TensorProto.FLOAT16: 16,
    TensorProto.DOUBLE: 64,
    TensorProto.UINT32: 32,
    TensorProto.UINT64: 64,
    TensorProto.BFLOAT16: 16,
}
