"""Hugging Face's image-classification task, so that its clients work unchanged. No I/O.

https://huggingface.co/docs/inference-providers/tasks/image-classification
"""

from collections.abc import Sequence
from typing import Any

from classifier.api.event import HttpRequest
from classifier.api.json_body import parse_json_object, shorten
from classifier.api.predict import ImageRequest, parse_image_body
from classifier.errors import InvalidRequest
from classifier.fetch.sources import Base64
from classifier.model.labels import LabelOptions


def parse_task(request: HttpRequest, activation: str) -> ImageRequest:
    """The image of a task: the body itself, or ``{"inputs": base64, "parameters": {…}}``.

    Args:
        request: The task.
        activation: The model's, "softmax" or "sigmoid": no other can be asked for.

    Raises:
        InvalidRequest: a field is missing, wrong or unknown.
        UnsupportedImageType: the content type is none of those that are read.
    """
    if request.media_type != "application/json":
        return ImageRequest(parse_image_body(request))
    table = parse_json_object(request.body)
    parameters = table.pop("parameters", None) or {}
    image = table.pop("inputs", None)
    if not isinstance(image, str) or not image:
        raise InvalidRequest("'inputs' should be the image in base64.")
    if not isinstance(parameters, dict):
        raise InvalidRequest("'parameters' should be an object.")
    options = {name: value for name, value in parameters.items() if value is not None}
    if options.pop("function_to_apply", activation) != activation:
        raise InvalidRequest(f"'function_to_apply' should be '{activation}'.")
    for name in (*table, *(name for name in options if name != "top_k")):
        raise InvalidRequest(f"There is no field {shorten(name)}.")
    return ImageRequest(Base64(image), LabelOptions.parse(options))


def task_body(labels: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """The answer of a task for ``labels``, an image's labels as ``/predict`` answers them."""
    return [{"label": label["label"], "score": label["probability"]} for label in labels]
