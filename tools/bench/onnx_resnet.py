"""The synthetic ResNet-18 as an ONNX file for the peers: same network, same weights.

It is built operator by operator from the architecture, not with MXNet's exporter.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import onnx
from onnx import TensorProto, helper, numpy_helper


def write(weights: Mapping[str, Any], path: Path) -> None:
    """Write the network with ``weights``, arrays by name, to ``path``; its output is logits."""
    graph = _Graph(weights)
    x = graph.add("Relu", graph.norm("data", "", 0, kernel=7, stride=2))
    x = graph.add("MaxPool", x, kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1])
    for stage in range(1, 5):
        stride = 1 if stage == 1 else 2
        x = graph.block(x, f"stage{stage}_", 0, stride)
        x = graph.block(x, f"stage{stage}_", 2 if stage == 1 else 3, 1)
    x = graph.add("Flatten", graph.add("GlobalAveragePool", x))
    graph.add("Gemm", x, "dense0_weight", "dense0_bias", transB=1)
    graph.write(path)


class _Graph:
    def __init__(self, weights: Mapping[str, Any]) -> None:
        self._weights = weights
        self._used: dict[str, Any] = {}
        self._nodes: list[Any] = []

    def add(self, operator: str, *inputs: str, **attributes: Any) -> str:
        output = f"t{len(self._nodes)}"
        self._nodes.append(helper.make_node(operator, list(inputs), [output], **attributes))
        self._used |= {name: self._weights[name] for name in inputs if name in self._weights}
        return output

    def norm(self, x: str, place: str, number: int, *, kernel: int, stride: int) -> str:
        pads, shape, strides = [kernel // 2] * 4, [kernel] * 2, [stride] * 2
        weight = f"{place}conv{number}_weight"
        x = self.add("Conv", x, weight, kernel_shape=shape, strides=strides, pads=pads)
        names = ("gamma", "beta", "running_mean", "running_var")
        norm = [f"{place}batchnorm{number}_{name}" for name in names]
        return self.add("BatchNormalization", x, *norm, epsilon=1e-5)

    def block(self, x: str, place: str, first: int, stride: int) -> str:
        y = self.add("Relu", self.norm(x, place, first, kernel=3, stride=stride))
        y = self.norm(y, place, first + 1, kernel=3, stride=1)
        if stride == 2:
            x = self.norm(x, place, first + 2, kernel=1, stride=stride)
        return self.add("Relu", self.add("Add", x, y))

    def write(self, path: Path) -> None:
        output = self._nodes[-1].output[0]
        image = helper.make_tensor_value_info("data", TensorProto.FLOAT, ["n", 3, 224, 224])
        logits = helper.make_tensor_value_info(output, TensorProto.FLOAT, ["n", 1000])
        weights = [numpy_helper.from_array(value, name) for name, value in self._used.items()]
        graph = helper.make_graph(self._nodes, "resnet-18", [image], [logits], weights)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
        onnx.checker.check_model(model)
        onnx.save(model, str(path))
