"""Messages of the queue become uploads, and outcomes become results and events."""

import io
import itertools
import json
import random
import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier
from typing import Any
from urllib.parse import quote_plus

import boto3
import jsonschema
import numpy as np
import pytest
from botocore.exceptions import ClientError

from classifier import uploads
from classifier.api.upload_event import Message, Upload, parse_messages
from classifier.config import UploadSettings
from classifier.errors import (
    FetchFailed,
    FetchTimeout,
    ImageTooLarge,
    InternalError,
    InvalidRequest,
    NotFound,
    SettingsError,
    UndecodableImage,
    UnsupportedImageType,
    UrlNotAllowed,
)
from classifier.location import S3Object, S3Prefix
from classifier.model.labels import Label
from classifier.model.layers import Sizes
from classifier.outcome import Outcome, Outcomes
from classifier.publish.events import put_events
from classifier.publish.publisher import Publisher
from classifier.publish.results import Results
from classifier.publish.tags import tag
from classifier.s3.errors import ObjectDeleted, ObjectMissing, ObjectReplaced
from tools.local.s3 import LocalS3

RESULTS = S3Prefix("results", "uploads")
MODEL = {"model": {"name": "colors", "version": "1"}}
LABELS = (Label("n1", "red"), Label("", "green"))
UPLOAD = Upload("photos", "a b.jpg", "e1", "v1", "0A")
KEYS = [
    "a b.jpg",
    "a+b.jpg",
    "a%20b.jpg",
    "100%",
    "größe/写真 🖼.jpg",
    "/leading",
    "folder/",
    "x" * 1024,
    "ü" * 512,
]
PAGE = (Path(__file__).parents[2] / "docs" / "uploads.md").read_text()


def documented(kind: str) -> Any:
    """The block of docs/uploads.md that begins with ``json kind``."""
    [block] = re.findall(rf"```json {kind}\n(.*?)```", PAGE, re.DOTALL)
    return json.loads(block)


def event(key: str, **entry: Any) -> dict[str, Any]:
    return {
        "detail-type": "Object Created",
        "source": "aws.s3",
        "detail": {"bucket": {"name": "photos"}, "object": {"key": key} | entry},
    }


def notification(key: str, **entry: Any) -> dict[str, Any]:
    """What S3 itself sends to a queue: the key is encoded."""
    s3 = {"bucket": {"name": "photos"}, "object": {"key": quote_plus(key, safe="/")} | entry}
    return {"Records": [{"eventName": "ObjectCreated:CompleteMultipartUpload", "s3": s3}]}


def messages(*bodies: Any, tries: int = 1) -> dict[str, Any]:
    return {
        "Records": [
            {
                "messageId": str(number),
                "body": body if isinstance(body, str) else json.dumps(body),
                "attributes": {"ApproximateReceiveCount": str(tries)},
            }
            for number, body in enumerate(bodies)
        ]
    }


def answer(outcome: Outcome, upload: Upload | None = UPLOAD) -> uploads.Answer:
    message = Message("1", 1, upload)
    [done] = uploads.answers([message], Outcomes([outcome]), LABELS, MODEL)
    return done


def caused(error: Exception, cause: Exception) -> Exception:
    error.__cause__ = cause
    return error


def client_error(status: int, code: str = "X") -> ClientError:
    metadata = {"HTTPStatusCode": status}
    return ClientError({"Error": {"Code": code}, "ResponseMetadata": metadata}, "PutObject")


