"""MXNet's two files, read and written: a symbol's JSON and a parameter file."""

import json
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from classifier.model.lean_mxnet import mx
from tools.errors import ToolError

Array = npt.NDArray[np.float32]
SOFTMAX = frozenset({"SoftmaxOutput", "Softmax", "softmax", "SoftmaxActivation"})
SIGMOID = frozenset({"LogisticRegressionOutput", "sigmoid"})


def last_activation(symbol: bytes) -> str:
    """What the last operator of the graph in ``symbol`` is: "softmax", "sigmoid", else empty.

    Empty where it is no graph at all: loading it says so.
    """
    try:
        graph = json.loads(symbol)
        last = graph["nodes"][graph["heads"][0][0]]
        if last["op"] in SOFTMAX:
            return "softmax"
        is_sigmoid = last["op"] in SIGMOID or (
            last["op"] == "Activation" and attributes(last)["act_type"] == "sigmoid"
        )
    except (ValueError, LookupError, TypeError):
        return ""
    return "sigmoid" if is_sigmoid else ""


def attributes(node: Mapping[str, Any]) -> Mapping[str, str]:
    """The attributes of a graph's node, as today's MXNet writes them, or older ones."""
    result: Mapping[str, str] = node.get("attrs") or node.get("attr") or node.get("param") or {}
    return result


def input_name(symbol: bytes, params: bytes, where: str) -> str:
    """The graph's input: "data", or else the one argument that ``params`` has no value for.

    Raises ToolError, which opens with ``where``: the network does not take one image and
    nothing else.
    """
    try:
        arguments = mx.sym.load_json(symbol.decode()).list_arguments()
        named = mx.nd.load_frombuffer(params)
    except (mx.MXNetError, UnicodeDecodeError):
        return "data"  # loading the model says which of the two is broken
    if not isinstance(named, dict) or "data" in arguments:
        return "data"
    inputs = [a for a in arguments if f"arg:{a}" not in named and not a.endswith("_label")]
    if len(inputs) != 1:
        names = ", ".join(inputs) or "none"
        raise ToolError(f"{where}: the network should have one input, the image; it has {names}")
    return str(inputs[0])


def params_file(arguments: Mapping[str, Array], auxiliary: Mapping[str, Array]) -> bytes:
    """The parameter file, MXNet's format, that holds these float32 arrays by their names."""
    arrays = {f"arg:{name}": mx.nd.array(array) for name, array in arguments.items()}
    arrays |= {f"aux:{name}": mx.nd.array(array) for name, array in auxiliary.items()}
    return save_arrays(arrays)


def save_arrays(arrays: Mapping[str, object]) -> bytes:
    """MXNet's parameter file of the named ``mx.nd.NDArray`` in ``arrays``."""
    with tempfile.TemporaryDirectory() as folder:  # MXNet writes to a disk only
        path = Path(folder, "params")
        mx.nd.save(str(path), dict(arrays))
        return path.read_bytes()


def half_precision(arrays: Mapping[str, Any]) -> dict[str, Any]:
    """``arrays``, NDArrays by name, with the float32 weights among them as float16.

    Vectors stay as they are: biases, statistics of batch norms and ranges are few, and matter more.
    So does a weight beyond float16's largest number, 65,504.
    """
    largest = float(np.finfo(np.float16).max)
    return {
        name: array.astype(np.float16)
        if array.dtype == np.float32
        and array.ndim > 1
        and float(array.abs().max().asscalar()) < largest
        else array
        for name, array in arrays.items()
    }


def read_arrays(params: bytes) -> dict[str, Array]:
    """The named arrays in MXNet's parameter file ``params``. Raises ToolError: it is none."""
    try:
        arrays = mx.nd.load_frombuffer(params)
    except mx.MXNetError as error:
        raise ToolError("not MXNet parameters") from error
    if not isinstance(arrays, dict):
        raise ToolError("its arrays have no names")
    return {name: array.asnumpy() for name, array in arrays.items()}
