"""Requests of ``/predict``: a query or a body becomes images to classify. No I/O."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from classifier.api.event import HttpRequest
from classifier.api.forms import parse_form
from classifier.api.json_body import parse_json_object, shorten
from classifier.errors import InvalidRequest, UnsupportedImageType
from classifier.fetch.sources import Base64, Body, Source, parse_address
from classifier.model.labels import LabelOptions

MAX_IMAGES = 16

_BYTES = ("application/octet-stream", "binary/octet-stream")
_OPTIONS = ("top_k", "min_probability", "embedding", "explain")
_SWITCHES = {"true": True, "false": False}
_ONE_OF = "The body should hold one of 'url', 'image' and 'images'."
_NUMBER = re.compile(r"[0-9]{0,9}\.?[0-9]{1,40}(?:[eE]-?[0-9]{1,3})?")
_HEADER_HINT = (
    "Send an image with the header 'content-type: image/jpeg' (or image/png, image/webp)."
)


@dataclass(frozen=True)
class ImageRequest:
    """One image to classify, and what to answer of it."""

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
        query = _parse_pairs(request.query, ("url", *_OPTIONS), "parameter")
        if not query.get("url"):
            raise InvalidRequest("Say which image: /predict?url=https://…")
        source = parse_address(query["url"])
        return PredictRequest((ImageRequest(source, _parse_options(query)),))
    query = _parse_pairs(request.query, _OPTIONS, "parameter")
    match request.media_type:
        case "application/json":
            return _parse_json(request.body, query)
        case "multipart/form-data":
            return _parse_form(request, query)
        case media_type if media_type in _BYTES or media_type.startswith("image/"):
            source = parse_image_body(request)
            return PredictRequest((ImageRequest(source, _parse_options(query)),))
        case _:
            raise UnsupportedImageType(
                "The content type should be that of an image, application/octet-stream, "
                f"multipart/form-data or application/json. {_HEADER_HINT}"
            )


def parse_image_body(request: HttpRequest) -> Body:
    """The image that is the body.

    Raises:
        InvalidRequest: the body is empty.
        UnsupportedImageType: the image arrived as text.
    """
    if not request.body:
        raise InvalidRequest("The body is empty; it should be the image.")
    # API Gateway passes on a type it does not know as binary as text. What is not UTF-8 becomes
    # U+FFFD, and the image is lost.
    if request.is_text and "\ufffd".encode() in request.body:
        raise UnsupportedImageType(f"The image arrived as text. {_HEADER_HINT}")
    return Body(request.body)


def _parse_pairs(
    pairs: Iterable[tuple[str, str]], names: Sequence[str], what: str
) -> dict[str, str]:
    """The values of ``names``, each there once at most, and nothing else."""
    values: dict[str, str] = {}
    pairs = list(pairs)
    address = dict(pairs).get("url", "")
    for name, value in pairs:
        if name not in names:
            # An address that was not encoded ends at its first "&". One that holds an "&" was
            # encoded. jQuery adds "_" against caches; it belongs to no image's address.
            is_cut = "url" in names and address and "&" not in address and name != "_"
            hint = " Percent-encode the address that it belongs to." if is_cut else ""
            raise InvalidRequest(f"There is no {what} {shorten(name)}.{hint}")
        if name in values:
            raise InvalidRequest(f"{name!r} is there twice.")
        values[name] = value
    return values


def _parse_options(texts: Mapping[str, str]) -> LabelOptions:
    """The options of a query or form."""
    return LabelOptions.parse(_values(texts))


def _values(texts: Mapping[str, str]) -> dict[str, Any]:
    """The options in ``texts`` as JSON would have them; text that is no value stays."""
    table: dict[str, Any] = {name: texts[name] for name in _OPTIONS if name in texts}
    if re.fullmatch(r"[0-9]{1,9}", table.get("top_k", "")):
        table["top_k"] = int(table["top_k"])
    if _NUMBER.fullmatch(table.get("min_probability", "")):
        table["min_probability"] = float(table["min_probability"])
    for name in ("embedding", "explain"):
        if name in table:
            table[name] = _SWITCHES.get(table[name], table[name])
    return table


def _refuse_repeated(query: Mapping[str, Any], body: Mapping[str, Any]) -> None:
    for name in _OPTIONS:
        if name in query and name in body:
            raise InvalidRequest(f"{name!r} is there twice: in the query and in the body.")


def _parse_form(request: HttpRequest, query: Mapping[str, str]) -> PredictRequest:
    form = parse_form(request.content_type, request.body)
    fields = _parse_pairs(form.fields, _OPTIONS, "field")
    _refuse_repeated(query, fields)
    options = _parse_options({**query, **fields})
    if not 1 <= len(form.files) <= MAX_IMAGES:
        raise InvalidRequest(f"The form should hold 1 to {MAX_IMAGES} files.")
    images = tuple(ImageRequest(Body(data), options) for data in form.files)
    return PredictRequest(images, many=len(images) > 1)


def _parse_json(body: bytes, query: Mapping[str, str]) -> PredictRequest:
    table = parse_json_object(body)
    _refuse_unknown(table, ("url", "image", "images", *_OPTIONS), "")
    _refuse_repeated(query, table)
    options = LabelOptions.parse(_values(query) | table)
    if "images" not in table:
        return PredictRequest((ImageRequest(_parse_source(table, _ONE_OF), options),))
    if "url" in table or "image" in table:
        raise InvalidRequest(_ONE_OF)
    items = table["images"]
    if not isinstance(items, list) or not 1 <= len(items) <= MAX_IMAGES:
        raise InvalidRequest(f"'images' should be a list of 1 to {MAX_IMAGES} images.")
    images = []
    for index, item in enumerate(items):
        where = f"images[{index}]"
        if not isinstance(item, dict):
            raise InvalidRequest(f"{where} should be an object.")
        _refuse_unknown(item, ("url", "image", *_OPTIONS), f" in {where}")
        source = _parse_source(item, f"{where} should hold one of 'url' and 'image'.")
        images.append(ImageRequest(source, LabelOptions.parse(item, options)))
    return PredictRequest(tuple(images), many=True)


def _parse_source(table: Mapping[str, Any], message: str) -> Source:
    """The one source in ``table``; ``message`` says that there should be one."""
    names = [name for name in ("url", "image") if name in table]
    if len(names) != 1:
        raise InvalidRequest(message)
    value = table[names[0]]
    if not isinstance(value, str) or not value:
        raise InvalidRequest(f"{names[0]!r} should be text, and not empty.")
    return parse_address(value) if names == ["url"] else Base64(value)


def _refuse_unknown(table: Mapping[str, Any], names: Sequence[str], where: str) -> None:
    for name in table:
        if name not in names:
            raise InvalidRequest(f"There is no field {shorten(name)}{where}.")
