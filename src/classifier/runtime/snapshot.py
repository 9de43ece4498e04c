"""SnapStart: Lambda keeps an environment that has started, and restores copies of it."""

import importlib
from collections.abc import Callable, Mapping

# Put off for the sake of cold starts; a snapshot is taken at leisure.
_PUT_OFF = ("ssl", "classifier.s3.boto", "classifier.fetch.exchange")


def is_kept(env: Mapping[str, str]) -> bool:
    """Whether Lambda keeps what starts in ``env``, rather than start anew when it must serve."""
    return env.get("AWS_LAMBDA_INITIALIZATION_TYPE") in ("snap-start", "provisioned-concurrency")


def register(*, before: Callable[[], object], after: Callable[[], object]) -> None:
    """Have ``before`` called before a snapshot and ``after`` in each copy, where there are any."""
    try:
        from snapshot_restore_py import (  # noqa: PLC0415  (the runtime has it, or has not)
            register_after_restore,
            register_before_snapshot,
        )
    except ImportError:
        return
    register_before_snapshot(before)
    register_after_restore(after)


def import_what_is_put_off() -> None:
    """Import what a first request would otherwise wait for."""
    for name in _PUT_OFF:
        importlib.import_module(name)
