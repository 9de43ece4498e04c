"""Requests of ``/predict``: a query or a body becomes images to classify. No I/O."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from classifier.api.event import HttpRequest
from classifier.errors import InvalidRequest, UnsupportedImageType
from classifier.fetch.sources import Base64, Body, Source, parse_address
from classifier.model.labels import LabelOptions

IMAGE_TYPES = frozenset({"image/jpeg", "image/png", "image/webp"})
MAX_IMAGES = 16

_OPTIONS = ("top_k", "min_probability")


@dataclass(frozen=True)
class ImageRequest:
    """One image to classify, and which of its labels to answer."""

    source: Source
    options: LabelOptions = field(default_factory=LabelOptions)


@dataclass(frozen=True)
class PredictRequest:
    """The images of one request; ``many`` tells whether the answer is a list."""

    images: tuple[ImageRequest, ...]
    many: bool = False


def parse_predict(request: HttpRequest) -> PredictRequest:
    """The images that ``GET /predict`` or ``POST /predict`` ask for.

    Raises:
        InvalidRequest: a parameter or field is missing, wrong or unknown.
        UnsupportedImageType: the content type is none of those that are read.
    """
    if request.method == "GET":
        query = _parse_query(request, ("url", *_OPTIONS))
        if not query.get("url"):
            raise InvalidRequest("Say which image: /predict?url=https://…")
        return PredictRequest((ImageRequest(parse_address(query["url"]), _query_options(query)),))
    content_type = request.content_type.partition(";")[0].strip().lower()
    if content_type in IMAGE_TYPES:
        if not request.body:
            raise InvalidRequest("The body is empty; it should be the image.")
        options = _query_options(_parse_query(request, _OPTIONS))
        return PredictRequest((ImageRequest(Body(request.body), options),))
    if content_type == "application/json":
        _parse_query(request, ())
        return _parse_json(request.body)
    types = ", ".join(["application/json", *sorted(IMAGE_TYPES)])
    raise UnsupportedImageType(f"The content type should be one of {types}.")


def _parse_query(request: HttpRequest, names: Sequence[str]) -> dict[str, str]:
    query: dict[str, str] = {}
    for name, value in request.query:
        if name not in names:
            hint = " Percent-encode the address that it belongs to." if "url" in query else ""
            raise InvalidRequest(f"There is no parameter {_shorten(name)}.{hint}")
        if name in query:
            raise InvalidRequest(f"{name!r} is there twice.")
        query[name] = value
    return query


def _query_options(query: Mapping[str, str]) -> LabelOptions:
    """The options of a query, with numbers read from their text."""
    table: dict[str, Any] = {name: query[name] for name in _OPTIONS if name in query}
    if re.fullmatch(r"[0-9]{1,9}", table.get("top_k", "")):
        table["top_k"] = int(table["top_k"])
    number = r"[0-9]{0,9}\.?[0-9]{1,40}(?:[eE]-?[0-9]{1,3})?"
    if re.fullmatch(number, table.get("min_probability", "")):
        table["min_probability"] = float(table["min_probability"])
    return LabelOptions.parse(table)


def _parse_json(body: bytes) -> PredictRequest:
    try:
        table = json.loads(body, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise InvalidRequest("The body is not JSON.") from error
    if not isinstance(table, dict):
        raise InvalidRequest("The body should be a JSON object.")
    _refuse_unknown(table, ("url", "image", "images", *_OPTIONS), "")
    options = LabelOptions.parse(table)
    if "images" not in table:
        return PredictRequest((ImageRequest(_parse_source(table, "The body"), options),))
    if "url" in table or "image" in table:
        raise InvalidRequest("The body should hold one of 'url', 'image' and 'images'.")
    items = table["images"]
    if not isinstance(items, list) or not 1 <= len(items) <= MAX_IMAGES:
        raise InvalidRequest(f"'images' should be a list of 1 to {MAX_IMAGES} images.")
    images = []
    for index, item in enumerate(items):
        where = f"images[{index}]"
        if not isinstance(item, dict):
            raise InvalidRequest(f"{where} should be an object.")
        _refuse_unknown(item, ("url", "image", *_OPTIONS), f" in {where}")
        source = _parse_source(item, where)
        images.append(ImageRequest(source, LabelOptions.parse(item, options)))
    return PredictRequest(tuple(images), many=True)


def _parse_source(table: Mapping[str, Any], where: str) -> Source:
    names = [name for name in ("url", "image") if name in table]
    if len(names) != 1:
        raise InvalidRequest(f"{where} should hold one of 'url' and 'image'.")
    value = table[names[0]]
    if not isinstance(value, str) or not value:
        raise InvalidRequest(f"{names[0]!r} should be text, and not empty.")
    return parse_address(value) if names == ["url"] else Base64(value)


def _refuse_unknown(table: Mapping[str, Any], names: Sequence[str], where: str) -> None:
    for name in table:
        if name not in names:
            raise InvalidRequest(f"There is no field {_shorten(name)}{where}.")


def _refuse_constant(name: str) -> float:
    raise ValueError(f"{name} is not JSON")


def _shorten(name: str) -> str:
    return ascii(name if len(name) <= 40 else name[:40] + "…")
