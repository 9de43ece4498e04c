"""Where two engines part: the outputs of every layer, compared in order."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import numpy.typing as npt
import onnx

from classifier.image.tensor import Tensor
from classifier.model.binding import Batch, Input, bind
from classifier.model.lean_mxnet import mx
from tools.model.onnx.convert import INPUT, Network
from tools.model.onnx.graph import Graph
from tools.model.onnx.image_input import ImageInput
from tools.model.onnx.runtime import Session

# Of the largest number of a layer's output. Two engines that add up in another order differ by
# 1e-6 to 1e-5 of it.
_TOLERANCE = 1e-3


def first_difference(graph: Graph, network: Network, image: ImageInput, images: Tensor) -> str:
    """The first layer whose outputs differ, in words. images: (image.batch, 3, size, size)."""
    # What fusion made has no value of its own in ONNX.
    comparable = {name for node in graph.model.graph.node for name in node.output if name}
    nodes = [(node, name) for node in graph.nodes for name in node.outputs if name in comparable]
    names = [name for _, name in nodes if name in network.values]
    theirs = dict(zip(names, _their_outputs(graph, names, image.arranged(images)), strict=True))
    ours = dict(zip(names, _our_outputs(network, names, images), strict=True))
    for node, name in nodes:
        if name not in theirs:
            continue
        expected, actual = theirs[name], ours[name]
        # Without the channels of zeros that ``widths`` adds.
        actual = actual[tuple(slice(size) for size in expected.shape)]
        difference = _relative(expected, actual)
        if not difference <= _TOLERANCE:
            return (
                f"the first layer that differs is {node}, by {difference:.2g} of its largest output"
            )
    return "no single layer stands out: small differences add up, or arise where MXNet fuses layers"


@contextmanager
def _nothing_fused() -> Iterator[None]:
    """MXNet binds layer by layer: what is fused has no outputs of its own inside."""
    name = "MXNET_SUBGRAPH_BACKEND"
    before = os.environ.get(name)
    os.environ[name] = "NONE"
    try:
        yield
    finally:
        del os.environ[name]
        if before is not None:
            os.environ[name] = before


def _relative(expected: npt.NDArray[np.float32], actual: npt.NDArray[np.float32]) -> float:
    scale = float(np.abs(expected).max()) or 1.0
    return float(np.abs(expected - actual).max()) / scale


def _their_outputs(graph: Graph, names: list[str], images: Tensor) -> list[npt.NDArray[np.float32]]:
    model = onnx.ModelProto()
    model.CopyFrom(graph.model)
    del model.graph.output[:]
    for name in names:
        model.graph.output.append(onnx.helper.make_empty_tensor_value_info(name))
    return Session(model).run(images, names)


def _our_outputs(
    network: Network, names: list[str], images: Tensor
) -> list[npt.NDArray[np.float32]]:
    values = [network.values[name] for name in names]
    arrays = {key: mx.nd.array(array) for key, array in network.parameters.items()}
    group = mx.sym.Group([value.symbol for value in values])
    with _nothing_fused():
        module = bind(group, arrays, INPUT, images.shape)
    module.forward(Batch((Input(images),)), is_train=False)
    outputs = module.get_outputs()
    return [
        output.asnumpy().transpose(np.argsort(value.order))
        for output, value in zip(outputs, values, strict=True)
    ]
