"""The weights of a network's last layer, read from its graph."""

import json
from typing import Any

import numpy as np
import numpy.typing as npt

from classifier.model.binding import Arrays

# (classes, channels) float32.
type Weights = npt.NDArray[np.float32]

# A convolution of one pixel, behind the global average, is such a layer too.
_OPERATORS = ("FullyConnected", "_sg_mkldnn_fully_connected", "Convolution")
_INT8 = 127


def last_weights(symbol: Any, arrays: Arrays) -> Weights | None:
    """The weights of the last layer of ``symbol``; None where no layer has any.

    Int8 weights become float32: their parameters hold the range that 127 stands for.
    """
    nodes = json.loads(symbol.tojson())["nodes"]
    last = next((node for node in reversed(nodes) if node["op"] in _OPERATORS), None)
    if last is None:
        return None
    name = nodes[last["inputs"][1][0]]["name"]
    weights = arrays["arg", name].asnumpy()
    scale = 1.0
    if weights.dtype == np.int8:
        ends = (arrays["arg", f"{name}_{end}"].asnumpy() for end in ("min", "max"))
        scale = max(float(np.abs(end).max()) for end in ends) / _INT8
    rows: Weights = weights.reshape(len(weights), -1).astype(np.float32) * np.float32(scale)
    return rows
