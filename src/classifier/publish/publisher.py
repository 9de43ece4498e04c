"""Publishes what became of uploads: a result in S3, then an event, and tags where they are on."""

import logging
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Self

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from classifier.config import UploadSettings
from classifier.publish.events import put_events
from classifier.publish.results import Results
from classifier.publish.tags import tag
from classifier.uploads import Answer, Result, event_entry, is_below, replaces, result_location

_THREADS = 8
_CONFIG = Config(connect_timeout=2, read_timeout=5, retries={"total_max_attempts": 4})

logger = logging.getLogger(__name__)


class Publisher:
    """Publishes answers. Results come first: who follows an event finds its result.

    Args:
        settings: Where results go, and whether objects are tagged.
        s3: A boto3 client.
        events: A boto3 client of EventBridge.
    """

    def __init__(self, settings: UploadSettings, s3: Any, events: Any) -> None:
        self.settings = settings
        self._s3 = s3
        self._events = events
        self._results = Results(s3, replaces)

    @classmethod
    def create(cls, settings: UploadSettings) -> Self:
        """A publisher with boto3's own credentials and region."""
        session = boto3.Session()
        return cls(
            settings,
            session.client("s3", config=_CONFIG),
            session.client("events", config=_CONFIG),
        )

    def publish(self, answers: Sequence[Answer]) -> dict[str, str]:
        """Publish the results in ``answers``.

        Returns:
            The messages to deliver again, by id, and why each.
        """
        failures = {answer.message_id: answer.failure for answer in answers if answer.failure}
        with ThreadPoolExecutor(_THREADS) as pool:
            stored = list(pool.map(self._store, answers))
        events = []
        for answer, result in zip(answers, stored, strict=True):
            if isinstance(result, str):
                failures[answer.message_id] = result
            elif result is not None:
                events.append((answer, result))
        return failures | self._announce(events)

    def _store(self, answer: Answer) -> Result | str | None:
        """The result to announce, why there is none, or None: there is nothing to announce."""
        if answer.result is None or answer.upload is None:
            return None
        if is_below(answer.upload, self.settings.results):
            logger.error("results are among the uploads: take their bucket out of UploadBuckets")
            return None
        location = result_location(answer.upload, self.settings.results)
        try:
            stored = self._results.write(location, answer.result)
        except (ClientError, BotoCoreError):
            logger.exception("a result could not be stored")
            return "result-not-stored"
        is_ours = (stored.get("sequencer"), stored.get("etag")) == (
            answer.result["sequencer"],
            answer.result["etag"],
        )
        if not is_ours:
            return None  # of a newer object, whose own event announces it
        if self.settings.tag_uploads and stored.get("labels"):
            upload = answer.upload
            tag(self._s3, upload.bucket, upload.key, upload.version, stored["labels"][0])
        return stored

    def _announce(self, results: Sequence[tuple[Answer, Result]]) -> dict[str, str]:
        entries = [
            event_entry(result, result_location(answer.upload, self.settings.results))
            for answer, result in results
            if answer.upload
        ]
        try:
            errors = put_events(self._events, entries)
        except (ClientError, BotoCoreError):
            logger.exception("events could not be sent")
            errors = ["no answer"] * len(entries)
        return {
            answer.message_id: "event-not-sent"
            for (answer, _), error in zip(results, errors, strict=True)
            if error
        }
