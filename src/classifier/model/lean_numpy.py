"""Imports NumPy without what inference has no use for."""

from classifier.model.deferral import DeferringFinder, imports_through

_DEFERRED = frozenset({"numpy.fft", "numpy.ma", "numpy.polynomial", "numpy.random"})


def import_numpy() -> None:
    """Import NumPy in 36 ms, not 48: some sub-packages are executed when they are first used.

    Whoever imports NumPy afterwards gets this one.
    """
    with imports_through(DeferringFinder(_DEFERRED)):
        import numpy as np  # noqa: F401, PLC0415  (here, and not when this module is imported)
