"""What the fuzzers feed: each target takes any bytes and may end in a RequestError, or well.

Anything else is a finding: another exception, a crash, an answer that makes no sense, and, by
the limits that ``fuzz.py`` sets, a gigabyte too many or seconds too long.
"""

import json
import struct
import zlib
from collections.abc import Callable

import numpy as np

from classifier.api.event import read_event
from classifier.api.forms import parse_form
from classifier.api.huggingface import parse_task
from classifier.api.predict import MAX_IMAGES, PredictRequest, parse_predict
from classifier.api.response import problem
from classifier.api.routes import check_route
from classifier.errors import RequestError
from classifier.fetch.sources import kind
from classifier.image.header import Header, read_header
from classifier.image.preprocessing import Preprocessing
from classifier.image.tensor import Limits, to_tensor
from classifier.model.labels import MAX_TOP_K

LIMITS = Limits(bytes=1 << 20, pixels=1 << 20)
PREPROCESSINGS = (
    Preprocessing(size=32, resize=32),
    Preprocessing(size=32, resize=40, fit="crop", color="BGR"),
)


def events(data: bytes) -> None:
    """``data`` as the JSON of an event."""
    try:
        event = json.loads(data)
    except (ValueError, RecursionError):
        return
    if not isinstance(event, dict):
        return
    try:
        http = read_event(event)
        check_route(http)
        if http.method == "POST" and http.path == "/huggingface":
            request = PredictRequest((parse_task(http, "softmax"),))
        elif http.path == "/predict" and http.method != "OPTIONS":
            request = parse_predict(http)
        else:
            return
    except RequestError as error:
        tell(error)
        return
    assert 1 <= len(request.images) <= (MAX_IMAGES if request.many else 1)
    for image in request.images:
        assert 1 <= image.options.top_k <= MAX_TOP_K
        assert 0 <= image.options.min_probability <= 1
        assert kind(image.source) in {"body", "base64", "url", "s3", "refused"}


def forms(data: bytes) -> None:
    """``data`` as the body of a form."""
    try:
        form = parse_form("multipart/form-data; boundary=XX", data)
    except RequestError as error:
        tell(error)
        return
    assert sum(map(len, form.files)) <= len(data)
    assert all(isinstance(text, str) for field in form.fields for text in field)


def tell(error: RequestError) -> None:
    """Hold ``error`` to what the service makes of it: a response, with a detail."""
    assert json.loads(problem(error, "r")["body"].encode())["detail"]


def headers(data: bytes) -> Header | None:
    """``data`` as an image that is looked at but not decoded."""
    try:
        header = read_header(data)
    except RequestError as error:
        tell(error)
        return None
    assert header.width > 0
    assert header.height > 0
    assert 1 <= header.orientation <= 8
    return header


def images(data: bytes) -> None:
    """``data`` as an image that is decoded, checksums mended so that a PNG gets that far."""
    data = with_mended_checksums(data)
    for preprocessing in PREPROCESSINGS:
        try:
            tensor = to_tensor(data, preprocessing, LIMITS)
        except RequestError as error:
            tell(error)
            return
        assert tensor.shape == (3, 32, 32)
        assert tensor.dtype == np.float32
        assert np.isfinite(tensor).all()


def with_mended_checksums(data: bytes) -> bytes:
    """``data`` with the checksum of each chunk set right, where it is a PNG."""
    if not data.startswith(b"\x89PNG\r\n\x1a\n"):
        return data
    mended = bytearray(data)
    at = 8
    while at + 12 <= len(mended):
        (length,) = struct.unpack_from(">I", mended, at)
        end = at + 12 + length
        if end > len(mended):
            break
        struct.pack_into(">I", mended, end - 4, zlib.crc32(mended[at + 4 : end - 4]))
        at = end
    return bytes(mended)


TARGETS: dict[str, Callable[[bytes], object]] = {
    "events": events,
    "forms": forms,
    "headers": headers,
    "images": images,
}
