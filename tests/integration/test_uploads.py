"""A thousand uploads through a real queue, with the function's own code.

The function runs in the runtime interface emulator. SQS, EventBridge and S3 are moto's, over HTTP;
``queue_poller.py`` is Lambda's event source mapping. S3's events are made here, as AWS documents
them, because moto gives all of them the same sequencer.
"""

import json
import random
import shutil
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import boto3
import colors
import images
import pytest
from queue_poller import QueuePoller, record

from classifier.api.upload_event import Upload
from classifier.location import S3Prefix
from classifier.uploads import SOURCE, result_location

ROOT = Path(__file__).parents[2]
BUCKET, RESULTS = "photos", S3Prefix("results", "uploads")
VISIBILITY_S = 15
TRIES = 3
COLORS = {"red": (220, 30, 30), "green": (30, 220, 30), "blue": (30, 30, 220)}
PNGS = {name: images.encode(images.plain(rgb), "PNG") for name, rgb in COLORS.items()}
BROKEN = PNGS["red"][:40]
POISON = PNGS["red"] + b"poison"
# Keys to the letter, as people and programs write them.
KEYS = [
    "a b.png",
    "a+b.png",
    "a%20b.png",
    "100%.png",
    "größe/写真 🖼.png",
    "/leading.png",
    "double//slash.png",
    "quote\"s & <tags>'.png",
    "x" * 1020 + ".png",
    "ü" * 510 + ".png",
    "question?hash#.png",
]


def event(key: str, etag: str, sequencer: int, **more: Any) -> str:
    """S3's event of a new object, as EventBridge puts it into a queue."""
    entry = {"key": key, "size": 1, "etag": etag, "sequencer": f"{sequencer:016X}"} | more
    return json.dumps(
        {
            "version": "0",
            "id": f"{sequencer}-{key}",
            "detail-type": "Object Created",
            "source": "aws.s3",
            "account": "123456789012",
            "time": "2026-11-25T15:00:00Z",
            "region": "us-east-1",
            "resources": [f"arn:aws:s3:::{BUCKET}"],
            "detail": {
                "version": "0",
                "bucket": {"name": BUCKET},
                "object": entry,
                "request-id": "N4N7GDK58NMKJ12R",
                "requester": "123456789012",
                "source-ip-address": "192.0.2.1",
                "reason": "PutObject",
            },
        },
        ensure_ascii=False,
    )


@dataclass
class Deployment:
    """Queues, buckets and a rule that collects the events on the bus.

    variables: of the function.
    """

    s3: Any
    sqs: Any
    queue: str
    dead: str
    events: str
    variables: dict[str, str]
    expected: dict[str, str] = field(default_factory=dict)

    def upload(self, key: str, data: bytes) -> str:
        """Store an object; returns its ETag as events have it."""
        etag: str = self.s3.put_object(Bucket=BUCKET, Key=key, Body=data)["ETag"]
        return etag.strip('"')

    def send(self, *bodies: str) -> None:
        """Send messages to the queue, ten in a request."""
        for first in range(0, len(bodies), 10):
            entries = [
                {"Id": str(number), "MessageBody": body}
                for number, body in enumerate(bodies[first : first + 10])
            ]
            self.sqs.send_message_batch(QueueUrl=self.queue, Entries=entries)

    def drain(self, url: str) -> list[Any]:
        """The bodies of all messages in a queue, which is empty then."""
        bodies = []
        while messages := self.sqs.receive_message(
            QueueUrl=url, MaxNumberOfMessages=10, VisibilityTimeout=600
        ).get("Messages", []):
            bodies += [json.loads(message["Body"]) for message in messages]
            entries = [
                {"Id": message["MessageId"], "ReceiptHandle": message["ReceiptHandle"]}
                for message in messages
            ]
            self.sqs.delete_message_batch(QueueUrl=url, Entries=entries)
        return bodies

    def result(self, key: str) -> dict[str, Any]:
        location = result_location(Upload(BUCKET, key), RESULTS)
        body = self.s3.get_object(Bucket=location.bucket, Key=location.key)["Body"].read()
        result: dict[str, Any] = json.loads(body)
        return result

    def results(self) -> set[str]:
        pages = self.s3.get_paginator("list_objects_v2").paginate(Bucket=RESULTS.bucket)
        return {entry["Key"] for page in pages for entry in page.get("Contents", [])}


