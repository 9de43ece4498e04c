"""The queue of uploads and its dead letters."""

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from classifier.api.upload_event import Message, parse_messages
from tools.uploads.deployment import Deployment

_WAITING = "ApproximateNumberOfMessages"
_IN_FLIGHT = "ApproximateNumberOfMessagesNotVisible"
# CloudWatch has a new value a minute, and that some minutes late.
_METRIC_PERIOD_S = 60
_METRIC_WINDOW = timedelta(minutes=15)
# Dead letters are hidden from others while they are listed.
_LIST_S = 30
_LOG_WINDOW = timedelta(days=14)  # as long as the queues keep a message
# The function's process ended, so it wrote no reason.
ENDED = "the function ended while it had this message"


@dataclass(frozen=True)
class Status:
    """oldest_s: age of the oldest message; None: CloudWatch has no value of late."""

    waiting: int
    in_flight: int
    oldest_s: float | None
    dead: int


@dataclass(frozen=True)
class DeadLetter:
    """A message that was given up. place: the object, or the body's beginning. reason: a code."""

    id: str
    place: str
    sent: datetime
    reason: str


def status(deployment: Deployment) -> Status:
    """How many messages there are, and how old the oldest is."""
    counts = _counts(deployment, deployment.queue)
    return Status(
        waiting=counts[_WAITING],
        in_flight=counts[_IN_FLIGHT],
        oldest_s=_oldest_s(deployment),
        dead=_counts(deployment, deployment.dead_letters)[_WAITING],
    )


def dead_letters(deployment: Deployment, most: int) -> list[DeadLetter]:
    """At most ``most`` of the messages that were given up. They stay in the queue."""
    messages: dict[str, dict[str, Any]] = {}
    until = time.monotonic() + _LIST_S / 2
    while len(messages) < most and time.monotonic() < until:
        answer = deployment.sqs.receive_message(
            QueueUrl=deployment.dead_letters,
            MaxNumberOfMessages=min(10, most - len(messages)),
            VisibilityTimeout=_LIST_S,
            AttributeNames=["SentTimestamp"],
        )
        if not answer.get("Messages"):
            break
        messages |= {message["MessageId"]: message for message in answer["Messages"]}
    for message in messages.values():
        deployment.sqs.change_message_visibility(
            QueueUrl=deployment.dead_letters,
            ReceiptHandle=message["ReceiptHandle"],
            VisibilityTimeout=0,
        )
    reasons = _reasons(deployment) if messages else {}
    return [_dead_letter(message, reasons) for message in messages.values()]


def redrive(deployment: Deployment) -> int:
    """Let SQS move all dead letters back to the queue; returns about how many there are."""
    count = _counts(deployment, deployment.dead_letters)[_WAITING]
    if count:
        deployment.sqs.start_message_move_task(
            SourceArn=_arn(deployment, deployment.dead_letters),
            DestinationArn=_arn(deployment, deployment.queue),
        )
    return count


def _dead_letter(message: dict[str, Any], reasons: dict[str, str]) -> DeadLetter:
    record = {"messageId": message["MessageId"], "body": message["Body"]}
    parsed: Message = parse_messages({"Records": [record]})[0]
    place = str(parsed.upload.object()) if parsed.upload else message["Body"][:80]
    sent = datetime.fromtimestamp(int(message["Attributes"]["SentTimestamp"]) / 1000, UTC)
    return DeadLetter(parsed.id, place, sent, reasons.get(parsed.id, ENDED))


def _reasons(deployment: Deployment) -> dict[str, str]:
    """The last reason of each message that failed, by its id, as the function's log has it."""
    pages = deployment.logs.get_paginator("filter_log_events").paginate(
        logGroupName=deployment.log_group,
        filterPattern='"failed"',
        startTime=int((datetime.now(UTC) - _LOG_WINDOW).timestamp() * 1000),
    )
    reasons: dict[str, str] = {}
    for line in _lines(pages):
        reasons |= line.get("failed") or {}
    return reasons


def _lines(pages: Any) -> Iterator[dict[str, Any]]:
    for page in pages:
        for event in page["events"]:
            try:
                line = json.loads(event["message"])
            except ValueError:
                continue
            if isinstance(line, dict) and line.get("message") == "uploads":
                yield line


def _oldest_s(deployment: Deployment) -> float | None:
    name = deployment.queue.rpartition("/")[2]
    now = datetime.now(UTC)
    points = deployment.cloudwatch.get_metric_statistics(
        Namespace="AWS/SQS",
        MetricName="ApproximateAgeOfOldestMessage",
        Dimensions=[{"Name": "QueueName", "Value": name}],
        StartTime=now - _METRIC_WINDOW,
        EndTime=now,
        Period=_METRIC_PERIOD_S,
        Statistics=["Maximum"],
    )["Datapoints"]
    if not points:
        return None
    return float(max(points, key=lambda point: point["Timestamp"])["Maximum"])


def _counts(deployment: Deployment, url: str) -> dict[str, int]:
    names = [_WAITING, _IN_FLIGHT]
    answer = deployment.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=names)
    return {name: int(answer["Attributes"][name]) for name in names}


def _arn(deployment: Deployment, url: str) -> str:
    answer = deployment.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])
    return str(answer["Attributes"]["QueueArn"])
