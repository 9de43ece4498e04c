"""A network's two files, read: the graph and its parameters."""

import json
from typing import Any

from classifier.errors import BundleError
from classifier.model.binding import Arrays
from classifier.model.lean_mxnet import mx

# Operators that are an activation and a loss. A loss needs the truth, which inference lacks.
_LOSSES = {"SoftmaxOutput": "softmax", "LogisticRegressionOutput": "sigmoid"}


def read_symbol(data: bytes, file: str) -> Any:
    """The graph in ``data``, which ends in no loss.

    Raises:
        BundleError: it is none, or has not one output. The message opens with ``file``.
    """
    try:
        symbol = mx.sym.load_json(data.decode())
    except (mx.MXNetError, UnicodeDecodeError) as error:
        raise BundleError(f"{file}: not an MXNet symbol: {first_line(error)}") from error
    if len(symbol.list_outputs()) != 1:
        raise BundleError(f"{file}: {len(symbol.list_outputs())} outputs, there should be one")
    has_loss = any(f'"{loss}"'.encode() in data for loss in _LOSSES)
    return _without_loss(symbol) if has_loss else symbol


def _without_loss(symbol: Any) -> Any:
    """``symbol`` with the activation alone in place of an activation and a loss."""
    graph = json.loads(symbol.tojson())
    for node in graph["nodes"]:
        if node["op"] in _LOSSES:
            node |= {"op": _LOSSES[node["op"]], "inputs": node["inputs"][:1], "attrs": {}}
    return mx.sym.load_json(json.dumps(graph))


def read_arrays(data: bytes, file: str) -> Arrays:
    """The parameters in ``data`` by kind ("arg" or "aux") and name.

    Raises:
        BundleError: there are none. The message opens with ``file``.
    """
    try:
        arrays = mx.nd.load_frombuffer(data)
    except mx.MXNetError as error:
        raise BundleError(f"{file}: not MXNet parameters: {first_line(error)}") from error
    if not isinstance(arrays, dict) or not all(":" in name for name in arrays):
        raise BundleError(f"{file}: its arrays have no names of the form arg:name or aux:name")
    return {tuple(name.split(":", 1)): array for name, array in arrays.items()}


def first_line(error: Exception) -> str:
    """What MXNet says before its stack trace."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    reasons = [line for line in lines if "Error in operator" in line or "Check failed" in line]
    return (reasons or lines or [type(error).__name__])[0].removeprefix("MXNetError: ")[:300]