class FakeS3:
    """Objects with S3's conditions on writes. ``interrupt`` runs before each write."""

    def __init__(self) -> None:
        self.objects: dict[str, tuple[bytes, str]] = {}
        self.tags: dict[str, list[dict[str, str]]] = {}
        self.interrupt: Iterator[Any] = iter(())
        self._etags = (str(number) for number in itertools.count())

    def put_object(self, *, Key: str, Body: bytes, **more: Any) -> None:  # noqa: N803
        failure = next(self.interrupt, None)
        if callable(failure):
            failure()
        elif failure:
            raise failure
        before = self.objects.get(Key)
        if more.get("IfNoneMatch") == "*" and before:
            raise client_error(412)
        if "IfMatch" in more and not before:
            raise client_error(404)
        if "IfMatch" in more and before and before[1] != more["IfMatch"]:
            raise client_error(412)
        self.objects[Key] = Body, next(self._etags)

    def get_object(self, *, Key: str, Bucket: str) -> Any:  # noqa: N803
        if Key not in self.objects:
            raise client_error(403)
        body, etag = self.objects[Key]
        return {"Body": io.BytesIO(body), "ETag": etag}

    def get_object_tagging(self, *, Key: str, **_: Any) -> Any:  # noqa: N803
        if Key not in self.tags:
            raise client_error(404, "NoSuchKey")
        return {"TagSet": self.tags[Key]}

    def put_object_tagging(self, *, Key: str, Tagging: Any, **_: Any) -> None:  # noqa: N803
        self.tags[Key] = Tagging["TagSet"]


class FakeBus:
    """Takes at most ten entries, and of these all but the keys in ``refused``."""

    def __init__(self, refused: tuple[str, ...] = ()) -> None:
        self.entries: list[Any] = []
        self.refused = refused

    def put_events(self, *, Entries: list[Any]) -> Any:  # noqa: N803
        assert 1 <= len(Entries) <= 10
        self.entries += Entries
        return {
            "Entries": [
                {"ErrorCode": "InternalFailure"}
                if json.loads(entry["Detail"])["key"] in self.refused
                else {"EventId": "1"}
                for entry in Entries
            ]
        }


@pytest.mark.parametrize("key", KEYS)
@pytest.mark.parametrize("shape", [event, notification])
def test_keys_are_to_the_letter_encoded_or_not(key: str, shape: Any) -> None:
    [message] = parse_messages(messages(shape(key)))
    assert message.upload == Upload("photos", key)
    assert message.source() == S3Object("photos", key)


def test_an_event_of_a_versioned_bucket() -> None:
    members = {"etag": "abc-2", "version-id": "v7", "sequencer": "00AF", "size": 5}
    [message] = parse_messages(messages(event("a", **members), tries=3))
    assert message.upload == Upload("photos", "a", "abc-2", "v7", "00AF")
    assert message.tries == 3
    # It is read only while it is the object of the event.
    assert message.source() == S3Object("photos", "a", '"abc-2"')


@pytest.mark.parametrize(
    "body",
    [
        "no JSON",
        "[]",
        "7",
        "null",
        {"hello": "queue"},
        {"Service": "Amazon S3", "Event": "s3:TestEvent"},
        {"Records": []},
        event(""),
        event("a") | {"detail-type": "Object Deleted"},
        event("a") | {"detail": {"object": {"key": "a"}}},
        event("a") | {"detail": {"bucket": {"name": 7}, "object": {"key": "a"}}},
        event("a") | {"detail": {"bucket": {"name": "b"}, "object": {"key": None}}},
    ],
)
def test_a_message_about_no_upload_fails_alone(body: Any) -> None:
    parsed = parse_messages(messages(event("a"), body, event("b")))
    assert [message.upload is None for message in parsed] == [False, True, False]
    assert isinstance(parsed[1].source(), InvalidRequest)
    done = answer(Outcome(error=InvalidRequest("x")), None)
    assert (done.result, done.failure) == (None, "no-upload")


@pytest.mark.parametrize("batch", [{}, {"Records": []}, {"Records": "x"}])
def test_an_event_of_no_queue_is_refused(batch: dict[str, Any]) -> None:
    with pytest.raises(InvalidRequest):
        parse_messages(batch)


def test_images_are_isolated_once_a_message_is_delivered_again() -> None:
    first = parse_messages(messages(event("a"), event("b")))
    again = parse_messages(messages(event("c"), tries=2))
    assert not uploads.was_lost(first)
    assert uploads.was_lost((*first, *again))


