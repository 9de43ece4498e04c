"""Lets ``import mxnet`` work in the project's environment, for whoever exports a network with it.

MXNet 1.9.1 names ``numpy.bool``, which NumPy has taken out. scripts/setup.sh lets each Python of
the environment import this module, so it is quick: NumPy is loaded when MXNet is. The function
does not depend on it: classifier.model.lean_mxnet sees to the same.
"""

import sys
import warnings
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType


class _Finder(MetaPathFinder):
    """Finds nothing. Gives NumPy its old name before MXNet is imported."""

    def find_spec(
        self, name: str, _path: Sequence[str] | None, _target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if name == "mxnet":
            sys.meta_path.remove(self)
            import numpy as np  # noqa: PLC0415  (slow, and rarely needed)

            if "bool" not in np.__dict__:  # hasattr() would warn
                np.bool = bool  # type: ignore[attr-defined]
            # It asks for more that is to go, and that is still there.
            warnings.filterwarnings("ignore", module=r"mxnet\.")
        return None


sys.meta_path.insert(0, _Finder())
