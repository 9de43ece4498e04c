"""Finds the layers before a network's last one: what embeddings and maps are made of."""

import dataclasses
import json
from dataclasses import dataclass
from typing import Any

import numpy as np

from classifier.errors import BundleError
from classifier.model.layers import Sizes
from classifier.model.lean_mxnet import mx
from classifier.model.network import Model
from tools.model.mxnet_files import SIGMOID, SOFTMAX, attributes
from tools.model.new_bundle import NewBundle

# These change no number, or only scale all of an image's by one.
_TRANSPARENT = frozenset({
    *("Flatten", "Reshape", "reshape", "squeeze", "expand_dims", "Dropout", "_copy", "identity"),
    *("_contrib_quantize_v2", "_contrib_dequantize", "_contrib_requantize"),
})  # fmt: skip
_ACTIVATIONS = SOFTMAX | SIGMOID | {"log_softmax"}
_LINEAR = frozenset({"FullyConnected", "_sg_mkldnn_fully_connected", "Convolution"})
# Of the largest number: float32 by another way.
_TOLERANCE = 1e-3
_SEED = 3


@dataclass(frozen=True)
class Layers:
    """Outputs of a symbol, by their names; empty: there is none.

    embedding: the last layer's input. features: the map that it is the average of.
    """

    embedding: str = ""
    features: str = ""


def find_layers(symbol: bytes) -> Layers:
    """The layers of the graph ``symbol``, float32 or int8, as its operators tell."""
    graph = _Graph(symbol)
    last = graph.behind(graph.head, _TRANSPARENT | _ACTIVATIONS)
    if graph.operator(last) not in _LINEAR:
        return Layers()
    embedding = graph.behind(graph.input(last), _TRANSPARENT - {"Flatten", "Reshape", "reshape"})
    average = graph.behind(embedding, _TRANSPARENT)
    if not graph.is_average(average):
        return Layers(graph.output(embedding))
    return Layers(graph.output(embedding), graph.output(graph.input(average)))


def with_layers(bundle: NewBundle) -> NewBundle:
    """``bundle`` with those of its layers that are there: its network is run to make sure.

    Raises BundleError, ToolError: as ``NewBundle.check`` does.
    """
    bundle = dataclasses.replace(bundle, embedding="", features="")
    bundle.check()
    layers = find_layers(bundle.symbol)
    for embedding, features in ((layers.embedding, layers.features), (layers.embedding, "")):
        candidate = dataclasses.replace(bundle, embedding=embedding, features=features)
        if embedding and _is_right(candidate):
            return candidate
    return bundle


def describe_layers(sizes: Sizes) -> dict[str, str]:
    """What a network with ``sizes`` has, or why it has nothing, in words."""
    embedding = f"{sizes.embedding:,} numbers" if sizes.embedding else ""
    maps = "{} x {}".format(*sizes.map) if sizes.map else ""
    return {
        "embedding": embedding or "none: its last layer is no linear one, or nobody looked for it",
        "maps": maps or "none: its last layer is no linear one on the average of a feature map",
    }


def _is_right(bundle: NewBundle) -> bool:
    """Whether the last layer of ``bundle`` stands on its embedding, and that on its features."""
    try:
        model = bundle.model()
    except BundleError:
        return False
    if not bundle.features:
        return model.sizes.embedding > 1
    if model.sizes.map is None or max(model.sizes.map) == 1:
        return False
    size = model.manifest.input.size
    tensors = np.random.default_rng(_SEED).standard_normal((2, 3, size, size), np.float32)
    outputs = model.classify_with_layers(list(tensors))
    assert outputs.embeddings is not None
    assert outputs.features is not None
    means = outputs.features.mean(axis=(2, 3))
    return (
        means.shape == outputs.embeddings.shape
        and _is_close(means, outputs.embeddings)
        and _explains(model, outputs.embeddings, outputs.probabilities)
    )


def _explains(model: Model, embeddings: Any, probabilities: Any) -> bool:
    """Whether the last layer's weights and the embeddings give the probabilities of two images.

    Biases are the same for both images, and what softmax adds is the same for all classes.
    """
    try:
        evidence = embeddings @ model.last_weights.T
    except BundleError:
        return False
    certain = probabilities.astype(np.float64)
    is_usable = ((certain > 1e-20) & (certain < 1 - 1e-6)).all(axis=0)
    certain = certain[:, is_usable]
    ours = (evidence[0] - evidence[1])[is_usable]
    logarithms = np.log(certain)
    softmax = logarithms[0] - logarithms[1]
    sigmoid = np.subtract(*(logarithms - np.log1p(-certain)))
    return bool(len(ours)) and (
        _is_close(ours - ours.mean(), softmax - softmax.mean()) or _is_close(ours, sigmoid)
    )


def _is_close(ours: Any, theirs: Any) -> bool:
    largest = max(float(np.abs(theirs).max()), 1e-6)
    return bool(np.abs(ours - theirs).max() <= _TOLERANCE * largest)


class _Graph:
    """A symbol's graph, walked from its head towards its input. A place is (node, output)."""

    def __init__(self, symbol: bytes) -> None:
        graph = json.loads(symbol)
        self._nodes: list[dict[str, Any]] = graph["nodes"]
        self._outputs = set(mx.sym.load_json(symbol.decode()).get_internals().list_outputs())
        self.head = (int(graph["heads"][0][0]), int(graph["heads"][0][1]))

    def operator(self, place: tuple[int, int]) -> str:
        """The operator at ``place``; of an Activation, which one it is."""
        node = self._nodes[place[0]]
        return str(attributes(node)["act_type"] if node["op"] == "Activation" else node["op"])

    def input(self, place: tuple[int, int]) -> tuple[int, int]:
        """The first input of the operator at ``place``."""
        node, output, *_ = self._nodes[place[0]]["inputs"][0]
        return int(node), int(output)

    def behind(self, place: tuple[int, int], operators: frozenset[str]) -> tuple[int, int]:
        """The first place on the way to the input whose operator is none of ``operators``."""
        while self.operator(place) in operators:
            place = self.input(place)
        return place

    def is_average(self, place: tuple[int, int]) -> bool:
        """Whether it is an average over rows and columns; of which size, a run tells."""
        node = self._nodes[place[0]]
        values = attributes(node)
        if node["op"] == "Pooling":
            return values.get("pool_type") == "avg"
        return node["op"] == "mean" and values.get("axis") in {"(2, 3)", "(2,3)", "[2, 3]"}

    def output(self, place: tuple[int, int]) -> str:
        """The name of the output at ``place``; empty where it has none."""
        name = self._nodes[place[0]]["name"]
        names = (f"{name}_output", f"{name}_output{place[1]}", name)
        return next((each for each in names if each in self._outputs), "")