def test_a_result_has_the_members_of_a_batchs_line_and_the_objects() -> None:
    done = answer(Outcome(np.array([0.9, 0.1], np.float32)))
    assert done.failure == ""
    assert done.result == {
        "bucket": "photos",
        "key": "a b.jpg",
        "etag": "e1",
        "version": "v1",
        "sequencer": "0A",
        "model": {"name": "colors", "version": "1"},
        "labels": [
            {"class": "n1", "label": "red", "probability": 0.9},
            {"class": "green", "label": "green", "probability": 0.1},
        ],
    }


@pytest.mark.parametrize("error", [ImageTooLarge, UndecodableImage, UnsupportedImageType, NotFound])
def test_what_the_image_is_to_blame_for_is_a_result(error: Any) -> None:
    done = answer(Outcome(error=error("x")))
    assert done.failure == ""
    assert done.result
    assert done.result["error"]["code"] == error.code
    assert uploads.refusals([done, done]) == {error.code: 2}


@pytest.mark.parametrize("error", [FetchFailed, FetchTimeout, InternalError, UrlNotAllowed])
def test_what_may_pass_is_delivered_again(error: Any) -> None:
    done = answer(Outcome(error=error("x")))
    assert (done.result, done.failure) == (None, error.code)


def test_a_deleted_object_is_not_found_and_a_forbidden_one_fails() -> None:
    deleted = caused(FetchFailed("x"), ObjectDeleted("NoSuchKey"))
    done = answer(Outcome(error=deleted))
    assert done.result
    assert done.result["error"]["code"] == "not-found"
    forbidden = caused(FetchFailed("x"), ObjectMissing("AccessDenied"))
    assert answer(Outcome(error=forbidden)).failure == "fetch-failed"


def test_of_an_object_that_was_replaced_nothing_is_published() -> None:
    done = answer(Outcome(error=caused(FetchFailed("x"), ObjectReplaced("PreconditionFailed"))))
    assert (done.result, done.failure) == (None, "")


@pytest.mark.parametrize(
    ("ours", "theirs", "wins"),
    [
        (("0B", "e2"), ("0A", "e1"), True),
        (("0A", "e1"), ("0B", "e2"), False),
        # S3: the shorter one gets zeros on its right.
        (("1", "e2"), ("0F", "e1"), True),
        (("0F", "e1"), ("1", "e2"), False),
        (("0a", "e1"), ("0A00", "e1"), False),
        # The same event again.
        (("0A", "e1"), ("0A", "e1"), False),
        # No sequencers: the bytes that are there now win.
        (("", "e2"), ("", "e1"), True),
        (("", "e1"), ("", "e1"), False),
    ],
)
def test_the_newer_result_stays(ours: tuple[str, str], theirs: tuple[str, str], wins: bool) -> None:
    one, other = ({"sequencer": each[0], "etag": each[1]} for each in (ours, theirs))
    assert uploads.replaces(one, other) is wins
    assert uploads.replaces(one, {}) is True


@pytest.mark.parametrize("key", KEYS)
def test_every_key_has_a_result_of_its_own(key: str) -> None:
    location = uploads.result_location(Upload("photos", key), RESULTS)
    assert location.bucket == "results"
    assert location.key.startswith("uploads/photos/")
    assert location.key.endswith(".json")
    assert len(location.key.encode()) <= 1024
    if len(key) < 500:
        assert location.key == f"uploads/photos/{key}.json"
    assert not uploads.is_below(Upload("photos", key), RESULTS)
    assert uploads.is_below(Upload(location.bucket, location.key), RESULTS)


def test_long_keys_that_begin_alike_have_different_results() -> None:
    places = {
        uploads.result_location(Upload("photos", "x" * 1023 + end), RESULTS).key for end in "ab"
    }
    assert len(places) == 2