def arn(sqs: Any, url: str) -> str:
    attributes = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])
    name: str = attributes["Attributes"]["QueueArn"]
    return name


@pytest.fixture
def deployment(
    s3_server: Any, s3: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Deployment]:
    # moto reads the clock for each message of a queue at each request, in a slow way.
    monkeypatch.setattr("moto.sqs.models.unix_time_millis", lambda: time.time() * 1000)
    for bucket in ("models", BUCKET, RESULTS.bucket):
        s3.create_bucket(Bucket=bucket)
    for path in colors.write_bundle(tmp_path / "bundle").iterdir():
        s3.put_object(Bucket="models", Key=f"colors/{path.name}", Body=path.read_bytes())
    sqs = boto3.client("sqs", endpoint_url=s3_server.url)
    bus = boto3.client("events", endpoint_url=s3_server.url)
    dead = sqs.create_queue(QueueName="dead")["QueueUrl"]
    redrive = {"deadLetterTargetArn": arn(sqs, dead), "maxReceiveCount": TRIES}
    queue = sqs.create_queue(
        QueueName="uploads",
        Attributes={
            "VisibilityTimeout": str(VISIBILITY_S),
            "RedrivePolicy": json.dumps(redrive),
        },
    )["QueueUrl"]
    events = sqs.create_queue(QueueName="events")["QueueUrl"]
    bus.put_rule(Name="all", EventPattern=json.dumps({"source": [SOURCE]}))
    bus.put_targets(Rule="all", Targets=[{"Id": "1", "Arn": arn(sqs, events)}])
    variables = {
        "AWS_ENDPOINT_URL": s3_server.url,
        "MODEL_URI": "s3://models/colors",
        "S3_READ_BUCKETS": BUCKET,
        "UPLOAD_RESULTS": str(RESULTS),
        "OMP_NUM_THREADS": "1",
    }
    yield Deployment(s3, sqs, queue, dead, events, variables)
    for client in (sqs, bus):
        client.close()


@pytest.fixture
def poisoned_code(tmp_path: Path) -> Path:
    """The function's code, with a decoder that crashes on one kind of image, as C code may."""
    code = tmp_path / "src"
    shutil.copytree(ROOT / "src", code, ignore=shutil.ignore_patterns("__pycache__"))
    module = code / "classifier/image/tensor.py"
    source = module.read_text()
    head = "    if len(data) > limits.bytes:\n"
    assert head in source
    crash = "    if data.endswith(b'poison'):\n        signal.raise_signal(signal.SIGSEGV)\n"
    source = source.replace(head, crash + head).replace("\nfrom ", "\nimport signal\nfrom ", 1)
    module.write_text(source)
    return code


def label(result: dict[str, Any]) -> str:
    """The best label of a result, or its error's code."""
    found: str = result["error"]["code"] if "error" in result else result["labels"][0]["label"]
    return found


