"""Small ONNX models, made operator by operator, and what both engines answer for them."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import onnx
from onnx import ModelProto, NodeProto, TensorProto, helper, numpy_helper

from classifier.model.binding import Batch, Input, bind
from classifier.model.lean_mxnet import mx
from tools.model.onnx.convert import INPUT, Network, convert
from tools.model.onnx.fusion import fuse
from tools.model.onnx.graph import Graph
from tools.model.onnx.image_input import ImageInput, fix_input
from tools.model.onnx.runtime import Session
from tools.model.onnx.simplify import simplify
from tools.model.onnx.widths import widen

Array = np.ndarray
SIZE = 8


def node(operator: str, *inputs: str, to: str = "y", **attributes: Any) -> NodeProto:
    """A node that gives ``to``; several names are separated by spaces."""
    return helper.make_node(operator, inputs, to.split(), name=f"{operator}/{to}", **attributes)


def model(
    *nodes: NodeProto,
    constants: Mapping[str, Array] | None = None,
    shape: Sequence[int | str] = (1, 3, SIZE, SIZE),
    opset: int = 17,
    flatten: bool = True,
) -> ModelProto:
    """A model from "x", of ``shape``, to "y"; flattened to (images, numbers) at the end."""
    graph = helper.make_graph(
        [*nodes, *([node("Flatten", "y", to="classes")] if flatten else [])],
        "graph",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, list(shape))],
        [
            helper.make_tensor_value_info(
                "classes" if flatten else "y", TensorProto.FLOAT, ["n", "k"]
            )
        ],
        [numpy_helper.from_array(array, name) for name, array in (constants or {}).items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)


def numbers(*shape: int, seed: int = 0) -> Array:
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def imported(exported: ModelProto) -> tuple[ImageInput, Graph, Network]:
    """What becomes of ``exported``, whose input is given a fixed shape."""
    image = fix_input(exported, SIZE)
    graph = widen(fuse(simplify(exported)))
    return image, graph, convert(graph, channels_last=image.channels_last)


def mxnet_outputs(network: Network, images: Array) -> Array:
    arrays = {key: mx.nd.array(array) for key, array in network.parameters.items()}
    module = bind(network.symbol, arrays, INPUT, images.shape)
    module.forward(Batch((Input(images),)), is_train=False)
    outputs: Array = module.get_outputs()[0].asnumpy()
    return outputs


def compare(exported: ModelProto, *, atol: float = 1e-5) -> tuple[Graph, Network]:
    """Hold both engines together: one image, and more at once than were exported.

    Returns what became of ``exported``.
    """
    image, graph, network = imported(exported)
    images = numbers(3 * image.batch, 3, image.size, image.size, seed=1)
    groups = np.split(images, 3)
    session = Session(exported)
    theirs = np.concatenate([session.run(image.arranged(each))[0] for each in groups])
    theirs = theirs.reshape(len(images), -1)
    ours = np.concatenate([mxnet_outputs(network, each) for each in groups])
    np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=atol)
    np.testing.assert_allclose(mxnet_outputs(network, images), theirs, rtol=1e-4, atol=atol)
    assert np.ptp(theirs) > 0 or theirs.size == len(images)
    return graph, network


def operators(graph: Graph) -> list[str]:
    return [each.operator for each in graph.nodes]


def saved(exported: ModelProto, path: Any) -> Any:
    onnx.save_model(exported, path)
    return path
