"""Images that arrive in a bucket: messages of a queue in, results and events out. No I/O.

S3 tells EventBridge of each new object, and EventBridge puts that event into the queue. All of them
deliver at least once and in any order. So an image is read only while it is still the one of the
event, and ``replaces`` says which of two results for a key stays.
"""

import hashlib
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from classifier.api.upload_event import Message, Upload
from classifier.config import UploadSettings
from classifier.errors import (
    ImageTooLarge,
    NotFound,
    SettingsError,
    UndecodableImage,
    UnsupportedImageType,
    describe,
)
from classifier.location import S3Object, S3Prefix
from classifier.model.labels import Label, LabelOptions
from classifier.s3.errors import ObjectDeleted, ObjectReplaced

if TYPE_CHECKING:  # the pipeline brings NumPy and OpenCV, which start-up imports later
    from classifier.model.layers import Sizes
    from classifier.outcome import Outcome, Outcomes

SOURCE = "image-classification"
CLASSIFIED, REFUSED = "Image Classified", "Image Refused"
# Errors of the image itself. After any other the message is delivered again.
_FINAL = (ImageTooLarge, UndecodableImage, UnsupportedImageType, NotFound)
# Of a key, in UTF-8. https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-keys.html
_MAX_KEY_BYTES = 1024

type Result = dict[str, Any]


@dataclass(frozen=True)
class Answer:
    """What becomes of a message.

    Attributes:
        upload: None: the message is about no upload.
        result: To publish; None: nothing is.
        failure: Why the message should be delivered again; empty: it is done.
    """

    message_id: str
    upload: Upload | None
    result: Result | None = None
    failure: str = ""


def label_options(settings: UploadSettings, sizes: "Sizes") -> LabelOptions:
    """What the results of uploads hold.

    Raises:
        SettingsError: they should hold embeddings, and the model has none.
    """
    if settings.embed_uploads and not sizes.embedding:
        raise SettingsError("EMBED_UPLOADS='true': this model has no embedding")
    return LabelOptions(embedding=settings.embed_uploads)


def was_lost(messages: Sequence[Message]) -> bool:
    """Whether one of the images may have ended the function.

    The messages of such a call are delivered again, all of them. From then on each image is decoded
    in a process of its own. So only one image is lost, and no other loses a second try.
    """
    return any(message.tries > 1 for message in messages)


def answers(
    messages: Sequence[Message],
    outcomes: "Outcomes",
    labels: tuple[Label, ...],
    model_info: Result,
) -> list[Answer]:
    """What becomes of each message; each result holds ``model_info``."""
    return [
        _answer(message, outcome, outcome.describe(labels), model_info)
        for message, outcome in zip(messages, outcomes.images, strict=True)
    ]


def refusals(answers: Sequence[Answer]) -> dict[str, int]:
    """How many images were refused, by the error's code."""
    results = [answer.result for answer in answers if answer.result]
    return dict(Counter(result["error"]["code"] for result in results if "error" in result))


def replaces(result: Result, stored: Mapping[str, Any]) -> bool:
    """Whether ``result`` takes the place of ``stored``, an earlier result for the same key.

    The later event wins. Of one event, or where sequencers say nothing, the first result stays. So
    an object that was deleted after it was classified keeps its labels when its event is repeated.
    """
    ours, theirs = _sequencers(result.get("sequencer"), stored.get("sequencer"))
    return ours > theirs or (ours == theirs and result["etag"] != stored.get("etag"))


def result_location(upload: Upload, results: S3Prefix) -> S3Object:
    """Where the result goes: ``bucket/key.json`` below ``results``.

    Of a key that is too long for that, the end is replaced by the SHA-256 of the whole key.
    """
    location = results.object(f"{upload.bucket}/{upload.key}.json")
    excess = len(location.key.encode()) - _MAX_KEY_BYTES
    if excess <= 0:
        return location
    digest = hashlib.sha256(upload.key.encode()).hexdigest()
    head = upload.key.encode()[: -(excess + len(digest) + 1)].decode(errors="ignore")
    return results.object(f"{upload.bucket}/{head}-{digest}.json")


def event_entry(result: Result, location: S3Object) -> dict[str, str]:
    """The entry of EventBridge's PutEvents for ``result``, which is stored at ``location``.

    Its detail is the result without the embedding, which no rule can match, the result's place, and
    as ``best`` the most probable label alone. A rule cannot say that two conditions hold for the
    same member of a list.
    """
    detail = result | {"result": str(location)}
    detail.pop("embedding", None)
    if result.get("labels"):
        detail["best"] = result["labels"][0]
    return {
        "Source": SOURCE,
        "DetailType": REFUSED if "error" in result else CLASSIFIED,
        "Detail": json.dumps(detail, ensure_ascii=False),
    }


def is_below(upload: Upload, results: S3Prefix) -> bool:
    """Whether the object is a result itself: these are never classified."""
    return upload.bucket == results.bucket and upload.key.startswith(f"{results.prefix}/")


def _answer(
    message: Message, outcome: "Outcome", description: Result, model_info: Result
) -> Answer:
    upload, error = message.upload, outcome.error
    if upload is None:
        return Answer(message.id, None, failure="no-upload")
    cause = error.__cause__ if error else None
    if isinstance(cause, ObjectReplaced):
        return Answer(message.id, upload)  # the newer object has an event of its own
    if isinstance(cause, ObjectDeleted):
        error = NotFound("The object was deleted before it was classified.")
    if error is not None and not isinstance(error, _FINAL):
        return Answer(message.id, upload, failure=error.code)
    members = {"error": describe(error)} if error else description
    return Answer(message.id, upload, asdict(upload) | model_info | members)


def _sequencers(one: Any, other: Any) -> tuple[str, str]:
    """Two sequencers, made equally long: S3 says to add zeros to the right of the shorter one."""
    one, other = str(one or "").lower(), str(other or "").lower()
    length = max(len(one), len(other))
    return one.ljust(length, "0"), other.ljust(length, "0")
