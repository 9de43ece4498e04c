"""Queries and bodies become images to classify, or an error that says what to change."""

import json
from typing import Any

import pytest

from classifier.api.event import HttpRequest
from classifier.api.predict import ImageRequest, PredictRequest, parse_predict
from classifier.api.routes import check_route
from classifier.errors import InvalidRequest, NotFound, UnsupportedImageType
from classifier.fetch.sources import Base64, Body, Url
from classifier.model.labels import LabelOptions

URL = "https://example.com/a.jpg"


def get(*query: tuple[str, str]) -> HttpRequest:
    return HttpRequest("GET", "/predict", query, "", b"", "r-1")


def post(body: Any, *query: tuple[str, str], content_type: str = "application/json") -> HttpRequest:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    return HttpRequest("POST", "/predict", query, content_type, data, "r-1")


def test_get() -> None:
    assert parse_predict(get(("url", URL))) == PredictRequest(
        (ImageRequest(Url(URL), LabelOptions(5, 0.0)),)
    )


@pytest.mark.parametrize(
    ("top_k", "minimum", "expected"),
    [
        ("1", "0", (1, 0.0)),
        ("100", "1", (100, 1.0)),
        ("5", "0.25", (5, 0.25)),
        ("5", ".5", (5, 0.5)),
        ("5", "1e-3", (5, 0.001)),
    ],
)
def test_options_of_a_query(top_k: str, minimum: str, expected: tuple[int, float]) -> None:
    options = (("top_k", top_k), ("min_probability", minimum))
    assert parse_predict(get(("url", URL), *options)).images == (
        ImageRequest(Url(URL), LabelOptions(*expected)),
    )
    posted = parse_predict(post(b"bytes", *options, content_type="image/jpeg"))
    assert posted.images == (ImageRequest(Body(b"bytes"), LabelOptions(*expected)),)


@pytest.mark.parametrize("kind", ["image/jpeg", "image/png", "image/webp", "IMAGE/PNG; q=1"])
def test_the_body_is_the_image(kind: str) -> None:
    assert parse_predict(post(b"bytes", content_type=kind)) == PredictRequest(
        (ImageRequest(Body(b"bytes")),)
    )


@pytest.mark.parametrize("kind", ["application/json", "application/json; charset=utf-8"])
def test_json(kind: str) -> None:
    body = {"url": URL, "top_k": 2, "min_probability": 1}
    assert parse_predict(post(body, content_type=kind)) == PredictRequest(
        (ImageRequest(Url(URL), LabelOptions(2, 1.0)),)
    )
    assert parse_predict(post({"image": "aGk="})) == PredictRequest((ImageRequest(Base64("aGk=")),))


def test_many_images_share_options_and_may_have_their_own() -> None:
    body = {
        "images": [{"url": URL}, {"image": "aGk=", "top_k": 1}, {"url": URL, "min_probability": 0}],
        "top_k": 9,
        "min_probability": 0.5,
    }
    assert parse_predict(post(body)) == PredictRequest(
        (
            ImageRequest(Url(URL), LabelOptions(9, 0.5)),
            ImageRequest(Base64("aGk="), LabelOptions(1, 0.5)),
            ImageRequest(Url(URL), LabelOptions(9, 0.0)),
        ),
        many=True,
    )


def test_one_image_in_a_list_is_still_a_list() -> None:
    assert parse_predict(post({"images": [{"url": URL}]})).many
    assert len(parse_predict(post({"images": [{"url": URL}] * 16})).images) == 16


