"""Where the bytes come from, with a downloader and an S3 client that the tests hold."""

import pytest

from classifier.config import Settings
from classifier.errors import (
    FetchFailed,
    FetchTimeout,
    ImageTooLarge,
    InvalidRequest,
    RequestError,
    UrlNotAllowed,
)
from classifier.fetch.sources import (
    Base64,
    Body,
    Fetcher,
    Source,
    Url,
    decode_base64,
    kind,
    parse_address,
)
from classifier.location import S3Object, S3Prefix
from classifier.net.deadline import Deadline
from classifier.s3.errors import ObjectMissing, ObjectTooLarge, S3Error, S3Timeout

SETTINGS = Settings(
    model_uri=S3Prefix("models", "m"),
    s3_read_buckets=frozenset({"images"}),
    max_image_bytes=10,
)


class Downloads:
    """A downloader that answers with its arguments."""

    def get(self, url: str, deadline: Deadline) -> bytes:
        return f"{url} {deadline.at}".encode()


class Objects:
    """An S3 client over a dictionary of keys; an exception in it is raised."""

    def __init__(self, objects: dict[str, bytes | Exception]) -> None:
        self.objects = objects

    def get(self, source: S3Object, deadline: Deadline, *, max_bytes: int | None = None) -> bytes:
        assert source.bucket == "images"
        assert deadline.at == 7.5
        assert max_bytes == 10
        answer = self.objects[source.key]
        if isinstance(answer, Exception):
            raise answer
        return answer


def fetcher(objects: dict[str, bytes | Exception] | None = None) -> Fetcher:
    return Fetcher(SETTINGS, Downloads(), Objects(objects or {}))  # type: ignore[arg-type]


# Seven and a half seconds from now, on a clock that stands still.
DEADLINE = Deadline(7.5, lambda: 0.0)


@pytest.mark.parametrize(
    ("source", "word", "data"),
    [
        (Body(b"bytes"), "body", b"bytes"),
        (Base64("aGVsbG8="), "base64", b"hello"),
        (parse_address("https://example.com/a"), "url", b"https://example.com/a 7.5"),
        (parse_address("s3://images/a/b.jpg"), "s3", b"0123456789"),
        (parse_address("S3://images/a/b.jpg"), "s3", b"0123456789"),
    ],
)
def test_every_source_becomes_bytes(source: Source, word: str, data: bytes) -> None:
    assert kind(source) == word
    assert fetcher({"a/b.jpg": b"0123456789"}).fetch(source, DEADLINE) == data


def test_the_time_out_of_a_download_is_the_earlier_deadline() -> None:
    late = Deadline(99.0, lambda: 0.0)
    assert fetcher().fetch(Url("https://a"), late) == b"https://a 10.0"


@pytest.mark.parametrize("key", ["/x.jpg", "x.jpg/", "//", "a%20b", "a?b#c", " é "])
def test_s3_keys_are_taken_to_the_letter(key: str) -> None:
    source = parse_address(f"s3://images/{key}")
    assert source == S3Object("images", key)
    assert fetcher({key.strip("/"): b"2", key: b"1"}).fetch(source, DEADLINE) == b"1"


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
def test_s3_errors_become_request_errors(url: str, error: type[RequestError]) -> None:
    objects = {
        "eleven": ObjectTooLarge("it has 11 bytes"),
        "missing": ObjectMissing("NoSuchKey"),
        "forbidden": ObjectMissing("AccessDenied"),
        "unreachable": S3Error("the connection failed"),
        "slow": S3Timeout("nothing came"),
    }
    with pytest.raises(error) as caught:
        fetcher(objects).fetch(parse_address(url), DEADLINE)
    assert url.removeprefix("s3://") not in str(caught.value) or url == "s3://"


@pytest.mark.parametrize("reason", ["AccessDenied", "S3 answered 301: the bucket is in us-east-1"])
def test_the_log_says_why_an_object_was_not_read(
    caplog: pytest.LogCaptureFixture, reason: str
) -> None:
    with caplog.at_level("WARNING"), pytest.raises(FetchFailed) as caught:
        fetcher({"secret-key": S3Error(reason)}).fetch(S3Object("images", "secret-key"), DEADLINE)
    [record] = caplog.records
    assert reason in record.getMessage()
    assert record.bucket == "images"  # type: ignore[attr-defined]
    assert "secret-key" not in record.getMessage()
    assert reason not in str(caught.value)


def test_missing_and_forbidden_objects_answer_alike() -> None:
    objects = {"missing": ObjectMissing("NoSuchKey"), "forbidden": ObjectMissing("AccessDenied")}
    answers = set()
    for key in objects:
        with pytest.raises(FetchFailed) as caught:
            fetcher(objects).fetch(S3Object("images", key), DEADLINE)
        answers.add(str(caught.value))
    assert len(answers) == 1


@pytest.mark.parametrize(
    "text",
    [
        "//79", "__79", "//79\n", "//\r\n79", " //79 ", "data:image/png;base64,//79",
        "data:;base64,__79", "data:image/jpeg;charset=utf-8;base64,//79",
    ],
)  # fmt: skip
def test_base64_in_every_spelling(text: str) -> None:
    assert decode_base64(text) == b"\xff\xfe\xfd"


@pytest.mark.parametrize("text", ["aGk=", "aGk", "aGk=\n", "aG\nk", "aG k=", "data:a;base64,aGk"])
def test_base64_with_and_without_padding(text: str) -> None:
    assert decode_base64(text) == b"hi"


@pytest.mark.parametrize(
    "text", ["a", "é", "aGk=aGk=", "====", "\n", "aG.k", "data:image/png,aGk=", "data:,"]
)
def test_text_that_is_not_base64_is_refused(text: str) -> None:
    with pytest.raises(InvalidRequest, match=r"^'image' is not base64\.$"):
        decode_base64(text)