def test_the_events_have_the_documented_detail() -> None:
    good = answer(Outcome(np.array([0.1, 0.9], np.float32))).result
    bad = answer(Outcome(error=UndecodableImage("x"))).result
    assert good
    assert bad
    location = S3Object("results", "uploads/photos/a b.jpg.json")
    kinds = {}
    for result in (good, bad):
        entry = uploads.event_entry(result, location)
        detail = json.loads(entry["Detail"])
        jsonschema.validate(detail, documented("schema"))
        assert entry["Source"] == "image-classification"
        assert detail["result"] == "s3://results/uploads/photos/a b.jpg.json"
        kinds[entry["DetailType"]] = detail
    assert set(kinds) == {"Image Classified", "Image Refused"}
    assert kinds["Image Classified"]["best"] == {
        "class": "green",
        "label": "green",
        "probability": 0.9,
    }
    assert "best" not in kinds["Image Refused"]


def test_the_documented_rule_takes_sure_persons_alone(s3_server: LocalS3, s3: Any) -> None:
    sqs, bus = (boto3.client(name, endpoint_url=s3_server.url) for name in ("sqs", "events"))
    queue = sqs.create_queue(QueueName="persons")["QueueUrl"]
    names = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])
    bus.put_rule(Name="persons", EventPattern=json.dumps(documented("pattern")))
    target = {"Id": "1", "Arn": names["Attributes"]["QueueArn"]}
    bus.put_targets(Rule="persons", Targets=[target])
    entries = []
    for key, label, probability in (
        ("sure", "person", 0.95),
        ("unsure", "person", 0.6),
        ("other", "cat", 0.95),
    ):
        labels = [
            {"label": label, "probability": probability},
            {"label": "person", "probability": 0.01},
        ]
        members = {"key": key, "etag": "", "sequencer": "", "labels": labels}
        entries.append(uploads.event_entry(members, PLACE))
    assert put_events(bus, entries) == ["", "", ""]
    received = sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=10)["Messages"]
    assert [json.loads(each["Body"])["detail"]["key"] for each in received] == ["sure"]
    for client in (sqs, bus):
        client.close()


def result(sequencer: int, etag: str = "") -> dict[str, Any]:
    return {"sequencer": f"{sequencer:04X}", "etag": etag or f"e{sequencer}", "key": "k"}


PLACE = S3Object("results", "uploads/photos/k.json")


def test_an_older_result_never_replaces_a_newer_one() -> None:
    s3 = FakeS3()
    results = Results(s3, uploads.replaces)
    for sequencer, stays in ((2, 2), (1, 2), (3, 3), (2, 3), (3, 3)):
        assert results.write(PLACE, result(sequencer)) == result(stays)
        assert json.loads(s3.objects[PLACE.key][0]) == result(stays)


def test_a_newer_result_that_is_written_in_between_stays() -> None:
    s3 = FakeS3()
    results = Results(s3, uploads.replaces)
    results.write(PLACE, result(1))
    newest = json.dumps(result(9)).encode()

    def overtake() -> None:
        s3.objects[PLACE.key] = newest, "overtaken"

    s3.interrupt = iter([None, overtake])
    assert results.write(PLACE, result(5)) == result(9)
    assert s3.objects[PLACE.key][0] == newest


@pytest.mark.parametrize("status", [404, 409, 412])
def test_a_write_that_lost_is_tried_again(status: int) -> None:
    s3 = FakeS3()
    s3.interrupt = iter([client_error(status)])
    assert Results(s3, uploads.replaces).write(PLACE, result(1)) == result(1)
    assert PLACE.key in s3.objects


def test_a_forbidden_write_is_an_error_at_once_and_a_hopeless_one_at_last() -> None:
    s3 = FakeS3()
    s3.interrupt = iter([client_error(403)])
    with pytest.raises(ClientError):
        Results(s3, uploads.replaces).write(PLACE, result(1))
    s3.interrupt = itertools.repeat(client_error(412))
    with pytest.raises(ClientError):
        Results(s3, uploads.replaces).write(PLACE, result(1))


