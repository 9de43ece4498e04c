"""Imports MXNet 1.9.1 on a Python and a NumPy that are younger than it, and quickly.

Everything that needs MXNet takes it from here: ``from classifier.model.lean_mxnet import mx``.
MXNet is retired and 1.9.1 is its last release, so what is mended here stays mended: it still
names ``numpy.bool``, which NumPy has taken out.

A plain import spends most of its time on writing, compiling and documenting a Python function
for each of some 2,500 operators, and on sub-packages that inference has no use for. Here both
are put off, not left out: a function is generated when it is first called, a sub-package is
executed when something in it is first asked for. So the model tool finds all of MXNet, and
the function pays for none of it. docs/benchmarks.md has the figures.

One thing is missing: NumPy's own functions do not take the arrays of ``mx.np``, for nobody asks
for the modules that would see to that.
"""

import ctypes
import functools
import inspect
import os
import re
import sys
import types
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from classifier.model.deferral import DeferredModule, DeferringFinder, imports_through

__all__ = ["mx"]

# One line a bind about the subgraph backend would go to standard error, and into the log.
os.environ.setdefault("MXNET_SUBGRAPH_VERBOSE", "0")

_DEFERRED = frozenset(
    f"mxnet.{name}"
    for name in (
        *("_api_internal", "api", "contrib.autograd", "contrib.io", "contrib.onnx"),
        *("contrib.quantization", "contrib.tensorboard", "contrib.text", "gluon", "image"),
        *("library", "monitor", "ndarray.numpy", "ndarray.numpy_extension", "notebook", "numpy"),
        *("numpy_dispatch_protocol", "numpy_extension", "numpy_op_fallback", "numpy_op_signature"),
        *("operator", "recordio", "rnn", "rtc", "symbol.numpy", "symbol.numpy._symbol"),
        *("symbol.numpy_extension", "test_utils", "torch", "tvmop", "visualization"),
    )
)
# Operators' signatures as source code, for editors; every one is replaced as soon as imported.
_SIGNATURES = re.compile(r"mxnet\.(ndarray|symbol)\.gen_\w+")


class _ChangingLoader(Loader):
    """Loads a module, then changes it."""

    def __init__(self, loader: Loader, change: Callable[[Any], None]) -> None:
        self._loader = loader
        self._change = change

    def create_module(self, spec: ModuleSpec) -> types.ModuleType | None:
        return self._loader.create_module(spec)

    def exec_module(self, module: types.ModuleType) -> None:
        self._loader.exec_module(module)
        self._change(module)


class _Finder(MetaPathFinder):
    def find_spec(
        self, name: str, path: Sequence[str] | None, _target: types.ModuleType | None = None
    ) -> ModuleSpec | None:
        # Without SciPy, sparse arrays cannot become SciPy's; where it is installed, it takes
        # longer to import than MXNet, and Lambda has none.
        if name == "scipy" or _SIGNATURES.fullmatch(name):
            raise ModuleNotFoundError(name, name=name)
        spec = PathFinder.find_spec(name, path) if name in _CHANGES else None
        if spec and spec.loader:
            spec.loader = _ChangingLoader(spec.loader, _CHANGES[name])
        return spec


def _put_off_operators(base: Any) -> None:
    """Put off what the two makers of operators in ``base`` make."""
    for name in ("_init_op_module", "_init_np_op_module"):
        setattr(base, name, _put_off(getattr(base, name)))


def _put_off_check(register: Any) -> None:
    """Let operators compare their arrays with those of ``mx.np`` where there can be any.

    The comparison executes ``mx.np``, which takes 25 ms of a start-up from a file of half
    precision. Before that is executed, it has no arrays.
    """
    check = register._verify_all_legacy_ndarrays  # noqa: SLF001

    @functools.wraps(check)  # generated operators call it by its name
    def check_if_executed(*args: Any) -> None:
        if not isinstance(sys.modules["mxnet.numpy"], DeferredModule):
            check(*args)

    register._verify_all_legacy_ndarrays = check_if_executed  # noqa: SLF001


_CHANGES = {"mxnet.base": _put_off_operators, "mxnet.ndarray.register": _put_off_check}


def _put_off(register: Callable[..., None]) -> Callable[..., None]:
    """``register`` makes and stores a function for each operator; here, one that makes it later."""
    signature = inspect.signature(register)

    def registered(*args: Any, **kwargs: Any) -> None:
        call = signature.bind(*args, **kwargs)
        make = call.arguments["make_op_func"]
        call.arguments["make_op_func"] = functools.partial(_generated_later, make)
        register(*call.args, **call.kwargs)

    return registered


def _generated_later(make: Callable[..., Any], handle: Any, name: str, function_name: str) -> Any:
    generated = functools.cache(lambda: make(handle, name, function_name))

    def operator(*args: Any, **kwargs: Any) -> Any:
        return generated()(*args, **kwargs)

    operator.__name__ = function_name
    operator.__doc__ = ""  # MXNet edits it
    return operator


@contextmanager
def _shims() -> Iterator[None]:
    """What MXNet's own code needs to be imported, and the finders that put off."""
    if "bool" not in np.__dict__:  # hasattr() would warn
        np.bool = bool  # type: ignore[attr-defined]
    _load_library()
    with imports_through(DeferringFinder(_DEFERRED)), imports_through(_Finder()):
        yield


def _load_library() -> None:
    """Load MXNet's library before ctypes does.

    ctypes would bind its 27,000 functions at once, which takes 7 ms. Like this, glibc binds each
    when it is first called. Where it cannot be loaded, MXNet's import says why.
    """
    package = find_spec("mxnet")
    if package and package.origin:
        library = Path(package.origin).with_name("libmxnet.so")
        ctypes.CDLL(None).dlopen(os.fsencode(library), os.RTLD_LAZY)


with _shims():
    import mxnet as mx
