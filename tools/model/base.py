"""The base of a network for own classes: a bundle's network without its last layer."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from classifier.image.tensor import Tensor
from classifier.model.binding import Batch, Input, bind
from classifier.model.bundle import Bundle
from classifier.model.lean_mxnet import mx
from tools.errors import ToolError
from tools.model.mxnet_files import Array, save_arrays
from tools.model.new_bundle import NewBundle

# (n, length) float32: the last layer's input.
type Embeddings = npt.NDArray[np.float32]


class Base:
    """The network of ``bundle`` up to its embedding, and a last layer of one's own on top of it.

    Attributes:
        length: Of an embedding.

    Raises ToolError: its manifest names no embedding, or it is int8.
    """

    def __init__(self, bundle: Bundle) -> None:
        manifest = bundle.manifest
        if not manifest.output.embedding:
            raise ToolError(
                f"{manifest.name}: its manifest names no embedding; take a network of the catalogue"
            )
        if manifest.precision != "float32":
            raise ToolError(f"{manifest.name}: is {manifest.precision}; take the float32 bundle")
        self._manifest = manifest
        symbol = mx.sym.load_json(bundle.symbol.decode())
        self._symbol = symbol.get_internals()[manifest.output.embedding]
        self._named = mx.nd.load_frombuffer(bundle.params)
        self._bound: dict[int, Any] = {}
        size = manifest.input.size
        _, shapes, _ = self._symbol.infer_shape(**{manifest.input.name: (1, 3, size, size)})
        self.length = int(shapes[0][1])

    def embed(self, tensors: Sequence[Tensor]) -> Embeddings:
        """The embeddings of ``tensors``, (3, size, size) float32 each.

        A Module is bound for each number of tensors that comes: use few different ones.
        """
        count = len(tensors)
        if count not in self._bound:
            arrays = {tuple(name.split(":", 1)): array for name, array in self._named.items()}
            name, size = self._manifest.input.name, self._manifest.input.size
            self._bound[count] = bind(self._symbol, arrays, name, (count, 3, size, size))
        module = self._bound[count]
        module.forward(Batch((Input(np.stack(tensors)),)), is_train=False)
        embeddings: Embeddings = module.get_outputs()[0].asnumpy()
        return embeddings

    def with_last_layer(self, weight: Array, bias: Array, **members: Any) -> NewBundle:
        """The bundle of the base with the last layer ``embedding @ weight.T + bias``.

        weight: (classes, length) float32. bias: (classes,) float32. members: of NewBundle: name,
        labels, source, and more.
        """
        classes = len(weight)
        symbol = mx.sym.FullyConnected(self._symbol, num_hidden=classes, name="dense0")
        names = {f"arg:{name}" for name in symbol.list_arguments()}
        names |= {f"aux:{name}" for name in symbol.list_auxiliary_states()}
        arrays = {name: array for name, array in self._named.items() if name in names}
        arrays |= {"arg:dense0_weight": mx.nd.array(weight), "arg:dense0_bias": mx.nd.array(bias)}
        output = self._manifest.output
        base = {
            "preprocessing": self._manifest.input,
            "probabilities": False,
            "symbol": symbol.tojson().encode(),
            "params": save_arrays(arrays),
            "licence": self._manifest.licence,
            "embedding": output.embedding,
            "features": output.features,
        }
        return NewBundle(**(base | members))
