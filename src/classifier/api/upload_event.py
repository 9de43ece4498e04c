"""Events of S3 in messages of a queue become uploads."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote_plus

from classifier.errors import InvalidRequest
from classifier.fetch.sources import Source
from classifier.location import S3Object


@dataclass(frozen=True)
class Upload:
    """An object that arrived.

    Attributes:
        key: To the letter.
        etag: Without quotes; empty: unknown.
        version: Where the bucket keeps versions.
        sequencer: Orders the events of one key; empty: unknown.
    """

    bucket: str
    key: str
    etag: str = ""
    version: str | None = None
    sequencer: str = ""

    def object(self) -> S3Object:
        """The object, as long as it is the one that arrived."""
        return S3Object(self.bucket, self.key, f'"{self.etag}"' if self.etag else "")


@dataclass(frozen=True)
class Message:
    """A message of the queue.

    Attributes:
        id: The queue's.
        tries: How often it was delivered, this time included.
        upload: None: the message is about no upload.
    """

    id: str
    tries: int
    upload: Upload | None

    def source(self) -> Source:
        """Where the image is, or why nowhere."""
        if self.upload is None:
            return InvalidRequest("The message is no event of an object that was created.")
        return self.upload.object()


def parse_messages(event: Mapping[str, Any]) -> tuple[Message, ...]:
    """The messages that Lambda read from the queue.

    Raises:
        InvalidRequest: the event is not from a queue. A bad message raises nothing here.
    """
    records = event.get("Records")
    if not isinstance(records, list) or not records:
        raise InvalidRequest("'Records' should be a list of messages of a queue.")
    return tuple(_parse_message(record) for record in records)


def _parse_message(record: Mapping[str, Any]) -> Message:
    tries = int(record.get("attributes", {}).get("ApproximateReceiveCount", 1))
    try:
        upload = _parse_upload(json.loads(record["body"]))
    except (ValueError, LookupError, TypeError):
        upload = None
    return Message(record["messageId"], tries, upload)


def _parse_upload(body: Any) -> Upload:
    """The upload in an event of EventBridge, or in a notification that S3 sent to a queue itself.

    EventBridge has the key to the letter. A notification has it encoded as in a form.

    Raises:
        ValueError, LookupError, TypeError: it is neither.
    """
    if "detail" in body:
        detail, is_created = body["detail"], body["detail-type"] == "Object Created"
        key = detail["object"]["key"]
    else:
        [record] = body["Records"]
        detail, is_created = record["s3"], record["eventName"].startswith("ObjectCreated:")
        key = unquote_plus(detail["object"]["key"])
    bucket, entry = detail["bucket"]["name"], detail["object"]
    if not (is_created and isinstance(key, str) and key and isinstance(bucket, str) and bucket):
        raise ValueError("no object was created")
    return Upload(
        bucket,
        key,
        etag=entry.get("etag") or entry.get("eTag") or "",
        version=entry.get("version-id") or entry.get("versionId"),
        sequencer=entry.get("sequencer") or "",
    )
