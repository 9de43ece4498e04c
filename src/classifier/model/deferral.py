"""Modules that are executed when something in them is first asked for."""

import importlib
import sys
import types
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from typing import Any

# Every module that is ever put off, by its name.
_DEFERRED: set[str] = set()


class DeferredModule(types.ModuleType):
    """A module that is executed when something in it is first asked for.

    Not importlib.util.LazyLoader: that executes a module when anything looks at it, as
    ``inspect.getmodule`` does with every module there is.
    """

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") and name != "__all__":
            raise AttributeError(name)
        child = f"{self.__name__}.{name}"
        if child in _DEFERRED:
            return importlib.import_module(child)
        self.execute()
        return getattr(self, name)

    def execute(self) -> None:
        """Do what importing it has left undone, the package that it is in first."""
        package = sys.modules[self.__name__.rpartition(".")[0]]
        if isinstance(package, DeferredModule):
            package.execute()
        if isinstance(self, DeferredModule):  # its package may have seen to it
            self.__class__ = types.ModuleType  # type: ignore[assignment]
            with warnings.catch_warnings():
                # mxnet.numpy lists functions that NumPy has long taken out, and NumPy says so.
                warnings.simplefilter("ignore")
                self.__spec__.loader.execute(self)  # type: ignore[union-attr]


class _DeferringLoader(Loader):
    def __init__(self, loader: Loader) -> None:
        self.execute = loader.exec_module

    def create_module(self, spec: ModuleSpec) -> types.ModuleType:
        return DeferredModule(spec.name)

    def exec_module(self, module: types.ModuleType) -> None:
        """Leave it for later."""


@contextmanager
def imports_through(finder: MetaPathFinder) -> Iterator[None]:
    """Let ``finder`` be asked first for every module that is imported meanwhile."""
    sys.meta_path.insert(0, finder)
    try:
        yield
    finally:
        sys.meta_path.remove(finder)


class DeferringFinder(MetaPathFinder):
    """Puts off what importing ``names`` would execute."""

    def __init__(self, names: frozenset[str]) -> None:
        self._names = names
        _DEFERRED.update(names)

    def find_spec(
        self, name: str, path: Sequence[str] | None, _target: types.ModuleType | None = None
    ) -> ModuleSpec | None:
        spec = PathFinder.find_spec(name, path) if name in self._names else None
        if spec and spec.loader:
            spec.loader = _DeferringLoader(spec.loader)
        return spec