@pytest.mark.parametrize("body", [b"no JSON", b"[]", b"{}"])
def test_what_is_no_result_is_replaced(body: bytes) -> None:
    s3 = FakeS3()
    s3.objects[PLACE.key] = body, "x"
    assert Results(s3, uploads.replaces).write(PLACE, result(1)) == result(1)


@pytest.mark.parametrize("seed", range(5))
def test_writers_at_once_leave_the_newest_result_in_s3(s3: Any, seed: int) -> None:
    """Against moto's S3, whose conditions on writes are its own."""
    s3.create_bucket(Bucket="results")
    results = Results(s3, uploads.replaces)
    sequencers = list(range(1, 9))
    random.Random(seed).shuffle(sequencers)
    barrier = Barrier(len(sequencers))

    def write(sequencer: int) -> None:
        barrier.wait()
        results.write(PLACE, result(sequencer))

    with ThreadPoolExecutor(len(sequencers)) as pool:
        list(pool.map(write, sequencers))
    body = s3.get_object(Bucket=PLACE.bucket, Key=PLACE.key)["Body"].read()
    assert json.loads(body) == result(8)


def publisher(s3: Any, bus: Any, *, tags: bool = False) -> Publisher:
    return Publisher(UploadSettings(RESULTS, tags), s3, bus)


def image(key: str, sequencer: str = "0A", number: int = 0) -> uploads.Answer:
    outcome = Outcome(np.array([0.8, 0.2], np.float32))
    upload = Upload("photos", key, f"e{sequencer}", None, sequencer)
    [done] = uploads.answers(
        [Message(f"{key}{number}", 1, upload)], Outcomes([outcome]), LABELS, MODEL
    )
    return done


def test_results_are_stored_and_announced() -> None:
    s3, bus = FakeS3(), FakeBus()
    answers = [image(f"{number}.jpg") for number in range(16)]
    assert publisher(s3, bus).publish(answers) == {}
    assert len(s3.objects) == 16
    assert {json.loads(each["Detail"])["key"] for each in bus.entries} == {
        f"{number}.jpg" for number in range(16)
    }


def test_a_repeated_event_is_announced_again_and_an_older_one_is_not() -> None:
    s3, bus = FakeS3(), FakeBus()
    assert publisher(s3, bus).publish([image("a", "0B")]) == {}
    assert publisher(s3, bus).publish([image("a", "0B", 1)]) == {}
    assert publisher(s3, bus).publish([image("a", "0A", 2)]) == {}
    assert [json.loads(each["Detail"])["sequencer"] for each in bus.entries] == ["0B", "0B"]


def test_an_event_that_was_not_taken_is_delivered_again() -> None:
    s3, bus = FakeS3(), FakeBus(refused=("b",))
    failures = publisher(s3, bus).publish([image("a"), image("b"), image("c")])
    assert failures == {"b0": "event-not-sent"}


def test_when_the_bus_does_not_answer_all_are_delivered_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    bus = FakeBus()

    def fail(**_: Any) -> None:
        raise client_error(500)

    monkeypatch.setattr(bus, "put_events", fail)
    failures = publisher(FakeS3(), bus).publish([image("a"), image("b")])
    assert failures == {"a0": "event-not-sent", "b0": "event-not-sent"}


def test_a_result_that_cannot_be_stored_is_not_announced() -> None:
    s3, bus = FakeS3(), FakeBus()
    s3.interrupt = itertools.repeat(client_error(403))
    assert publisher(s3, bus).publish([image("a")]) == {"a0": "result-not-stored"}
    assert bus.entries == []


def test_failures_are_handed_on_and_nothing_of_them_is_published() -> None:
    s3, bus = FakeS3(), FakeBus()
    failed = uploads.Answer("1", UPLOAD, failure="fetch-timeout")
    assert publisher(s3, bus).publish([failed, uploads.Answer("2", UPLOAD)]) == {
        "1": "fetch-timeout"
    }
    assert (s3.objects, bus.entries) == ({}, [])