@pytest.mark.parametrize(
    ("http", "said"),
    [
        (get(), "Say which image"),
        (get(("url", "")), "Say which image"),
        (get(("url", URL), ("url", URL)), "'url' is there twice"),
        (get(("url", URL), ("b", "2")), "no parameter 'b'. Percent-encode"),
        (get(("x" * 100, "1")), "no parameter 'x{40}"),
        (get(("url", URL), ("top_k", "0")), "'top_k' should be a whole number from 1 to 100"),
        (get(("url", URL), ("top_k", "101")), "'top_k'"),
        (get(("url", URL), ("top_k", "-1")), "'top_k'"),
        (get(("url", URL), ("top_k", "1.0")), "'top_k'"),
        (get(("url", URL), ("top_k", "٣")), "'top_k'"),
        (get(("url", URL), ("top_k", "9" * 5000)), "'top_k'"),
        (get(("url", URL), ("top_k", "")), "'top_k'"),
        (get(("url", URL), ("min_probability", "1.1")), "'min_probability' should be a number"),
        (get(("url", URL), ("min_probability", "-0.1")), "'min_probability'"),
        (get(("url", URL), ("min_probability", "nan")), "'min_probability'"),
        (get(("url", URL), ("min_probability", "inf")), "'min_probability'"),
        (get(("url", URL), ("min_probability", ".")), "'min_probability'"),
        (post(b"", content_type="image/jpeg"), "body is empty"),
        (post(b"x", ("url", URL), content_type="image/jpeg"), "no parameter 'url'"),
        (post({"url": URL}, ("top_k", "1")), "no parameter 'top_k'"),
        (post(b""), "not JSON"),
        (post(b"{"), "not JSON"),
        (post(b"\xff\xfe{}"), "not JSON"),
        (post(b"[" * 100_000), "not JSON"),
        (post(b'{"top_k": NaN}'), "not JSON"),
        (post(b'{"top_k": -Infinity}'), "not JSON"),
        (post(b'{"top_k": ' + b"9" * 10_000 + b"}"), "not JSON"),
        (post([]), "should be a JSON object"),
        (post("text"), "should be a JSON object"),
        (post(None), "should be a JSON object"),
        (post({}), "one of 'url' and 'image'"),
        (post({"url": URL, "image": "aGk="}), "one of 'url' and 'image'"),
        (post({"url": 7}), "'url' should be text"),
        (post({"url": ""}), "'url' should be text"),
        (post({"image": None}), "'image' should be text"),
        (post({"image": ["aGk="]}), "'image' should be text"),
        (post({"url": URL, "link": URL}), "no field 'link'"),
        (post({"url": URL, "top_k": True}), "'top_k'"),
        (post({"url": URL, "top_k": "3"}), "'top_k'"),
        (post({"url": URL, "top_k": 3.0}), "'top_k'"),
        (post({"url": URL, "top_k": None}), "'top_k'"),
        (post({"url": URL, "min_probability": "0.5"}), "'min_probability'"),
        (post({"url": URL, "min_probability": False}), "'min_probability'"),
        (post(b'{"url": "u", "min_probability": 1e999}'), "'min_probability'"),
        (post({"images": [{"url": URL}], "url": URL}), "one of 'url', 'image' and 'images'"),
        (post({"images": []}), "'images' should be a list of 1 to 16 images"),
        (post({"images": [{"url": URL}] * 17}), "'images' should be a list of 1 to 16 images"),
        (post({"images": {"url": URL}}), "'images' should be a list"),
        (post({"images": [URL]}), r"images\[0\] should be an object"),
        (post({"images": [{"url": URL}, {}]}), r"images\[1\] should hold one of"),
        (post({"images": [{"url": URL, "image": "aGk="}]}), r"images\[0\] should hold one of"),
        (post({"images": [{"images": []}]}), r"no field 'images' in images\[0\]"),
        (post({"images": [{"url": URL}], "top_k": 0}), "'top_k'"),
        (post({"images": [{"url": URL, "top_k": 0}]}), "'top_k'"),
    ],
    ids=str,
)
def test_what_is_wrong_is_said(http: HttpRequest, said: str) -> None:
    with pytest.raises(InvalidRequest, match=said):
        parse_predict(http)


@pytest.mark.parametrize("kind", ["", "text/plain", "application/x-www-form-urlencoded", "image/*"])
def test_other_content_types_are_unsupported(kind: str) -> None:
    with pytest.raises(UnsupportedImageType, match="application/json, image/jpeg, image/png"):
        parse_predict(post({"url": URL}, content_type=kind))


@pytest.mark.parametrize("method", ["GET", "POST", "OPTIONS"])
def test_routes(method: str) -> None:
    check_route(HttpRequest(method, "/predict", (), "", b"", ""))


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", "/nothing"), ("PUT", "/predict"), ("POST", "/health"), ("OPTIONS", "/nothing")],
)
def test_no_such_route(method: str, path: str) -> None:
    with pytest.raises(NotFound, match="/predict"):
        check_route(HttpRequest(method, path, (), "", b"", ""))
