"""SnapStart: Lambda keeps a started environment, and restores copies of it."""

import importlib
from collections.abc import Callable, Mapping

# Imported late for the sake of cold starts. Taking a snapshot may last.
_DEFERRED = ("ssl", "classifier.s3.boto")


def is_kept(env: Mapping[str, str]) -> bool:
    """Whether Lambda keeps a started environment, instead of starting one when it must serve."""
    return env.get("AWS_LAMBDA_INITIALIZATION_TYPE") in ("snap-start", "provisioned-concurrency")


def register(*, before: Callable[[], object], after: Callable[[], object]) -> None:
    """Call ``before`` before a snapshot and ``after`` in each copy, where Lambda has snapshots."""
    try:
        from snapshot_restore_py import (  # noqa: PLC0415  (only Lambda's runtime has it)
            register_after_restore,
            register_before_snapshot,
        )
    except ImportError:
        return
    register_before_snapshot(before)
    register_after_restore(after)


def import_deferred() -> None:
    """Import what the first request after a restore would otherwise wait for."""
    for name in _DEFERRED:
        importlib.import_module(name)
