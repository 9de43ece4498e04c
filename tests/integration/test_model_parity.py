"""ResNet-18 against an independent engine: ONNX Runtime, on the same weights.

The ONNX graph is built here, operator by operator from the architecture's definition, so that
nothing of MXNet's has a hand in it but the weights.
"""

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from classifier.model.bundle import Folder, read_bundle
from classifier.model.lean_mxnet import mx
from classifier.model.network import Model
from tools.model.synthetic import synthetic


class Graph:
    """An ONNX graph that grows by one operator at a time."""

    def __init__(self, weights):
        self._weights = weights
        self._nodes = []
        self._used = {}

    def add(self, op, *inputs, **attributes):
        output = f"x{len(self._nodes)}"
        self._nodes.append(helper.make_node(op, inputs, [output], **attributes))
        self._used |= {name: self._weights[name] for name in inputs if name in self._weights}
        return output

    def normed(self, x, place, number, *, kernel, stride):
        x = self.add(
            "Conv",
            x,
            f"arg:{place}conv{number}_weight",
            kernel_shape=[kernel, kernel],
            strides=[stride, stride],
            pads=[kernel // 2] * 4,
        )
        norm = f"{place}batchnorm{number}"
        members = "arg:{}_gamma", "arg:{}_beta", "aux:{}_running_mean", "aux:{}_running_var"
        names = [member.format(norm) for member in members]
        return self.add("BatchNormalization", x, *names, epsilon=1e-5)

    def block(self, x, place, number, *, stride):
        y = self.add("Relu", self.normed(x, place, number, kernel=3, stride=stride))
        y = self.normed(y, place, number + 1, kernel=3, stride=1)
        if stride != 1:
            x = self.normed(x, place, number + 2, kernel=1, stride=stride)
        return self.add("Relu", self.add("Add", y, x))

    def session(self, output):
        graph = helper.make_graph(
            self._nodes,
            "resnet18",
            [helper.make_tensor_value_info("data", TensorProto.FLOAT, ["n", 3, 224, 224])],
            [helper.make_tensor_value_info(output, TensorProto.FLOAT, ["n", 1000])],
            [numpy_helper.from_array(value, name) for name, value in self._used.items()],
        )
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
        onnx.checker.check_model(model)
        assert len(self._used) == len(self._weights)
        return onnxruntime.InferenceSession(
            model.SerializeToString(), providers=["CPUExecutionProvider"]
        )


def resnet18(weights):
    """The session of ResNet-18 (He et al. 2015, table 1) with softmax."""
    graph = Graph(weights)
    x = graph.add("Relu", graph.normed("data", "", 0, kernel=7, stride=2))
    x = graph.add("MaxPool", x, kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1])
    for stage in range(1, 5):
        stride = 1 if stage == 1 else 2
        x = graph.block(x, f"stage{stage}_", 0, stride=stride)
        x = graph.block(x, f"stage{stage}_", 2 if stage == 1 else 3, stride=1)
    x = graph.add("Flatten", graph.add("GlobalAveragePool", x))
    x = graph.add("Gemm", x, "arg:dense0_weight", "arg:dense0_bias", transB=1)
    return graph.session(graph.add("Softmax", x, axis=1))


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("synthetic") / "bundle"
    synthetic(seed=7).write(folder)
    return folder


def test_the_synthetic_resnet_18_answers_as_onnx_runtime_does(folder):
    model = Model.load(read_bundle(Folder(folder)))
    params = mx.nd.load(str(next(folder.glob("*.params"))))
    session = resnet18({name: array.asnumpy() for name, array in params.items()})
    images = np.random.default_rng(1).normal(size=(3, 3, 224, 224)).astype(np.float32)

    ours = np.concatenate([model.classify(image[None]) for image in images])
    (theirs,) = session.run(None, {"data": images})

    np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-5)
    np.testing.assert_allclose(model.classify(images), theirs, rtol=0, atol=1e-5)
    # Not the trivial kind of agreement: the answers are neither flat nor certain.
    assert 0.01 < theirs.max(axis=1).min() < theirs.max(axis=1).max() < 0.99


def test_the_same_seed_gives_the_same_bytes(folder, tmp_path):
    synthetic(seed=7).write(tmp_path / "again")
    synthetic(seed=8).write(tmp_path / "other")
    again, other = (
        {file.name: file.read_bytes() for file in (tmp_path / name).iterdir()}
        for name in ("again", "other")
    )
    assert again == {file.name: file.read_bytes() for file in folder.iterdir()}
    assert again["manifest.json"] != other["manifest.json"]
    assert again["resnet-18-synthetic-0000.params"] != other["resnet-18-synthetic-0000.params"]
