"""The base of a network for own classes: a bundle's network without its last layer."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from classifier.image.tensor import Tensor
from classifier.model.binding import Batch, Input, bind, convert
from classifier.model.bundle import Bundle
from classifier.model.files import read_arrays, read_symbol
from classifier.model.lean_mxnet import mx
from tools.errors import ToolError
from tools.model.mxnet_files import Array, save_arrays
from tools.model.new_bundle import NewBundle

# (n, length) float32: the last layer's input.
type Embeddings = npt.NDArray[np.float32]

# What the last layer may stand on: the average of the last feature map, which is the embedding; or
# the averages of its four corners, overlapping, which tell where in the image something is.
AVERAGE = "average"
CORNERS = "corners"
_FLATTEN_CORNERS = "flatten_corners"


class Base:
    """The network of ``bundle`` up to its embedding, and a last layer of one's own on top of it.

    has_corners: False leaves the corners out, which are four times as long as the average.

    Attributes:
        length: Of an embedding.
        lengths: Of what the last layer may stand on, by name; corners only where there is a
            feature map.

    Raises ToolError: its manifest names no embedding, or it is int8. BundleError: it is broken.
    """

    def __init__(self, bundle: Bundle, *, has_corners: bool = True) -> None:
        manifest = bundle.manifest
        if not manifest.output.embedding:
            raise ToolError(
                f"{manifest.name}: its manifest names no embedding; take a network of the catalogue"
            )
        if manifest.precision != "float32":
            raise ToolError(f"{manifest.name}: is {manifest.precision}; take the float32 bundle")
        self._manifest = manifest
        symbol = read_symbol(bundle.symbol, manifest.files["symbol"].key)
        internals = symbol.get_internals()
        self._symbols = {AVERAGE: internals[manifest.output.embedding]}
        key = manifest.files["params"].key
        self._arrays = convert(symbol, read_arrays(bundle.params, key), manifest.input.name)
        self._bound: dict[int, Any] = {}
        size = manifest.input.size
        shape = {manifest.input.name: (1, 3, size, size)}
        if manifest.output.features and has_corners:
            features = internals[manifest.output.features]
            side = features.infer_shape(**shape)[1][0][2]
            if side > 1:
                self._symbols[CORNERS] = _corners(features, side)
        self._all = mx.sym.Group(list(self._symbols.values()))
        _, shapes, _ = self._all.infer_shape(**shape)
        self.lengths = {
            name: int(shape[1]) for name, shape in zip(self._symbols, shapes, strict=True)
        }
        self.length = self.lengths[AVERAGE]

    def embed(self, tensors: Sequence[Tensor]) -> Embeddings:
        """The embeddings of ``tensors``, (3, size, size) float32 each.

        A Module is bound for each number of tensors that comes: use few different ones.
        """
        return self.embed_all(tensors)[AVERAGE]

    def embed_all(self, tensors: Sequence[Tensor]) -> dict[str, Embeddings]:
        """The embeddings of ``tensors`` of every kind, by name."""
        count = len(tensors)
        if count not in self._bound:
            name, size = self._manifest.input.name, self._manifest.input.size
            self._bound[count] = bind(self._all, self._arrays, name, (count, 3, size, size))
        module = self._bound[count]
        module.forward(Batch((Input(np.stack(tensors)),)), is_train=False)
        outputs = [output.asnumpy() for output in module.get_outputs()]
        return dict(zip(self._symbols, outputs, strict=True))

    def with_last_layer(
        self, weight: Array, bias: Array, kind: str = AVERAGE, **members: Any
    ) -> NewBundle:
        """The bundle of the base with the last layer ``embedding @ weight.T + bias``.

        weight: (classes, length) float32. bias: (classes,) float32. members: of NewBundle: name,
        labels, source, and more. kind: of the embedding. A bundle on corners names no features: its
        last layer has no one weight a channel, so there is no class activation map.
        """
        classes = len(weight)
        symbol = mx.sym.FullyConnected(self._symbols[kind], num_hidden=classes, name="dense0")
        names = {*symbol.list_arguments(), *symbol.list_auxiliary_states()}
        arrays = {
            f"{group}:{name}": array
            for (group, name), array in self._arrays.items()
            if name in names
        }
        arrays |= {"arg:dense0_weight": mx.nd.array(weight), "arg:dense0_bias": mx.nd.array(bias)}
        output = self._manifest.output
        base = {
            "preprocessing": self._manifest.input,
            "probabilities": False,
            "symbol": symbol.tojson().encode(),
            "params": save_arrays(arrays),
            "licence": self._manifest.licence,
            "embedding": output.embedding if kind == AVERAGE else f"{_FLATTEN_CORNERS}_output",
            "features": output.features if kind == AVERAGE else "",
        }
        return NewBundle(**(base | members))


def _corners(features: Any, side: int) -> Any:
    """The averages of the four corners of a feature map, (n, channels, side, side), flat."""
    kernel = (side + 1) // 2
    stride = side - kernel
    pooled = mx.sym.Pooling(
        features,
        kernel=(kernel, kernel),
        stride=(stride, stride),
        pool_type="avg",
        name="pool_corners",
    )
    return mx.sym.Flatten(pooled, name=_FLATTEN_CORNERS)
