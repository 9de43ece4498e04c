"""Where the time of our warm request goes: a clock around each of its steps."""

import sys
import time
from collections.abc import Callable
from functools import wraps
from typing import Any

# In the order of a request; what is not listed is small, and is told as the rest.
STEPS = {
    "event: base64, query": (
        "classifier.api.gateway.read_event",
        "classifier.api.predict.read_predict",
    ),
    "header checked": ("classifier.image.tensor.read_header",),
    "JPEG decoded": ("classifier.image.tensor.decode",),
    "resized": ("classifier.image.tensor.resize_and_crop",),
    "normalised": ("classifier.image.tensor.normalise",),
    "inference: input, network, output": ("classifier.model.network.Model.classify",),
    "labels and response": ("classifier.service.top", "classifier.api.gateway.respond"),
    "log and metrics": ("classifier.runtime.telemetry.request",),
}


def watch() -> dict[str, list[float]]:
    """Put the clocks in; from now on the result gets, for each step, the ms of each request."""
    import app  # noqa: F401, PLC0415  (the function starts)

    taken: dict[str, list[float]] = {step: [] for step in STEPS}
    for step, places in STEPS.items():
        for place in places:
            owner, name = _find(place)
            first = place == places[0]
            setattr(owner, name, _clocked(getattr(owner, name), taken[step], first=first))
    return taken


def _clocked(function: Callable[..., Any], taken: list[float], *, first: bool) -> Any:
    """``function``, its ms noted in ``taken``: as a new request's, or added to the last one's."""

    @wraps(function)
    def clocked(*arguments: Any, **options: Any) -> Any:
        before = time.perf_counter()
        try:
            return function(*arguments, **options)
        finally:
            ms = (time.perf_counter() - before) * 1000
            taken.append(ms if first else taken.pop() + ms)

    return clocked


def _find(place: str) -> tuple[Any, str]:
    """What holds ``place``, a dotted name in a module that is loaded, and its name there."""
    owner, _, name = place.rpartition(".")
    if owner in sys.modules:
        return sys.modules[owner], name
    module, _, kind = owner.rpartition(".")
    return getattr(sys.modules[module], kind), name
