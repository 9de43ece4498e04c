"""The catalogue's networks as ONNX graphs, built from their state dicts alone.

Nothing here knows MXNet or the symbols of architectures/: tests compare the two, and measurements
let onnxruntime run the same network. Padding is what the publishers compute: TensorFlow's "SAME"
for EfficientNet-Lite.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from tools.model.mxnet_files import Array

_STRIDES = (1, 2, 2, 2, 1, 2, 1)
_MOBILENET = (1, 2, 3, 4, 3, 3, 1)
_LITE = {16: (1, 2, 2, 3, 3, 4, 1), 21: (1, 3, 3, 4, 4, 5, 1)}
_OPSET, _IR = 17, 8
# A convolution and its batch norm in the state dict; an inverted residual block has three.
_Layer = tuple[str, str]
_Block = tuple[_Layer | None, _Layer, _Layer]


class Graph:
    """An ONNX graph that grows by one operator at a time; ``state`` is a PyTorch state dict."""

    def __init__(self, state: Mapping[str, Array], epsilon: float, *, same: bool) -> None:
        self._state = state
        self._epsilon = epsilon
        self._same = same
        self._nodes: list[Any] = []
        self._used: dict[str, Any] = {}

    def add(self, operator: str, *inputs: str, **attributes: Any) -> str:
        """Append an operator; returns the name of its output."""
        output = f"x{len(self._nodes)}"
        self._nodes.append(helper.make_node(operator, inputs, [output], **attributes))
        self._used |= {name: self._state[name] for name in inputs if name in self._state}
        return output

    def relu6(self, x: str) -> str:
        """``x`` within 0..6."""
        self._used |= {"zero": np.float32(0), "six": np.float32(6)}
        return self.add("Clip", x, "zero", "six")

    def layer(self, x: str, conv: str, norm: str, stride: int = 1, *, groups: int = 1) -> str:
        """A convolution and its batch norm."""
        kernel = self._state[f"{conv}.weight"].shape[2]
        padding: dict[str, Any] = {"pads": [kernel // 2] * 4}
        if self._same:
            padding = {"auto_pad": "SAME_UPPER"}
        x = self.add(
            "Conv",
            x,
            f"{conv}.weight",
            kernel_shape=[kernel, kernel],
            strides=[stride, stride],
            group=groups,
            **padding,
        )
        members = "weight", "bias", "running_mean", "running_var"
        names = [f"{norm}.{member}" for member in members]
        return self.add("BatchNormalization", x, *names, epsilon=self._epsilon)

    def channels(self, conv: str) -> int:
        """The output channels of a convolution."""
        return len(self._state[f"{conv}.weight"])

    def inputs(self, conv: str) -> int:
        """The input channels of a convolution."""
        return int(self._state[f"{conv}.weight"].shape[1])

    def has(self, conv: str) -> bool:
        return f"{conv}.weight" in self._state

    def finish(self, x: str, last: str, size: int) -> bytes:
        """The model: global average, last layer, softmax."""
        x = self.add("Flatten", self.add("GlobalAveragePool", x))
        x = self.add("Gemm", x, f"{last}.weight", f"{last}.bias", transB=1)
        output = self.add("Softmax", x, axis=1)
        shape: list[str | int | None] = ["n", 3, size, size]
        classes = len(self._state[f"{last}.bias"])
        graph = helper.make_graph(
            self._nodes,
            "network",
            [helper.make_tensor_value_info("data", TensorProto.FLOAT, shape)],
            [helper.make_tensor_value_info(output, TensorProto.FLOAT, ["n", classes])],
            [
                numpy_helper.from_array(np.asarray(value), name)
                for name, value in self._used.items()
            ],
        )
        opset = [helper.make_opsetid("", _OPSET)]
        model = helper.make_model(graph, opset_imports=opset, ir_version=_IR)
        onnx.checker.check_model(model)
        serialized: bytes = model.SerializeToString()
        return serialized


def onnx_model(state: Mapping[str, Array], size: int) -> bytes:
    """The ONNX model of a state dict of a ResNet, MobileNetV2 or EfficientNet-Lite.

    size: width and height of its input, pixels. It takes any number of images,
    ``data``, and gives their probabilities.
    """
    if "_conv_stem.weight" in state:
        return _lite(state, size)
    if "features.18.0.weight" in state:
        return _mobilenet(state, size)
    return _resnet(state, size)


def _resnet(state: Mapping[str, Array], size: int) -> bytes:
    graph = Graph(state, 1e-5, same=False)
    x = graph.add("Relu", graph.layer("data", "conv1", "bn1", 2))
    x = graph.add("MaxPool", x, kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1])
    for stage in range(1, 5):
        index = 0
        while graph.has(f"layer{stage}.{index}.conv1"):
            name = f"layer{stage}.{index}"
            stride = 2 if stage > 1 and index == 0 else 1
            # The stride sits in the first 3 x 3 convolution.
            strides = (1, stride, 1) if graph.has(f"{name}.conv3") else (stride, 1)
            y = x
            for number, each in enumerate(strides, 1):
                y = graph.layer(y, f"{name}.conv{number}", f"{name}.bn{number}", each)
                if number < len(strides):
                    y = graph.add("Relu", y)
            if graph.has(f"{name}.downsample.0"):
                x = graph.layer(x, f"{name}.downsample.0", f"{name}.downsample.1", stride)
            x = graph.add("Relu", graph.add("Add", y, x))
            index += 1
    return graph.finish(x, "fc", size)


def _lite(state: Mapping[str, Array], size: int) -> bytes:
    graph = Graph(state, 1e-3, same=True)
    count = len({name.split(".")[1] for name in state if name.startswith("_blocks.")})
    x = graph.relu6(graph.layer("data", "_conv_stem", "_bn0", 2))
    for number, stride in enumerate(_strides(_LITE[count])):
        name = f"_blocks.{number}"
        expand = (f"{name}._expand_conv", f"{name}._bn0") if number else None
        depthwise = f"{name}._depthwise_conv", f"{name}._bn1"
        project = f"{name}._project_conv", f"{name}._bn2"
        x = _block(graph, x, (expand, depthwise, project), stride)
    x = graph.relu6(graph.layer(x, "_conv_head", "_bn1"))
    return graph.finish(x, "_fc", size)


def _mobilenet(state: Mapping[str, Array], size: int) -> bytes:
    graph = Graph(state, 1e-5, same=False)
    x = graph.relu6(graph.layer("data", "features.0.0", "features.0.1", 2))
    for number, stride in enumerate(_strides(_MOBILENET), 1):
        name = f"features.{number}.conv"
        at = 0 if number == 1 else 1
        expand = (f"{name}.0.0", f"{name}.0.1") if at else None
        depthwise = f"{name}.{at}.0", f"{name}.{at}.1"
        project = f"{name}.{at + 1}", f"{name}.{at + 2}"
        x = _block(graph, x, (expand, depthwise, project), stride)
    x = graph.relu6(graph.layer(x, "features.18.0", "features.18.1"))
    return graph.finish(x, "classifier.1", size)


def _block(graph: Graph, x: str, block: _Block, stride: int) -> str:
    """An inverted residual block: expand, filter each channel, project, and add the input."""
    expand, depthwise, project = block
    y = graph.relu6(graph.layer(x, *expand)) if expand else x
    groups = graph.channels(depthwise[0])
    y = graph.relu6(graph.layer(y, *depthwise, stride, groups=groups))
    y = graph.layer(y, *project)
    inputs = graph.inputs(expand[0]) if expand else groups
    return graph.add("Add", y, x) if stride == 1 and inputs == graph.channels(project[0]) else y


def _strides(depths: tuple[int, ...]) -> list[int]:
    return [
        stride if index == 0 else 1
        for depth, stride in zip(depths, _STRIDES, strict=True)
        for index in range(depth)
    ]
