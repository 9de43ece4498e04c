"""A Module around arrays that are there, and images written straight into it.

``mx.mod.Module`` is made for training: it has a symbol allocate arrays, keeps a second set on
the side and copies parameters through both, and it takes its input as an NDArray, to copy it.
For ResNet-18 that is 100 ms and 60 MB of a start-up. What is bound here is the same Module, but
what it asks for its arrays hands it those that were loaded.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from classifier.model.lean_mxnet import mx

type Arrays = Mapping[tuple[str, str], Any]


class Batch(NamedTuple):
    """What ``Module.forward`` reads of an ``mx.io.DataBatch``."""

    data: tuple["Input", ...]


class Input:
    """What ``Module.forward`` reads of an NDArray: a shape, and that it can be copied."""

    def __init__(self, values: npt.NDArray[np.float32]) -> None:
        self._values = values
        self.shape = values.shape

    def copyto(self, target: Any) -> None:
        """Write the values into the NDArray ``target``: one copy, and no operator is run."""
        target._sync_copyfrom(self._values)  # noqa: SLF001  (target[:] = …, without its indexing)


def bind(symbol: Any, arrays: Arrays, data: str, shape: tuple[int, ...]) -> Any:
    """A Module of ``symbol`` for inference, whose parameters are ``arrays`` themselves.

    arrays: NDArrays by kind ("arg" or "aux") and name. data, shape: the input's.
    """
    filled = _Filled(symbol, arrays, data, shape)
    module = mx.mod.Module(filled, data_names=[data], label_names=None)
    # As Module.load does: so bind() makes no arrays of its own. There is nothing to copy.
    module._arg_params, module._aux_params = {}, {}  # noqa: SLF001
    module.params_initialized = True
    module.bind([(data, shape)], for_training=False)
    return module


class _Filled:
    """A symbol that knows its arrays: asked to allocate and bind them, it only binds."""

    def __init__(self, symbol: Any, arrays: Arrays, data: str, shape: tuple[int, ...]) -> None:
        self._symbol = symbol
        self._arrays = arrays
        self._data = data
        self._shape = shape

    def __getattr__(self, name: str) -> Any:
        return getattr(self._symbol, name)

    def __getitem__(self, index: int) -> Any:
        return self._symbol[index]

    def simple_bind(self, ctx: Any, **_how: Any) -> Any:
        """Bind the arrays, converted where the graph computes in another type."""
        names = self._symbol.list_arguments()
        shapes, _, _ = self._symbol.infer_shape(**{self._data: self._shape})
        types, _, _ = self._symbol.infer_type(**{self._data: np.float32})
        arguments = {}
        for name, shape, dtype in zip(names, shapes, types, strict=True):
            if name == self._data:
                arguments[name] = mx.nd.empty(shape, ctx, dtype)
            else:
                array = self._arrays["arg", name]
                arguments[name] = array if array.dtype == dtype else array.astype(dtype)
        states = {name: array for (kind, name), array in self._arrays.items() if kind == "aux"}
        return self._symbol.bind(ctx, arguments, aux_states=states, grad_req="null")
