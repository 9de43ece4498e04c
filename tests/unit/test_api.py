"""Queries and bodies become requests, or a refusal that says what to change."""

import json
from typing import Any

import pytest

from classifier.api.gateway import HttpRequest
from classifier.api.predict import ImageRequest, Request, labels_body, read_predict, route
from classifier.errors import InvalidRequest, NotFound, UnsupportedImageType
from classifier.fetch.sources import Base64, Body, Url
from classifier.model.labels import Label, Prediction

URL = "https://example.com/a.jpg"


def get(*query: tuple[str, str]) -> HttpRequest:
    return HttpRequest("GET", "/predict", query, "", b"", "r-1")


def post(body: Any, *query: tuple[str, str], content_type: str = "application/json") -> HttpRequest:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    return HttpRequest("POST", "/predict", query, content_type, data, "r-1")


def test_get() -> None:
    assert read_predict(get(("url", URL))) == Request((ImageRequest(Url(URL), 5, 0.0),))


@pytest.mark.parametrize(
    ("top_k", "least", "wanted"),
    [
        ("1", "0", (1, 0.0)),
        ("100", "1", (100, 1.0)),
        ("5", "0.25", (5, 0.25)),
        ("5", ".5", (5, 0.5)),
        ("5", "1e-3", (5, 0.001)),
    ],
)
def test_options_of_a_query(top_k: str, least: str, wanted: tuple[int, float]) -> None:
    options = (("top_k", top_k), ("min_probability", least))
    assert read_predict(get(("url", URL), *options)).images == (ImageRequest(Url(URL), *wanted),)
    found = read_predict(post(b"bytes", *options, content_type="image/jpeg"))
    assert found.images == (ImageRequest(Body(b"bytes"), *wanted),)


@pytest.mark.parametrize("kind", ["image/jpeg", "image/png", "image/webp", "IMAGE/PNG; q=1"])
def test_the_body_is_the_image(kind: str) -> None:
    assert read_predict(post(b"bytes", content_type=kind)) == Request(
        (ImageRequest(Body(b"bytes")),)
    )


@pytest.mark.parametrize("kind", ["application/json", "application/json; charset=utf-8"])
def test_json(kind: str) -> None:
    body = {"url": URL, "top_k": 2, "min_probability": 1}
    assert read_predict(post(body, content_type=kind)) == Request((ImageRequest(Url(URL), 2, 1.0),))
    assert read_predict(post({"image": "aGk="})) == Request((ImageRequest(Base64("aGk=")),))


def test_many_images_share_options_and_may_have_their_own() -> None:
    body = {
        "images": [{"url": URL}, {"image": "aGk=", "top_k": 1}, {"url": URL, "min_probability": 0}],
        "top_k": 9,
        "min_probability": 0.5,
    }
    assert read_predict(post(body)) == Request(
        (
            ImageRequest(Url(URL), 9, 0.5),
            ImageRequest(Base64("aGk="), 1, 0.5),
            ImageRequest(Url(URL), 9, 0.0),
        ),
        many=True,
    )


def test_one_image_in_a_list_is_still_a_list() -> None:
    assert read_predict(post({"images": [{"url": URL}]})).many
    assert len(read_predict(post({"images": [{"url": URL}] * 16})).images) == 16


@pytest.mark.parametrize(
    ("http", "said"),
    [
        (get(), "Say which image"),
        (get(("url", "")), "Say which image"),
        (get(("url", URL), ("url", URL)), "'url' is given twice"),
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
        read_predict(http)


@pytest.mark.parametrize("kind", ["", "text/plain", "application/x-www-form-urlencoded", "image/*"])
def test_other_content_types_are_unsupported(kind: str) -> None:
    with pytest.raises(UnsupportedImageType, match="application/json, image/jpeg, image/png"):
        read_predict(post({"url": URL}, content_type=kind))


@pytest.mark.parametrize("method", ["GET", "POST", "OPTIONS"])
def test_routes(method: str) -> None:
    assert route(HttpRequest(method, "/predict", (), "", b"", "")) == (method, "/predict")


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", "/nothing"), ("PUT", "/predict"), ("POST", "/health"), ("OPTIONS", "/nothing")],
)
def test_no_such_route(method: str, path: str) -> None:
    with pytest.raises(NotFound, match="/predict"):
        route(HttpRequest(method, path, (), "", b"", ""))


def test_labels_have_a_class_where_the_label_file_has_one() -> None:
    predictions = [
        Prediction(Label("n1", "cat"), 0.12345678),
        Prediction(Label("", "dog"), 0.1),
    ]
    assert labels_body(predictions) == [
        {"class": "n1", "label": "cat", "probability": 0.123457},
        {"label": "dog", "probability": 0.1},
    ]
