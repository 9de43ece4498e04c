"""Properties of what reads strangers' input: requests and images."""

import base64
import dataclasses
import io
import json
import resource
import time
import zlib
from contextlib import suppress
from typing import Any
from urllib.parse import urlencode

import images
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from classifier.api.event import read_event
from classifier.api.predict import MAX_IMAGES, ImageRequest, parse_predict
from classifier.api.response import problem
from classifier.errors import (
    InvalidRequest,
    RequestError,
    UndecodableImage,
    UnsupportedImageType,
)
from classifier.fetch.sources import Base64, Body, Url
from classifier.image.header import read_header
from classifier.image.preprocessing import Preprocessing
from classifier.image.tensor import Limits, to_tensor
from classifier.model.labels import MAX_TOP_K, LabelOptions

# How long one example takes depends on who else uses the machine.
patient = settings(deadline=None)

# Text as JSON and events can hold it, lone surrogates included; query strings cannot hold those.
text = st.text(st.characters(exclude_categories=()), max_size=30)
encodable = st.text(max_size=30)
# An s3:// address becomes another kind of source.
addresses = encodable.filter(lambda address: address and address[:5].lower() != "s3://")
sources = st.one_of(st.builds(Url, addresses), st.builds(Base64, encodable.filter(bool)))
top_ks = st.integers(1, MAX_TOP_K)
probabilities = st.floats(0, 1)
label_options = st.builds(LabelOptions, top_ks, probabilities, st.booleans(), st.booleans())
OPTIONS = tuple(field.name for field in dataclasses.fields(LabelOptions))
image_requests = st.builds(ImageRequest, sources, label_options)
json_values: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | text,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(["url", "image", "images", *OPTIONS]) | text,
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


def rest(method: str, **members: Any) -> dict[str, Any]:
    context = {"requestId": "r"}
    base = {"resource": "/predict", "path": "/predict", "httpMethod": method}
    return base | {"requestContext": context} | members


def http(method: str, **members: Any) -> dict[str, Any]:
    context = {"requestId": "r", "stage": "$default", "http": {"method": method}}
    return {"version": "2.0", "rawPath": "/predict", "requestContext": context} | members


def posts(body: bytes, content_type: str) -> list[dict[str, Any]]:
    """``body`` in an event of each kind, as base64."""
    members = {
        "headers": {"Content-Type": content_type},
        "body": base64.b64encode(body).decode(),
        "isBase64Encoded": True,
    }
    return [rest("POST", **members), http("POST", **members)]


def table(image: ImageRequest) -> dict[str, Any]:
    """The JSON that asks for ``image``."""
    source = image.source
    named = {"url": source.url} if isinstance(source, Url) else {"image": source.text}  # type: ignore[union-attr]
    return named | dataclasses.asdict(image.options)


def tell(error: RequestError) -> None:
    """Hold ``error`` to what the service makes of it: a response, with a detail."""
    assert json.loads(problem(error, "r")["body"].encode())["detail"]


