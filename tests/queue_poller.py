"""Reads a queue and calls a function, as Lambda's event source mapping does.

As AWS documents it: batches of up to 16 messages, collected for at most a second; several calls at
once; what a call names in ``batchItemFailures``, and all messages of a call that fails, is
left to come back after the queue's visibility timeout; the rest is deleted. The redrive policy is
the queue's own affair.

https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-errorhandling.html
"""

import json
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from threading import Lock
from typing import Any

from tools.local.environment import EnvironmentFailed

BATCH = 16
_WINDOW_S = 1.0

type Function = Callable[[bytes], bytes]


class QueuePoller:
    """One mapping of a queue to environments of a function.

    sqs: a boto3 client. calls: the messages of each call, by id. lost: how many calls failed.
    """

    def __init__(self, sqs: Any, url: str, functions: Sequence[Function]) -> None:
        self._sqs = sqs
        self._url = url
        self._functions = functions
        self._lock = Lock()
        self._receiving = Lock()
        self.calls: list[list[str]] = []
        self.lost = 0

    def run(self, timeout_s: float) -> None:
        """Poll until the queue is empty, messages in flight included."""
        deadline = time.monotonic() + timeout_s
        with ThreadPoolExecutor(len(self._functions)) as pool:
            list(pool.map(lambda function: self._poll(function, deadline), self._functions))

    def _poll(self, function: Function, deadline: float) -> None:
        while True:
            assert time.monotonic() < deadline, "the queue did not become empty"
            if messages := self._receive():
                self._call(function, messages)
            elif self._is_empty():
                return
            else:
                time.sleep(0.2)

    def _receive(self) -> list[dict[str, Any]]:
        messages: list[dict[str, Any]] = []
        until = time.monotonic() + _WINDOW_S
        while len(messages) < BATCH and (not messages or time.monotonic() < until):
            with self._receiving:  # moto's queue loses count when two receive at once
                answer = self._sqs.receive_message(
                    QueueUrl=self._url,
                    MaxNumberOfMessages=min(10, BATCH - len(messages)),
                    AttributeNames=["All"],
                    WaitTimeSeconds=0,
                )
            received = answer.get("Messages", [])
            if not received:
                break
            messages += received
        return messages

    def _call(self, function: Function, messages: list[dict[str, Any]]) -> None:
        event = {"Records": [record(message) for message in messages]}
        with self._lock:
            self.calls.append([message["MessageId"] for message in messages])
        try:
            answer = json.loads(function(json.dumps(event).encode()))
        except EnvironmentFailed:
            with self._lock:
                self.lost += 1
            return
        if "errorType" in answer:
            with self._lock:
                self.lost += 1
            return
        failures = {failure["itemIdentifier"] for failure in answer["batchItemFailures"]}
        done = [message for message in messages if message["MessageId"] not in failures]
        for first in range(0, len(done), 10):
            entries = [
                {"Id": str(number), "ReceiptHandle": message["ReceiptHandle"]}
                for number, message in enumerate(done[first : first + 10])
            ]
            self._sqs.delete_message_batch(QueueUrl=self._url, Entries=entries)

    def _is_empty(self) -> bool:
        names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        attributes = self._sqs.get_queue_attributes(QueueUrl=self._url, AttributeNames=names)
        return not any(int(attributes["Attributes"][name]) for name in names)


def record(message: dict[str, Any]) -> dict[str, Any]:
    """A message as Lambda hands it to a function."""
    return {
        "messageId": message["MessageId"],
        "receiptHandle": message["ReceiptHandle"],
        "body": message["Body"],
        "attributes": message.get("Attributes", {}),
        "messageAttributes": {},
        "md5OfBody": message.get("MD5OfBody", ""),
        "eventSource": "aws:sqs",
        "eventSourceARN": "arn:aws:sqs:us-east-1:123456789012:uploads",
        "awsRegion": "us-east-1",
    }
