"""Where the bytes come from, with a downloader and an S3 client that the tests hold."""

import pytest

from classifier.config import S3Prefix, Settings
from classifier.errors import (
    FetchFailed,
    FetchTimeout,
    ImageTooLarge,
    InvalidRequest,
    RequestError,
    UrlNotAllowed,
)
from classifier.fetch.sources import Base64, Body, Fetcher, Source, Url, decode_base64
from classifier.s3 import client as s3

SETTINGS = Settings(
    model_uri=S3Prefix("models", "m"),
    s3_read_buckets=frozenset({"images"}),
    max_image_bytes=10,
)


class Downloads:
    """A downloader that answers with what it was asked."""

    def get(self, url: str, *, deadline: float | None = None) -> bytes:
        return f"{url} {deadline}".encode()


class Objects:
    """An S3 client over a dictionary of keys; an exception in it is raised."""

    def __init__(self, objects: dict[str, bytes | Exception]) -> None:
        self.objects = objects

    def get(self, bucket: str, key: str, *, deadline: float, max_bytes: int | None = None) -> bytes:
        assert bucket == "images"
        assert deadline == 7.5
        assert max_bytes == 10
        found = self.objects[key]
        if isinstance(found, Exception):
            raise found
        return found

    def renew(self) -> None:
        """There is nothing to renew."""


def fetcher(objects: dict[str, bytes | Exception] | None = None) -> Fetcher:
    return Fetcher(SETTINGS, Downloads(), Objects(objects or {}))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("source", "kind", "data"),
    [
        (Body(b"bytes"), "body", b"bytes"),
        (Base64("aGVsbG8="), "base64", b"hello"),
        (Url("https://example.com/a"), "url", b"https://example.com/a 7.5"),
        (Url("s3://images/a/b.jpg"), "s3", b"0123456789"),
        (Url("S3://images/a/b.jpg"), "s3", b"0123456789"),
    ],
)
def test_every_source(source: Source, kind: str, data: bytes) -> None:
    assert source.kind == kind
    assert fetcher({"a/b.jpg": b"0123456789"}).fetch(source, 7.5) == data


@pytest.mark.parametrize(
    ("url", "error"),
    [
        ("s3://", InvalidRequest),
        ("s3://images", InvalidRequest),
        ("s3://images/", InvalidRequest),
        ("s3://UPPER/a", InvalidRequest),
        ("s3://models/m/manifest.json", UrlNotAllowed),
        ("s3://images/eleven", ImageTooLarge),
        ("s3://images/missing", FetchFailed),
        ("s3://images/forbidden", FetchFailed),
        ("s3://images/unreachable", FetchFailed),
        ("s3://images/slow", FetchTimeout),
    ],
)
def test_refusals_of_s3(url: str, error: type[RequestError]) -> None:
    objects = {
        "eleven": s3.TooLarge("it has 11 bytes"),
        "missing": s3.Missing("NoSuchKey"),
        "forbidden": s3.Missing("AccessDenied"),
        "unreachable": s3.S3Error("the connection failed"),
        "slow": s3.TooSlow("nothing came"),
    }
    with pytest.raises(error) as caught:
        fetcher(objects).fetch(Url(url), 7.5)
    assert url.removeprefix("s3://") not in str(caught.value) or url == "s3://"


def test_what_is_missing_and_what_is_forbidden_answer_alike() -> None:
    objects = {"missing": s3.Missing("NoSuchKey"), "forbidden": s3.Missing("AccessDenied")}
    answers = set()
    for key in objects:
        with pytest.raises(FetchFailed) as caught:
            fetcher(objects).fetch(Url(f"s3://images/{key}"), 7.5)
        answers.add(str(caught.value))
    assert len(answers) == 1


@pytest.mark.parametrize("text", ["a", "aGk", "aGk=\n", "aG k=", "-_==", "é", "aGk=aGk=", "===="])
def test_what_is_not_base64(text: str) -> None:
    with pytest.raises(InvalidRequest, match=r"^'image' is not base64\.$"):
        decode_base64(text)


def test_a_data_url_gets_a_hint() -> None:
    with pytest.raises(InvalidRequest, match="leave out what stands before the comma"):
        decode_base64("data:image/png;base64,aGk=")
