"""Queries and bodies become images to classify, or an error that says what to change."""

import gzip
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


def test_get_asks_for_one_image() -> None:
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


@pytest.mark.parametrize("name", ["embedding", "explain"])
def test_switches_of_a_query_a_form_and_json(name: str) -> None:
    on, off = LabelOptions(**{name: True}), LabelOptions()
    for text, options in (("true", on), ("false", off)):
        assert parse_predict(get(("url", URL), (name, text))).images[0].options == options
    for text in ("", "1", "yes", "True"):
        with pytest.raises(InvalidRequest, match=f"'{name}' should be true or false"):
            parse_predict(get(("url", URL), (name, text)))
    items = [{"url": URL}, {"url": URL, name: False}]
    images = parse_predict(post({"images": items, name: True})).images
    assert [image.options for image in images] == [on, off]
    with pytest.raises(InvalidRequest, match="should be true or false"):
        parse_predict(post({"url": URL, name: "true"}))


@pytest.mark.parametrize(
    "kind",
    [
        *("image/jpeg", "image/png", "image/webp", "IMAGE/PNG; q=1", "image/jpg", "image/pjpeg"),
        *("image/heic", "application/octet-stream", "binary/octet-stream"),
    ],
)
def test_the_body_is_the_image(kind: str) -> None:
    assert parse_predict(post(b"bytes", content_type=kind)) == PredictRequest(
        (ImageRequest(Body(b"bytes")),)
    )


@pytest.mark.parametrize("kind", ["application/json", "application/json; charset=utf-8"])
def test_json_asks_for_one_image(kind: str) -> None:
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
        (get(("url", f"{URL}?a=1"), ("b", "2")), "no parameter 'b'. Percent-encode"),
        (get(("X-Amz-Date", "2"), ("url", URL)), "no parameter 'X-Amz-Date'. Percent-encode"),
        (get(("b", "2"), ("url", f"{URL}?a=1")), "no parameter 'b'. Percent-encode"),
        (get(("url", URL), ("_", "2")), r"no parameter '_'\.$"),
        (get(("url", f"{URL}?a=1&b=2"), ("_", "2")), r"no parameter '_'\.$"),
        (get(("_", "2")), r"no parameter '_'\.$"),
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
        (post({"url": URL, "top_k": 2}, ("top_k", "1")), "'top_k' is there twice: in the query"),
        (post({"url": URL}, ("top_k", "0")), "'top_k' should be"),
        (post({"url": URL}, ("url", URL)), "no parameter 'url'"),
        (post(b""), "not JSON"),
        (post(b"{"), "not JSON"),
        (post("{}".encode("utf-16")), "not UTF-8"),
        (post('{"url": "é"}'.encode("latin-1")), "not UTF-8"),
        (post('{"é"'.encode("utf-16-le")), "not UTF-8"),
        (post("{\ufffd}".encode()), "not UTF-8"),
        (post(gzip.compress(b"{}", mtime=0)), "compressed"),
        (post(b"[" * 100_000), "not JSON"),
        (post(b'{"top_k": NaN}'), "not JSON"),
        (post(b'{"top_k": -Infinity}'), "not JSON"),
        (post(b'{"top_k": ' + b"9" * 10_000 + b"}"), "not JSON"),
        (post([]), "should be a JSON object"),
        (post("text"), "should be a JSON object"),
        (post(None), "should be a JSON object"),
        (post({}), "one of 'url', 'image' and 'images'"),
        (post({"url": URL, "image": "aGk="}), "one of 'url', 'image' and 'images'"),
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
        (post({"images": [{"url": URL}, {}]}), r"images\[1\] should hold one of 'url' and 'image'"),
        (post({"images": [{"url": URL, "image": "aGk="}]}), r"images\[0\] should hold one of"),
        (post({"images": [{"images": []}]}), r"no field 'images' in images\[0\]"),
        (post({"images": [{"url": URL}], "top_k": 0}), "'top_k'"),
        (post({"images": [{"url": URL, "top_k": 0}]}), "'top_k'"),
    ],
    ids=str,
)
def test_wrong_request_is_refused(http: HttpRequest, said: str) -> None:
    with pytest.raises(InvalidRequest, match=said):
        parse_predict(http)


def test_options_of_the_query_hold_for_a_json_body() -> None:
    body = {"images": [{"url": URL}, {"url": URL, "top_k": 9}], "min_probability": 0.5}
    images = parse_predict(post(body, ("top_k", "3"))).images
    assert [image.options for image in images] == [LabelOptions(3, 0.5), LabelOptions(9, 0.5)]


def test_a_byte_order_mark_is_ignored() -> None:
    assert parse_predict(post(b"\xef\xbb\xbf" + json.dumps({"url": URL}).encode())).images


