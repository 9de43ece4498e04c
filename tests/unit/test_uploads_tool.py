"""The tool for uploads, and the part of a deploy that is theirs."""

import json
import os
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import boto3
import pytest
from botocore.stub import Stubber

from tools import outputs
from tools.batch import execution
from tools.deploy import uploads as deploy_uploads
from tools.errors import ToolError
from tools.local.s3 import LocalS3
from tools.uploads import cli, folder, queues
from tools.uploads.deployment import Deployment

LOGS = "/aws/lambda/images-upload"


@pytest.fixture
def deployment(
    s3_server: LocalS3, s3: Any, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Deployment]:
    """Two queues and a log in moto; the command line finds them as a stack's."""
    services = ("sqs", "cloudwatch", "logs")
    clients = {name: boto3.client(name, endpoint_url=s3_server.url) for name in services}
    queue, dead = (
        clients["sqs"].create_queue(QueueName=name)["QueueUrl"] for name in ("uploads", "dead")
    )
    clients["logs"].create_log_group(logGroupName=LOGS)
    clients["logs"].create_log_stream(logGroupName=LOGS, logStreamName="one")
    made = Deployment(queue, dead, LOGS, *(clients[name] for name in services))
    monkeypatch.setattr(Deployment, "find", lambda stack, region: made)
    yield made
    for client in clients.values():
        client.close()


def event(key: str) -> str:
    detail = {"bucket": {"name": "photos"}, "object": {"key": key}}
    return json.dumps({"detail-type": "Object Created", "detail": detail})


def log(deployment: Deployment, *lines: Any) -> None:
    now = int(time.time() * 1000)
    events = [
        {"timestamp": now, "message": line if isinstance(line, str) else json.dumps(line)}
        for line in lines
    ]
    deployment.logs.put_log_events(logGroupName=LOGS, logStreamName="one", logEvents=events)


def test_status_counts_messages(deployment: Deployment, capsys: pytest.CaptureFixture[str]) -> None:
    for number in range(3):
        deployment.sqs.send_message(QueueUrl=deployment.queue, MessageBody=str(number))
    deployment.sqs.receive_message(QueueUrl=deployment.queue, MaxNumberOfMessages=1)
    deployment.sqs.send_message(QueueUrl=deployment.dead_letters, MessageBody="x")
    assert queues.status(deployment) == queues.Status(2, 1, None, 1)
    assert cli.cli.run(["status"]) == 0


def test_status_has_the_age_that_cloudwatch_saw_last(deployment: Deployment) -> None:
    cloudwatch = boto3.client("cloudwatch", region_name="eu-west-1")
    moments = [datetime(2026, 11, 25, 15, minute, tzinfo=UTC) for minute in (2, 3, 1)]
    points = [
        {"Timestamp": moment, "Maximum": float(age)}
        for moment, age in zip(moments, (60, 77, 90), strict=True)
    ]
    with Stubber(cloudwatch) as stub:
        stub.add_response("get_metric_statistics", {"Datapoints": points})
        assert queues.status(replace(deployment, cloudwatch=cloudwatch)).oldest_s == 77.0


