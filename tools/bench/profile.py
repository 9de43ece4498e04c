"""Where the time of our function goes: a clock around each step of a request, or of a batch."""

import importlib
import time
from collections.abc import Callable, Mapping, Sequence
from functools import wraps
from typing import Any

# By step, the names of its functions.
Steps = Mapping[str, Sequence[str]]

# In the order of a request, by the names under which they are called. Other steps are short.
STEPS: Steps = {
    "event: base64, query": (
        "app.read_event",
        "app.parse_predict",
    ),
    "header checked": ("classifier.image.tensor.read_header",),
    "JPEG decoded": ("classifier.image.tensor.decode",),
    "resized": ("classifier.image.tensor.resize_and_crop",),
    "normalised": ("classifier.image.tensor.normalise",),
    "inference: input, network, output": ("classifier.model.network.Model.classify",),
    "labels and response": ("classifier.outcome.top", "app.respond"),
    "log and metrics": ("app.log_request",),
}
# Of a batch. With two vCPUs they take place side by side.
BATCH_STEPS: Steps = {
    "decoding": ("classifier.pipeline.to_tensor",),
    "network": ("classifier.model.network.Model.classify",),
}


def install_clocks(steps: Steps) -> dict[str, list[float]]:
    """Start the function and put a clock around each of ``steps``.

    From now on the result gets, for each step, the ms of each time that it was taken.

    Raises ModuleNotFoundError, AttributeError: a step has another name.
    """
    importlib.import_module("app")
    ms: dict[str, list[float]] = {step: [] for step in steps}
    for step, names in steps.items():
        for name in names:
            owner, attribute = owner_of(name)
            function = getattr(owner, attribute)
            setattr(owner, attribute, _clocked(function, ms[step], is_first=name == names[0]))
    return ms


def owner_of(name: str) -> tuple[Any, str]:
    """The module or class that holds the dotted ``name``, and the name's last part.

    Raises ModuleNotFoundError, AttributeError: there is no such module, class or attribute.
    """
    path, _, attribute = name.rpartition(".")
    package, _, last = path.rpartition(".")
    if last[0].isupper():
        return getattr(importlib.import_module(package), last), attribute
    return importlib.import_module(path), attribute


def _clocked(function: Callable[..., Any], ms: list[float], *, is_first: bool) -> Any:
    """``function``, its time appended to ``ms`` or, unless it is first, added to the last one."""

    @wraps(function)
    def clocked(*arguments: Any, **options: Any) -> Any:
        start = time.perf_counter()
        try:
            return function(*arguments, **options)
        finally:
            duration = (time.perf_counter() - start) * 1000
            ms.append(duration if is_first else ms.pop() + duration)

    return clocked