def test_a_result_is_never_an_upload() -> None:
    s3, bus = FakeS3(), FakeBus()
    upload = Upload(RESULTS.bucket, "uploads/photos/a.json", "e", None, "0A")
    refused = uploads.Answer("1", upload, {"sequencer": "0A", "etag": "e", "error": {}})
    assert publisher(s3, bus).publish([refused]) == {}
    assert (s3.objects, bus.entries) == ({}, [])


def test_put_events_of_nothing_asks_nobody() -> None:
    assert put_events(None, []) == []


def test_tags_are_added_to_those_that_are_there() -> None:
    s3 = FakeS3()
    s3.tags["a"] = [{"Key": "owner", "Value": "me"}, {"Key": "label", "Value": "old"}]
    publisher(s3, FakeBus(), tags=True).publish([image("a")])
    assert {each["Key"]: each["Value"] for each in s3.tags["a"]} == {
        "owner": "me",
        "label": "red",
        "probability": "0.8",
    }


def test_objects_are_not_tagged_unless_asked() -> None:
    s3 = FakeS3()
    s3.tags["a"] = []
    publisher(s3, FakeBus()).publish([image("a")])
    assert s3.tags["a"] == []


def test_a_label_becomes_a_value_that_s3_takes() -> None:
    s3 = FakeS3()
    s3.tags["a"] = []
    tag(s3, "photos", "a", None, {"label": 'tabby, tabby cat ("x")' + "y" * 300, "probability": 1})
    value = s3.tags["a"][0]["Value"]
    assert value.startswith("tabby  tabby cat")
    assert len(value) <= 256
    assert not set(value) & set(',()"')


def test_an_object_with_too_many_tags_or_none_at_all_keeps_its_result() -> None:
    s3 = FakeS3()
    s3.tags["full"] = [{"Key": str(number), "Value": ""} for number in range(9)]
    assert publisher(s3, FakeBus(), tags=True).publish([image("full"), image("gone")]) == {}
    assert len(s3.tags["full"]) == 9
    assert len(s3.objects) == 2


def test_settings_name_their_variable() -> None:
    settings = UploadSettings.from_env({"UPLOAD_RESULTS": "s3://results/u", "TAG_UPLOADS": "true"})
    assert settings == UploadSettings(S3Prefix("results", "u"), True)
    with pytest.raises(SettingsError, match=r"^UPLOAD_RESULTS"):
        UploadSettings.from_env({})
    with pytest.raises(SettingsError, match=r"^TAG_UPLOADS='yes'"):
        UploadSettings.from_env({"UPLOAD_RESULTS": "s3://results/u", "TAG_UPLOADS": "yes"})


def test_results_hold_embeddings_and_events_do_not() -> None:
    settings = UploadSettings.from_env(
        {"UPLOAD_RESULTS": "s3://results/u", "EMBED_UPLOADS": "true"}
    )
    options = uploads.label_options(settings, Sizes(classes=2, embedding=2))
    outcome = Outcome(
        np.array([0.8, 0.2], np.float32), np.array([3, 4], np.float32), options=options
    )
    result = answer(outcome).result
    assert result
    assert result["embedding"] == [0.6, 0.8]
    entry = uploads.event_entry(result, S3Object("results", "u/a.json"))
    detail = json.loads(entry["Detail"])
    assert "embedding" not in detail
    assert detail["best"] == detail["labels"][0]


def test_embeddings_of_uploads_need_a_model_that_has_them() -> None:
    settings = UploadSettings(S3Prefix("results", "u"), embed_uploads=True)
    with pytest.raises(SettingsError, match=r"^EMBED_UPLOADS='true': this model has no embedding"):
        uploads.label_options(settings, Sizes(classes=2))
    without = UploadSettings(S3Prefix("results", "u"))
    assert not uploads.label_options(without, Sizes(classes=2)).needs_layers