class TestRequests:
    @given(image_requests)
    @patient
    def test_one_image_in_json_comes_out_as_it_went_in(self, image: ImageRequest) -> None:
        for event in posts(json.dumps(table(image)).encode(), "application/json"):
            request = parse_predict(read_event(event))
            assert request.images == (image,)
            assert not request.many

    @given(st.lists(image_requests, min_size=1, max_size=MAX_IMAGES))
    @patient
    def test_many_come_out_in_order(self, images: list[ImageRequest]) -> None:
        body = json.dumps({"images": [table(image) for image in images]}).encode()
        for event in posts(body, "application/json; charset=utf-8"):
            request = parse_predict(read_event(event))
            assert list(request.images) == images
            assert request.many

    @given(sources, top_ks, probabilities)
    @patient
    def test_options_for_all_hold_where_there_are_none_for_one(
        self, source: Url | Base64, top_k: int, minimum: float
    ) -> None:
        bare = table(ImageRequest(source))
        for name in OPTIONS:
            del bare[name]
        own = bare | {"top_k": LabelOptions.top_k}
        body = {"images": [bare, own], "top_k": top_k, "min_probability": minimum}
        request = parse_predict(read_event(posts(json.dumps(body).encode(), "application/json")[0]))
        assert request.images == (
            ImageRequest(source, LabelOptions(top_k, minimum)),
            ImageRequest(source, LabelOptions(min_probability=minimum)),
        )

    @given(st.builds(ImageRequest, st.builds(Url, addresses), label_options))
    @patient
    def test_a_query_means_the_same_in_every_event(self, image: ImageRequest) -> None:
        # Numbers and switches as JSON spells them.
        query = {
            name: json.dumps(value) if name in OPTIONS else value
            for name, value in table(image).items()
        }
        many = {name: [value] for name, value in query.items()}
        for event in (
            rest("GET", queryStringParameters=query),
            rest("GET", queryStringParameters=query, multiValueQueryStringParameters=many),
            http("GET", rawQueryString=urlencode(query)),
        ):
            assert parse_predict(read_event(event)).images == (image,)

    @given(st.binary(min_size=1), st.sampled_from(["image/jpeg", "image/png", "IMAGE/WEBP; q=1"]))
    @patient
    def test_a_body_arrives_byte_by_byte(self, body: bytes, content_type: str) -> None:
        for event in posts(body, content_type):
            assert parse_predict(read_event(event)).images == (ImageRequest(Body(body)),)

    @given(json_values)
    @patient
    def test_any_json_is_a_request_or_says_why_not(self, value: Any) -> None:
        self.check(posts(json.dumps(value).encode(), "application/json"))

    @given(st.binary(max_size=60) | encodable.map(str.encode))
    @patient
    def test_any_bytes_are_a_request_or_say_why_not(self, body: bytes) -> None:
        self.check(posts(body, "application/json"))

    @given(st.dictionaries(st.sampled_from(["url", *OPTIONS]) | text, text))
    @patient
    def test_any_query_is_a_request_or_says_why_not(self, query: dict[str, str]) -> None:
        self.check([rest("GET", queryStringParameters=query)])

    @given(text)
    @patient
    def test_any_raw_query_is_a_request_or_says_why_not(self, query: str) -> None:
        self.check([http("GET", rawQueryString=query)])

    @given(
        json_values,
        st.sampled_from([rest("GET"), rest("POST"), http("GET"), http("POST")]),
        st.sampled_from(
            ["headers", "body", "isBase64Encoded", "queryStringParameters", "rawQueryString",
             "multiValueQueryStringParameters", "requestContext", "path", "rawPath", "resource",
             "version"]
        ),
    )  # fmt: skip
    @patient
    def test_any_member_of_an_event_may_be_anything(
        self, value: Any, event: dict[str, Any], name: str
    ) -> None:
        self.check([event | {name: value}])

    def check(self, events: list[dict[str, Any]]) -> None:
        for event in events:
            try:
                request = parse_predict(read_event(event))
            except (InvalidRequest, UnsupportedImageType) as error:
                tell(error)
                continue
            assert 1 <= len(request.images) <= MAX_IMAGES
            for image in request.images:
                assert type(image.options.top_k) is int
                assert 1 <= image.options.top_k <= MAX_TOP_K
                assert 0 <= image.options.min_probability <= 1
                assert type(image.options.embedding) is type(image.options.explain) is bool
                assert isinstance(image.source, Body | Base64 | Url)


PHOTO = images.photograph(48, 32)
KINDS: dict[str, tuple[str, dict[str, Any]]] = {
    "jpeg": ("JPEG", {}),
    "progressive jpeg": ("JPEG", {"progressive": True}),
    "jpeg with restarts": ("JPEG", {"restart_marker_blocks": 1}),
    "png": ("PNG", {}),
    "webp": ("WEBP", {}),
    "lossless webp": ("WEBP", {"lossless": True}),
    "webp with metadata": ("WEBP", {"icc_profile": b"profile"}),
}
WHOLE = {name: images.encode(PHOTO, kind, **options) for name, (kind, options) in KINDS.items()}
WHOLE["animated webp"] = images.encode(
    PHOTO, "WEBP", save_all=True, append_images=[images.photograph(48, 32, seed=1)]
)
LIMITS = Limits(bytes=1 << 20, pixels=1 << 20)
PREPROCESSING = Preprocessing(size=32, resize=40, fit="crop")
whole = st.sampled_from(sorted(WHOLE.values()))