def test_a_thousand_uploads(
    deployment: Deployment, emulator: Callable[..., Any], poisoned_code: Path
) -> None:
    rng = random.Random(18)
    sequencer = iter(range(0x617F08299329D189, 0x717F08299329D189))
    expected: dict[str, str] = {}
    bodies: list[str] = []

    def add(key: str, data: bytes, outcome: str, repeats: int = 1) -> None:
        etag = deployment.upload(key, data)
        bodies.extend([event(key, etag, next(sequencer))] * repeats)
        expected[key] = outcome

    names = [*KEYS, *(f"2026/{number}.png" for number in range(720))]
    for number, key in enumerate(names):
        name = list(COLORS)[number % 3]
        add(key, PNGS[name], name)
    for number in range(20):
        add(f"broken/{number}.png", BROKEN, "undecodable-image")
        add(f"notes/{number}.txt", b"no image", "unsupported-image-type")
        add(f"notes/{number}.json", b"{}", "unsupported-image-type")
        add(f"folders/{number}/", b"", "undecodable-image")
    for number in range(50):
        add(f"repeated/{number}.png", PNGS["green"], "green", repeats=2 + number % 2)
    for number in range(50):  # Two versions, whose events come in any order.
        key = f"reordered/{number}.png"
        add(key, PNGS["red"], "red")
        add(key, PNGS["blue"], "blue")
    for number in range(40):
        key = f"deleted/{number}.png"
        add(key, PNGS["red"], "not-found")
        deployment.s3.delete_object(Bucket=BUCKET, Key=key)
    poisoned = {f"poison/{number}.png" for number in range(3)}
    for key in poisoned:
        add(key, POISON, "")
        del expected[key]
    stranger = json.dumps({"hello": "queue"})
    assert len(bodies) >= 1000
    rng.shuffle(bodies)
    deployment.send(*bodies, stranger)

    environments = [
        emulator(
            code=poisoned_code,
            handler="app.upload_handler",
            variables=deployment.variables,
            timeout_s=120,
        )
        for _ in range(2)
    ]
    poller = QueuePoller(
        deployment.sqs, deployment.queue, [environment.invoke for environment in environments]
    )
    poller.run(timeout_s=500)

    assert {key: label(deployment.result(key)) for key in expected} == expected
    assert deployment.results() == {
        result_location(Upload(BUCKET, key), RESULTS).key for key in expected
    }
    dead = deployment.drain(deployment.dead)
    assert {each["detail"]["object"]["key"] for each in dead if "detail" in each} == poisoned
    assert [each for each in dead if "detail" not in each] == [json.loads(stranger)]
    assert len(dead) == len(poisoned) + 1
    # At most one call is lost to each poisoned image. On a busy machine a message may come back
    # while it is still being classified, so the tries of the others are not bounded.
    assert 1 <= poller.lost <= len(poisoned)
    tries = Counter(message for call in poller.calls for message in call)
    assert sum(count >= TRIES for count in tries.values()) >= len(poisoned) + 1
    # Every image is announced, with the outcome that its result has; a repeated one again.
    events = deployment.drain(deployment.events)
    announced = {each["detail"]["key"]: each for each in events}
    assert set(announced) == set(expected)
    for key, each in announced.items():
        outcome = label(each["detail"])
        assert outcome == expected[key]
        kind = "Image Classified" if outcome in COLORS else "Image Refused"
        assert each["detail-type"] == kind


def test_without_a_model_all_messages_come_back(
    deployment: Deployment, emulator: Callable[..., Any]
) -> None:
    variables = deployment.variables | {"MODEL_URI": "s3://models/nothing"}
    environment = emulator(handler="app.upload_handler", variables=variables)
    etag = deployment.upload("a.png", PNGS["red"])
    deployment.send(event("a.png", etag, 1))
    [message] = deployment.sqs.receive_message(QueueUrl=deployment.queue)["Messages"]
    call = json.dumps({"Records": [record(message)]}).encode()
    assert json.loads(environment.invoke(call))["errorType"] == "ModelUnavailable"
    assert deployment.results() == set()


def test_a_failure_is_named_in_the_log_and_the_answer(
    deployment: Deployment, emulator: Callable[..., Any]
) -> None:
    environment = emulator(
        handler="app.upload_handler", variables=deployment.variables, timeout_s=120
    )
    etag = deployment.upload("a.png", PNGS["red"])
    elsewhere = event("b.png", "", 2).replace(BUCKET, "unknown")
    deployment.send(event("a.png", etag, 1), elsewhere)
    messages = deployment.sqs.receive_message(
        QueueUrl=deployment.queue, MaxNumberOfMessages=10, AttributeNames=["All"]
    )["Messages"]
    call = json.dumps({"Records": [record(message) for message in messages]}).encode()
    [failed] = [each["MessageId"] for each in messages if "unknown" in each["Body"]]
    assert json.loads(environment.invoke(call)) == {
        "batchItemFailures": [{"itemIdentifier": failed}]
    }
    assert label(deployment.result("a.png")) == "red"
    lines = [json.loads(line) for line in environment.log if '"message":"uploads"' in line]
    assert [line["failed"] for line in lines] == [{failed: "url-not-allowed"}]