def test_dead_letters_are_listed_with_their_reasons_and_stay(
    deployment: Deployment, capsys: pytest.CaptureFixture[str]
) -> None:
    send = deployment.sqs.send_message
    known = send(QueueUrl=deployment.dead_letters, MessageBody=event("a b.jpg"))["MessageId"]
    send(QueueUrl=deployment.dead_letters, MessageBody=event("crash.jpg"))
    stranger = send(QueueUrl=deployment.dead_letters, MessageBody="hello")["MessageId"]
    log(
        deployment,
        {"message": "uploads", "failed": {known: "fetch-timeout"}},
        {"message": "uploads", "failed": {known: "fetch-failed", stranger: "no-upload"}},
        {"message": "request", "failed": {known: "another line"}},
        "failed, but no JSON",
    )
    for _ in range(2):  # listing leaves them visible
        letters = {each.place: each.reason for each in queues.dead_letters(deployment, 100)}
        assert letters == {
            "s3://photos/a b.jpg": "fetch-failed",
            "s3://photos/crash.jpg": queues.ENDED,
            "hello": "no-upload",
        }
    assert cli.cli.run(["dead-letters", "--most", "1"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 1


def test_no_dead_letters_is_said(
    deployment: Deployment, capsys: pytest.CaptureFixture[str]
) -> None:
    for command in ("dead-letters", "redrive"):
        assert cli.cli.run([command]) == 0
        assert "There are no dead letters." in capsys.readouterr().out


def test_redrive_lets_sqs_move_the_dead_letters() -> None:
    """No emulator here has this call."""
    sqs = boto3.client("sqs", region_name="eu-west-1")
    made = Deployment("https://sqs/1/uploads", "https://sqs/1/dead", LOGS, sqs, None, None)
    with Stubber(sqs) as stub:
        counts = {queues._WAITING: "2", queues._IN_FLIGHT: "0"}
        stub.add_response("get_queue_attributes", {"Attributes": counts})
        for name in ("dead", "uploads"):
            arn = f"arn:aws:sqs:eu-west-1:1:{name}"
            stub.add_response("get_queue_attributes", {"Attributes": {"QueueArn": arn}})
        stub.add_response(
            "start_message_move_task",
            {"TaskHandle": "1"},
            {
                "SourceArn": "arn:aws:sqs:eu-west-1:1:dead",
                "DestinationArn": "arn:aws:sqs:eu-west-1:1:uploads",
            },
        )
        assert queues.redrive(made) == 2
        stub.assert_no_pending_responses()


def test_backfill_starts_a_batch(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    started = []
    monkeypatch.setattr(cli.BatchDeployment, "find", lambda stack, region: "batches")

    def start(deployment: Any, inputs: Any) -> str:
        started.append((deployment, inputs))
        return "arn:aws:states:eu-west-1:1:execution:images-batch:20261125-1"

    monkeypatch.setattr(execution, "start", start)
    assert cli.cli.run(["backfill", "s3://photos/2026/"]) == 0
    assert started == [("batches", {"bucket": "photos", "prefix": "2026/"})]
    assert capsys.readouterr().out.startswith("20261125-1\n")


def test_a_stack_without_uploads_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")

    class Session:
        def __init__(self, **_: Any) -> None: ...

        def client(self, name: str) -> Any:
            formation = boto3.client(name, region_name="eu-west-1")
            output = {"OutputKey": outputs.UPLOAD_RESULTS, "OutputValue": "x"}
            monkeypatch.setattr(
                formation, "describe_stacks", lambda **_: {"Stacks": [{"Outputs": [output]}]}
            )
            return formation

    monkeypatch.setattr("tools.uploads.deployment.boto3.Session", Session)
    with pytest.raises(ToolError, match="deploy it with UploadBuckets"):
        Deployment.find("images", None)


# A folder in place of a bucket.


@pytest.fixture
def api() -> Iterator[str]:
    """Refuses images that begin with "bad", and takes all others for cats."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            health = {"status": "ok", "model": {"name": "colors", "version": "1"}}
            answer = json.dumps(health).encode()
            self.send_response(200)
            self.send_header("content-length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["content-length"])))
            results = [
                {"error": {"code": "undecodable-image"}}
                if each["image"].startswith("YmFk")
                else {"labels": [{"label": "cat", "probability": 0.75}]}
                for each in body["images"]
            ]
            model = {"name": "colors", "version": "1"}
            answer = json.dumps({"model": model, "results": results}).encode()
            self.send_response(200)
            self.send_header("content-length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *_: Any) -> None: ...

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def test_images_in_a_folder_get_their_results_beside_them(
    tmp_path: Path, api: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "a.jpg").write_bytes(b"cat")
    (tmp_path / "b.png").write_bytes(b"bad")
    (tmp_path / "notes.txt").write_text("no image")
    assert cli.cli.run(["local", str(tmp_path), "--api", api, "--once"]) == 0
    lines = capsys.readouterr().out
    assert "a.jpg  cat, 75%" in lines
    assert "b.png  undecodable-image" in lines
    result = json.loads((tmp_path / "sub" / "a.jpg.json").read_text())
    assert result == {
        "bucket": None,
        "key": "sub/a.jpg",
        "etag": "d077f244def8a70e5ea758bd8352fcd8",
        "version": None,
        "sequencer": "",
        "model": {"name": "colors", "version": "1"},
        "labels": [{"label": "cat", "probability": 0.75}],
    }
    assert not (tmp_path / "notes.txt.json").exists()
    # What has a result is done.
    assert cli.cli.run(["local", str(tmp_path), "--api", api, "--once"]) == 0
    assert capsys.readouterr().out == ""


def test_an_image_is_taken_when_it_has_stopped_growing_and_again_when_it_changes(
    tmp_path: Path, api: str
) -> None:
    image = tmp_path / "a.jpg"
    steps = iter(
        [
            lambda: image.write_bytes(b"c"),
            lambda: image.write_bytes(b"cat"),  # it grows
            lambda: None,
            lambda: os.utime(image, ns=(10**19 // 5, 10**19 // 5)),  # it changes
            lambda: None,
            lambda: None,
        ]
    )

    class Ended(Exception): ...

    def sleep(_: float) -> None:
        step = next(steps, None)
        if step is None:
            raise Ended
        step()

    done: list[str] = []

    def watch() -> None:
        for _, result in folder.watch(tmp_path, api, sleep=sleep):
            done.append(result["etag"])

    with pytest.raises(Ended):
        watch()
    assert done == ["d077f244def8a70e5ea758bd8352fcd8"] * 2


@pytest.mark.parametrize(("options", "status"), [([], 0), (["--once"], 130)])
def test_ctrl_c_is_the_end_of_watching_and_interrupts_what_ends_by_itself(
    options: list[str],
    status: int,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def interrupt(*_: Any, **__: Any) -> Iterator[Any]:
        raise KeyboardInterrupt

    monkeypatch.setattr(folder, "watch", interrupt)
    assert cli.cli.run(["local", str(tmp_path), *options]) == status
    written = capsys.readouterr()
    assert written.out.strip() == ("Stopped." if status == 0 else "")
    assert written.err.strip() == ("" if status == 0 else "Error: interrupted")


def test_a_folder_that_is_not_there_is_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.cli.run(["local", str(tmp_path / "nothing"), "--once"]) == 1
    assert "is no folder" in capsys.readouterr().err


# A deploy.


def test_a_bucket_of_results_among_the_uploads_is_refused() -> None:
    values = {"UploadBuckets": "photos, results"}
    deploy_uploads.check(values, {"other", ""})
    with pytest.raises(ToolError, match="results is a bucket of this deployment"):
        deploy_uploads.check(values, {"results"})
    deploy_uploads.check({}, {"results"})


class Notifications:
    """Of buckets. moto does not say whether EventBridge is among them."""

    def __init__(self, **buckets: dict[str, Any]) -> None:
        self.buckets = buckets

    def get_bucket_notification_configuration(self, *, Bucket: str) -> Any:  # noqa: N803
        return self.buckets[Bucket] | {"ResponseMetadata": {}}

    def put_bucket_notification_configuration(self, *, Bucket: str, **more: Any) -> None:  # noqa: N803
        self.buckets[Bucket] = more["NotificationConfiguration"]


def test_notifications_are_turned_on_and_others_stay() -> None:
    on = {"EventBridgeConfiguration": {}}
    other = {"QueueConfigurations": [{"Id": "1"}]}
    s3 = Notifications(photos=other, scans={}, done=on)
    values = {"UploadBuckets": "photos,scans,done"}
    assert deploy_uploads.without_notifications(s3, values) == ["photos", "scans"]
    deploy_uploads.turn_on_all(s3, values)
    assert s3.buckets == {"photos": other | on, "scans": on, "done": on}