@st.composite
def damaged(draw: st.DrawFn) -> bytes:
    """A whole image after a few accidents."""
    data = bytearray(draw(whole))
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, max(0, len(data) - 1)))
        match draw(st.sampled_from(["flip", "cut", "insert", "remove", "repeat"])):
            case "flip":
                data[at : at + 1] = draw(st.binary(min_size=1, max_size=1))
            case "cut":
                del data[at:]
            case "insert":
                data[at:at] = draw(st.binary(max_size=20))
            case "remove":
                del data[at : at + draw(st.integers(1, 40))]
            case "repeat":
                data[at:at] = data[at : at + draw(st.integers(1, 200))]
    return bytes(data)


class TestImages:
    @given(st.integers(1, 300), st.integers(1, 300), st.sampled_from(sorted(KINDS)))
    @settings(patient, max_examples=60)
    def test_the_size_is_what_pillow_sees(self, width: int, height: int, name: str) -> None:
        kind, options = KINDS[name]
        data = images.encode(images.plain((9, 99, 199), (width, height)), kind, **options)
        header = read_header(data)
        with Image.open(io.BytesIO(data)) as seen:
            assert (header.width, header.height) == seen.size == (width, height)
            assert seen.format is not None
            assert header.type == seen.format.lower()

    @pytest.mark.parametrize("name", WHOLE)
    def test_a_part_is_refused_or_lacks_no_pixel(self, name: str) -> None:
        data = WHOLE[name]
        expected = to_tensor(data, PREPROCESSING, LIMITS)
        for end in (*range(0, len(data) - 40, 7), *range(len(data) - 40, len(data))):
            with suppress(UndecodableImage, UnsupportedImageType):
                tensor = to_tensor(data[:end], PREPROCESSING, LIMITS)
                np.testing.assert_array_equal(tensor, expected)

    @given(whole, st.binary(max_size=400))
    @patient
    def test_what_follows_an_image_changes_nothing(self, data: bytes, more: bytes) -> None:
        assert read_header(data + more) == read_header(data)
        np.testing.assert_array_equal(
            to_tensor(data + more, PREPROCESSING, LIMITS), to_tensor(data, PREPROCESSING, LIMITS)
        )

    @given(st.binary(max_size=200) | damaged())
    @patient
    def test_any_bytes_have_a_header_or_say_why_not(self, data: bytes) -> None:
        try:
            header = read_header(data)
        except (UndecodableImage, UnsupportedImageType) as error:
            tell(error)
            return
        assert header.width > 0
        assert header.height > 0
        assert 1 <= header.orientation <= 8

    @given(damaged())
    @settings(patient, max_examples=300)
    def test_a_damaged_image_is_a_tensor_or_says_why_not(self, data: bytes) -> None:
        try:
            tensor = to_tensor(data, PREPROCESSING, LIMITS)
        except RequestError as error:
            tell(error)
            return
        assert tensor.shape == (3, 32, 32)
        assert np.isfinite(tensor).all()

    @given(st.integers(1, 8), st.sampled_from(["JPEG", "PNG", "WEBP"]))
    @patient
    def test_every_orientation_is_turned_upright(self, orientation: int, kind: str) -> None:
        exif = Image.Exif()
        exif[0x0112] = orientation
        options: dict[str, dict[str, Any]] = {
            "WEBP": {"lossless": True},
            "JPEG": {"quality": 100, "subsampling": 0},
        }
        data = images.encode(PHOTO, kind, exif=exif, **options.get(kind, {}))
        upright = images.encode(Image.fromarray(images.pixels(data)), "PNG")
        squash = Preprocessing(size=48, resize=48)
        tensor, expected = (to_tensor(each, squash, LIMITS) for each in (data, upright))
        assert np.abs(tensor - expected).mean() < 1.5