@pytest.mark.parametrize("kind", ["", "text/plain", "application/x-www-form-urlencoded"])
def test_other_content_types_name_the_header_to_send(kind: str) -> None:
    with pytest.raises(UnsupportedImageType, match="'content-type: image/jpeg'"):
        parse_predict(post({"url": URL}, content_type=kind))


def test_an_image_that_arrived_as_text_names_the_header_to_send() -> None:
    body = "\ufffd\ufffdJFIF".encode()
    request = HttpRequest("POST", "/predict", (), "image/x-new", body, "r", is_text=True)
    with pytest.raises(UnsupportedImageType, match=r"arrived as text.*'content-type: image/jpeg'"):
        parse_predict(request)


FORM = "multipart/form-data; boundary=XX"


def form(*parts: tuple[str, bytes], end: bytes = b"--XX--\r\n") -> bytes:
    """A form's body: each part is its disposition's parameters and its content."""
    lines = [
        b"--XX\r\nContent-Disposition: form-data; %s\r\n\r\n%s\r\n" % (head.encode(), content)
        for head, content in parts
    ]
    return b"".join(lines) + end


JPEG = ('name="file"; filename="a.jpg"', b"\xff\xd8\xff\r\n--X\r\n")


def test_one_file_of_a_form_is_one_image() -> None:
    request = parse_predict(post(form(JPEG), content_type=FORM))
    assert request == PredictRequest((ImageRequest(Body(JPEG[1])),))


def test_several_files_of_a_form_are_a_list_in_order() -> None:
    files = [(f'name="f{n}"; filename="f{n}"', bytes([n])) for n in range(16)]
    request = parse_predict(post(form(*files), content_type=FORM))
    assert request.many
    assert [image.source for image in request.images] == [Body(bytes([n])) for n in range(16)]


def test_options_of_a_form_are_fields_or_in_the_query() -> None:
    body = form(JPEG, ('name="top_k"', b"3"))
    request = parse_predict(post(body, ("min_probability", "0.5"), content_type=FORM))
    assert request.images[0].options == LabelOptions(3, 0.5)


def test_a_file_input_that_nobody_used_is_skipped() -> None:
    body = form(JPEG, ('name="second"; filename=""', b""))
    assert len(parse_predict(post(body, content_type=FORM)).images) == 1


@pytest.mark.parametrize(
    ("body", "query", "content_type", "message"),
    [
        (form(JPEG), (), "multipart/form-data", "boundary"),
        (form(JPEG), (), "multipart/form-data; boundary=YY", "not a whole and valid form"),
        (form(JPEG, end=b""), (), FORM, "not a whole and valid form"),
        (b"", (), FORM, "not a whole and valid form"),
        (form(), (), FORM, "1 to 16 files"),
        (form(('name="a"; filename=""', b"")), (), FORM, "1 to 16 files"),
        (form(*[JPEG] * 17), (), FORM, "1 to 16 files"),
        (form(*[JPEG] * 41), (), FORM, "too many parts"),
        (form(('name="x"; ' + "a" * 9000, b"")), (), FORM, "too large headers"),
        (form(JPEG, ('name="token"', b"x")), (), FORM, "no field 'token'"),
        (form(JPEG, ('name="top_k"', b"x")), (), FORM, "'top_k' should be"),
        (form(JPEG, ('name="top_k"', b"1"), ('name="top_k"', b"1")), (), FORM, "is there twice"),
        (form(JPEG, ('name="top_k"', b"1")), (("top_k", "1"),), FORM, "there twice: in the query"),
        (form(('name="image"', b"\xff\xd8")), (), FORM, "not UTF-8"),
        (form(('name="image"', b"a" * 2000)), (), FORM, "An image needs a file name"),
    ],
)
def test_a_form_that_is_wrong_is_refused(
    body: bytes, query: tuple[tuple[str, str], ...], content_type: str, message: str
) -> None:
    with pytest.raises(InvalidRequest, match=message):
        parse_predict(post(body, *query, content_type=content_type))


@pytest.mark.parametrize("method", ["GET", "POST", "OPTIONS"])
def test_predict_has_these_methods(method: str) -> None:
    check_route(HttpRequest(method, "/predict", (), "", b"", ""))


@pytest.mark.parametrize(
    ("method", "path", "message"),
    [
        ("GET", "/nothing", "no such route. Images go to GET or POST /predict"),
        ("OPTIONS", "/nothing", "no such route"),
        ("PUT", "/predict", "/predict has no such method: it takes GET and POST"),
        ("DELETE", "/predict", "/predict has no such method: it takes GET and POST"),
        ("HEAD", "/predict", "/predict has no such method: it takes GET and POST"),
        ("GET", "/huggingface", "/huggingface has no such method: it takes POST"),
        ("POST", "/health", "/health has no such method: it takes GET and HEAD"),
    ],
)
def test_unknown_route_is_refused(method: str, path: str, message: str) -> None:
    with pytest.raises(NotFound, match=message):
        check_route(HttpRequest(method, path, (), "", b"", ""))
