"""Grouped convolutions, which MXNet 1.9.1 quantizes wrongly."""

import json
from typing import Any


def grouped_convolutions(symbol: Any) -> list[str]:
    """The names of the grouped convolutions of ``symbol`` once MXNet has fused it for int8.

    MXNet scales their weights with the scales of other channels: the int8 output of a convolution
    of four groups correlates by 0.99 with the float32 one, and without groups by 0.9999; ResNeXt-50
    gives other classes. Depthwise convolutions are right. Leave these in float32.
    """
    fused = json.loads(symbol.get_backend_symbol("MKLDNN_QUANTIZE").tojson())
    return [node["name"] for node in fused["nodes"] if _is_grouped(node)]


def _is_grouped(node: dict[str, Any]) -> bool:
    inner = [each for graph in node.get("subgraphs", ()) for each in graph["nodes"]]
    attributes = (each.get("attrs", {}) for each in (node, *inner) if each["op"] == "Convolution")
    return any(1 < int(each.get("num_group", 1)) < int(each["num_filter"]) for each in attributes)