SIZE = 64 * 1024
JPEG = WHOLE["jpeg"]
SCAN = JPEG.index(b"\xff\xda") + 14
LONG: dict[str, bytes] = {
    "JPEG, fill bytes": b"\xff\xd8" + b"\xff" * SIZE,
    "JPEG, restart markers": b"\xff\xd8\xff" + b"\xd0\xff" * (SIZE // 2),
    "JPEG, empty segments": b"\xff\xd8" + b"\xff\xe0\x00\x02" * (SIZE // 4),
    "JPEG, fill bytes in a scan": JPEG[:SCAN] + b"\xff" * SIZE + b"\x00",
    "JPEG, stuffed bytes in a scan": JPEG[:SCAN] + b"\xff\x00" * (SIZE // 2),
    "JPEG, restarts in a scan": JPEG[:SCAN] + b"\xff\xd0" * (SIZE // 2),
    "PNG, empty chunks": WHOLE["png"][:33] + images.png_chunk(b"IDAT", b"") * (SIZE // 12),
    "WebP, empty chunks": images.webp(images.webp_canvas(1, 1), b"abcd\0\0\0\0" * (SIZE // 8)),
    "WebP, EXIF entries": images.webp(
        images.webp_canvas(1, 1),
        images.webp_chunk(b"EXIF", b"II*\0\x08\0\0\0\xff\xff" + bytes(SIZE)),
    ),
}  # fmt: skip


@pytest.mark.parametrize("data", LONG.values(), ids=LONG)
def test_a_long_file_takes_time_in_proportion(data: bytes) -> None:
    """64 KiB of the worst there is: milliseconds, where a square would take many seconds."""
    start = time.process_time()
    with suppress(UndecodableImage, UnsupportedImageType):
        read_header(data)
    assert time.process_time() - start < 0.5


def progressive_of_empty_scans(width: int, height: int) -> bytes:
    """A progressive JPEG without its end marker, in which a byte stands for many blocks."""
    data = images.encode(images.plain((0, 0, 0), (width, height)), "JPEG", progressive=True)
    return data[:-2]


def test_looking_for_a_missing_end_takes_a_time_that_is_limited() -> None:
    """48 KB for 36 megapixels: counting all of its blocks in all of its scans would take longer."""
    data = progressive_of_empty_scans(6000, 6000)
    limits = Limits(bytes=1 << 20, pixels=40_000_000)
    before = time.process_time()
    with pytest.raises(UndecodableImage, match="cut off"):
        to_tensor(data, PREPROCESSING, limits)
    assert time.process_time() - before < 4


def test_a_png_that_inflates_without_end_is_given_up() -> None:
    """A megabyte of pixel data for a gigabyte of pixels, of which the header knows nothing."""
    megabyte = bytes(1 << 20)
    deflate = zlib.compressobj(9)
    start = deflate.compress(megabyte) + deflate.flush(zlib.Z_FULL_FLUSH)
    again = deflate.compress(megabyte) + deflate.flush(zlib.Z_FULL_FLUSH)
    pixel_data = images.png_chunk(b"IDAT", start + again * 950)
    data = images.png(24, 16, pixel_data, images.png_chunk(b"IEND", b""))
    assert len(data) < LIMITS.bytes
    before = time.process_time()
    with suppress(UndecodableImage):
        to_tensor(data, PREPROCESSING, LIMITS)
    assert time.process_time() - before < 1


def test_a_png_that_goes_on_after_its_end_takes_no_gigabytes() -> None:
    """Without pixels, OpenCV reads on beyond the end, and what follows becomes a length."""
    data = images.png(24, 16, images.png_chunk(b"IEND", b"")) + b"\x7f" * 352
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(UndecodableImage):
        to_tensor(data, PREPROCESSING, LIMITS)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 50_000  # kB
