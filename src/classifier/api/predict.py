"""The HTTP contract: a request's query or body becomes a Request, results a body. No I/O."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from classifier.api.gateway import HttpRequest
from classifier.errors import InvalidRequest, NotFound, UnsupportedImageType
from classifier.fetch.sources import Base64, Body, Source, Url
from classifier.model.labels import Prediction

IMAGE_TYPES = frozenset({"image/jpeg", "image/png", "image/webp"})
MAX_IMAGES = 16
DEFAULT_TOP_K = 5
MAX_TOP_K = 100

_METHODS = {
    "/predict": ("GET", "POST"),
    "/health": ("GET",),
    "/": ("GET",),
    "/docs": ("GET",),
    "/openapi.json": ("GET",),
}
_OPTIONS = ("top_k", "min_probability")


@dataclass(frozen=True)
class ImageRequest:
    """One image to classify, and how many of its labels are wanted."""

    source: Source
    top_k: int = DEFAULT_TOP_K
    min_probability: float = 0.0


@dataclass(frozen=True)
class Request:
    """The images of one request; ``many`` tells whether the answer is a list."""

    images: tuple[ImageRequest, ...]
    many: bool = False


def route(http: HttpRequest) -> tuple[str, str]:
    """Method and path of ``http``, if there is such a route; any route has OPTIONS too.

    Raises NotFound.
    """
    methods = _METHODS.get(http.path, ())
    if http.method not in methods and not (methods and http.method == "OPTIONS"):
        raise NotFound("There is no such route. Images go to GET or POST /predict.")
    return http.method, http.path


def read_predict(http: HttpRequest) -> Request:
    """The request of ``GET /predict`` or ``POST /predict``.

    Raises InvalidRequest, UnsupportedImageType (of a content type).
    """
    if http.method == "GET":
        query = _query(http, ("url", *_OPTIONS))
        if not query.get("url"):
            raise InvalidRequest("Say which image: /predict?url=https://…")
        return Request((ImageRequest(Url(query["url"]), **_query_options(query)),))
    kind = http.content_type.partition(";")[0].strip().lower()
    if kind in IMAGE_TYPES:
        if not http.body:
            raise InvalidRequest("The body is empty; it should be the image.")
        options = _query_options(_query(http, _OPTIONS))
        return Request((ImageRequest(Body(http.body), **options),))
    if kind == "application/json":
        _query(http, ())
        return _read_json(http.body)
    wanted = ", ".join(["application/json", *sorted(IMAGE_TYPES)])
    raise UnsupportedImageType(f"The content type should be one of {wanted}.")


def labels_body(predictions: Sequence[Prediction]) -> list[dict[str, Any]]:
    """The member ``labels`` of an answer; probabilities to a millionth."""
    return [
        ({"class": prediction.label.identifier} if prediction.label.identifier else {})
        | {"label": prediction.label.name, "probability": round(prediction.probability, 6)}
        for prediction in predictions
    ]


def _query(http: HttpRequest, known: Sequence[str]) -> dict[str, str]:
    query: dict[str, str] = {}
    for name, value in http.query:
        if name not in known:
            hint = " Percent-encode the address that it belongs to." if "url" in query else ""
            raise InvalidRequest(f"There is no parameter {_short(name)}.{hint}")
        if name in query:
            raise InvalidRequest(f"{name!r} is given twice.")
        query[name] = value
    return query


def _query_options(query: Mapping[str, str]) -> dict[str, Any]:
    """The options of a query, numbers read from their text."""
    read: dict[str, Any] = {}
    if (top_k := query.get("top_k")) is not None:
        read["top_k"] = int(top_k) if re.fullmatch(r"[0-9]{1,9}", top_k) else top_k
    if (least := query.get("min_probability")) is not None:
        is_number = re.fullmatch(r"[0-9]{0,9}\.?[0-9]{1,40}(?:[eE]-?[0-9]{1,3})?", least)
        read["min_probability"] = float(least) if is_number else least
    return _options(read)


def _options(given: Mapping[str, Any]) -> dict[str, Any]:
    """``top_k`` and ``min_probability`` of ``given``, where they stand, checked."""
    options: dict[str, Any] = {}
    if "top_k" in given:
        top_k = given["top_k"]
        if type(top_k) is not int or not 1 <= top_k <= MAX_TOP_K:
            raise InvalidRequest(f"'top_k' should be a whole number from 1 to {MAX_TOP_K}.")
        options["top_k"] = top_k
    if "min_probability" in given:
        least = given["min_probability"]
        if type(least) not in (int, float) or not 0 <= least <= 1:
            raise InvalidRequest("'min_probability' should be a number from 0 to 1.")
        options["min_probability"] = float(least)
    return options


def _read_json(body: bytes) -> Request:
    try:
        table = json.loads(body, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise InvalidRequest("The body is not JSON.") from error
    if not isinstance(table, dict):
        raise InvalidRequest("The body should be a JSON object.")
    _refuse_unknown(table, ("url", "image", "images", *_OPTIONS), "")
    if "images" not in table:
        return Request((_image(table, {}, "The body"),))
    if "url" in table or "image" in table:
        raise InvalidRequest("The body should hold one of 'url', 'image' and 'images'.")
    items = table["images"]
    if not isinstance(items, list) or not 1 <= len(items) <= MAX_IMAGES:
        raise InvalidRequest(f"'images' should be a list of 1 to {MAX_IMAGES} images.")
    defaults = _options(table)
    images = []
    for index, item in enumerate(items):
        where = f"images[{index}]"
        if not isinstance(item, dict):
            raise InvalidRequest(f"{where} should be an object.")
        _refuse_unknown(item, ("url", "image", *_OPTIONS), f" in {where}")
        images.append(_image(item, defaults, where))
    return Request(tuple(images), many=True)


def _image(table: Mapping[str, Any], defaults: Mapping[str, Any], where: str) -> ImageRequest:
    given = [name for name in ("url", "image") if name in table]
    if len(given) != 1:
        raise InvalidRequest(f"{where} should hold one of 'url' and 'image'.")
    value = table[given[0]]
    if not isinstance(value, str) or not value:
        raise InvalidRequest(f"{given[0]!r} should be text, and not empty.")
    source: Source = Url(value) if given[0] == "url" else Base64(value)
    return ImageRequest(source, **{**defaults, **_options(table)})


def _refuse_unknown(table: Mapping[str, Any], known: Sequence[str], where: str) -> None:
    for name in table:
        if name not in known:
            raise InvalidRequest(f"There is no field {_short(name)}{where}.")


def _refuse_constant(name: str) -> float:
    raise ValueError(f"{name} is not JSON")


def _short(name: str) -> str:
    return ascii(name if len(name) <= 40 else name[:40] + "…")
