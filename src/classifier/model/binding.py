"""Binds a Module to loaded arrays, and writes images straight into it.

``mx.mod.Module`` is made for training: it lets the symbol allocate arrays, keeps a second set and
copies the parameters through both. It takes its input as an NDArray and copies that too. For
ResNet-18 that costs 100 ms and 60 MB of a start-up. The Module here is the same, but its symbol
hands it the loaded arrays.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from classifier.model.lean_mxnet import mx

type Arrays = Mapping[tuple[str, str], Any]

# Activations with bounds or slopes, as a graph's JSON names them.
_BOUNDED = ('"clip"', '"LeakyReLU"')


class Batch(NamedTuple):
    """What ``Module.forward`` reads of an ``mx.io.DataBatch``."""

    data: tuple["Input", ...]


class Input:
    """What ``Module.forward`` uses of an NDArray: its shape and ``copyto``."""

    def __init__(self, values: npt.NDArray[np.float32]) -> None:
        self._values = values
        self.shape = values.shape

    def copyto(self, target: Any) -> None:
        """Write the values into the NDArray ``target``: one copy, without running an operator."""
        target._sync_copyfrom(self._values)  # noqa: SLF001  (target[:] = …, without its indexing)


def bind(symbol: Any, arrays: Arrays, data: str, shape: tuple[int, ...]) -> Any:
    """A Module of ``symbol`` for inference. Its parameters are ``arrays`` themselves.

    Args:
        symbol: The network.
        arrays: NDArrays by kind ("arg" or "aux") and name, in the types of ``convert``.
        data: Name of the input.
        shape: (n, 3, height, width) of the input.
    """
    prefilled = _PrefilledSymbol(symbol, arrays, data, shape)
    module = mx.mod.Module(prefilled, data_names=[data], label_names=None)
    # As Module.load does: then bind() makes no arrays of its own.
    module._arg_params, module._aux_params = {}, {}  # noqa: SLF001
    module.params_initialized = True
    module.bind([(data, shape)], for_training=False)
    return module


def convert(symbol: Any, arrays: Arrays, data: str) -> Arrays:
    """``arrays`` in the types that the graph computes with: a file may hold half precision.

    ``symbol``, ``arrays`` and ``data`` as for ``bind``.
    """
    types, _, states = symbol.infer_type(**{data: np.float32})
    types_by_name = dict(
        zip((("arg", name) for name in symbol.list_arguments()), types, strict=True)
    )
    names = (("aux", name) for name in symbol.list_auxiliary_states())
    types_by_name |= dict(zip(names, states, strict=True))
    return {
        name: array.astype(types_by_name.get(name, array.dtype), copy=False)
        for name, array in arrays.items()
    }


def with_own_weights(symbol: Any, arrays: Arrays) -> Arrays:
    """``arrays`` for one more binding of ``symbol``; int8 convolutions get weights of their own.

    To bind an array again counts as a change of it. An int8 convolution then prepares its weights
    anew, and scales the bounds of an activation that is fused with it (ReLU6) a second time. From
    then on the first binding gives every image the same label. Copies cost the size of the weights,
    18 MB for EfficientNet-Lite0. ReLU has no bound, so networks with nothing else share theirs.
    """
    graph = symbol.tojson()
    if "_contrib_quantize" not in graph or not any(name in graph for name in _BOUNDED):
        return arrays
    return {key: array.copy() if array.ndim == 4 else array for key, array in arrays.items()}


class _PrefilledSymbol:
    """A symbol with its arrays: where Module asks it to allocate and bind, it only binds."""

    def __init__(self, symbol: Any, arrays: Arrays, data: str, shape: tuple[int, ...]) -> None:
        self._symbol = symbol
        self._arrays = arrays
        self._data = data
        self._shape = shape

    def __getattr__(self, name: str) -> Any:
        return getattr(self._symbol, name)

    def __getitem__(self, index: int) -> Any:
        return self._symbol[index]

    def simple_bind(self, ctx: Any, **_options: Any) -> Any:
        """Bind the arrays."""
        arguments = {
            name: self._arrays["arg", name] if name != self._data else mx.nd.empty(self._shape, ctx)
            for name in self._symbol.list_arguments()
        }
        states = {name: array for (kind, name), array in self._arrays.items() if kind == "aux"}
        return self._symbol.bind(ctx, arguments, aux_states=states, grad_req="null")
