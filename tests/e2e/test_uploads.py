"""From an upload to its result and event, in an AWS account on this machine.

The account is ministack, as in test_deploy.py: the unmodified build is deployed to it, S3 tells
EventBridge, a rule fills the queue, Lambda's event source mapping calls the function.

It raises no alarms, moves no dead letters back (StartMessageMoveTask), and three tries of a message
take 36 minutes there as on AWS. tests/unit/test_template_uploads.py,
tests/unit/test_uploads_tool.py and tests/integration/test_uploads.py cover these.
"""

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from emulated_account import use
from sam_build import copy_of_the_build

from tools import outputs
from tools.deploy import cli
from tools.deploy.emulator.account import LocalAccount
from tools.uploads.cli import cli as uploads_cli

ROOT = Path(__file__).parents[2]
REGION, STACK, BUCKET = "eu-west-1", "uploads", "photos-that-arrive"
DIGIT = (ROOT / "docs" / "digit.png").read_bytes()
PATIENCE_S = 90.0


def client(service: str) -> Any:
    return boto3.client(service, region_name=REGION)  # type: ignore[call-overload]


def deploy(*settings: str) -> int:
    return cli.main(
        [
            *("deploy", "--yes", "--model", str(ROOT / "models" / "demo")),
            *("--stack", STACK, "--regions", REGION),
            *(word for setting in settings for word in ("--set", setting)),
        ]
    )


@pytest.fixture(scope="module")
def account() -> Iterator[LocalAccount]:
    with LocalAccount() as account:
        yield account


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return copy_of_the_build(tmp_path_factory.mktemp("project"))


@pytest.fixture(scope="module")
def stack_outputs(account: LocalAccount, template: Path) -> dict[str, str]:
    """The outputs of a stack that classifies what arrives in BUCKET."""
    with pytest.MonkeyPatch.context() as patch:
        use(account, template, patch)
        location: Any = {"LocationConstraint": REGION}
        client("s3").create_bucket(Bucket=BUCKET, CreateBucketConfiguration=location)
        assert deploy(f"UploadBuckets={BUCKET}", "UploadPrefix=in/", "TagUploads=true") == 0
        [stack] = client("cloudformation").describe_stacks(StackName=STACK)["Stacks"]
        return {each["OutputKey"]: each["OutputValue"] for each in stack["Outputs"]}


@pytest.fixture
def deployed(
    stack_outputs: dict[str, str],
    account: LocalAccount,
    template: Path,
    _no_caller_settings: None,
    monkeypatch: pytest.MonkeyPatch,
) -> dict[str, str]:
    """The stack's outputs, in a process that works with its account."""
    use(account, template, monkeypatch)
    return stack_outputs


@pytest.fixture
def followers(deployed: dict[str, str]) -> Iterator[str]:
    """A queue that a rule fills with images that the model is sure of: docs/uploads.md's rule."""
    sqs, events = client("sqs"), client("events")
    queue = sqs.create_queue(QueueName="followers")["QueueUrl"]
    attributes = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])
    pattern = {
        "source": ["image-classification"],
        "detail-type": ["Image Classified"],
        "detail": {"best": {"probability": [{"numeric": [">", 0.5]}]}},
    }
    events.put_rule(Name="sure", EventPattern=json.dumps(pattern))
    arn = attributes["Attributes"]["QueueArn"]
    events.put_targets(Rule="sure", Targets=[{"Id": "1", "Arn": arn}])
    yield queue
    events.remove_targets(Rule="sure", Ids=["1"])
    events.delete_rule(Name="sure")
    sqs.delete_queue(QueueUrl=queue)


def results(deployed: dict[str, str], count: int) -> dict[str, Any]:
    """The results by key, as soon as there are ``count``."""
    s3, bucket = client("s3"), deployed[outputs.UPLOAD_RESULTS]
    until = time.monotonic() + PATIENCE_S
    while True:
        listed = s3.list_objects_v2(Bucket=bucket).get("Contents", [])
        if len(listed) >= count or time.monotonic() > until:
            break
        time.sleep(0.5)
    done = {}
    for each in listed:
        result = json.loads(s3.get_object(Bucket=bucket, Key=each["Key"])["Body"].read())
        assert each["Key"] == f"uploads/{BUCKET}/{result['key']}.json"
        done[result["key"]] = result
    return done


def test_an_upload_gets_a_result_an_event_and_tags(
    deployed: dict[str, str], followers: str
) -> None:
    s3 = client("s3")
    images = ["in/a b+c%20.png", "in/größe/🖼.png"]
    for key in images:
        s3.put_object(Bucket=BUCKET, Key=key, Body=DIGIT)
    s3.copy_object(
        Bucket=BUCKET, Key="in/copied.png", CopySource={"Bucket": BUCKET, "Key": images[0]}
    )
    upload = s3.create_multipart_upload(Bucket=BUCKET, Key="in/parts.png")["UploadId"]
    part = {"Bucket": BUCKET, "Key": "in/parts.png", "UploadId": upload}
    etag = s3.upload_part(**part, PartNumber=1, Body=DIGIT)["ETag"]
    s3.complete_multipart_upload(
        **part, MultipartUpload={"Parts": [{"ETag": etag, "PartNumber": 1}]}
    )
    s3.put_object(Bucket=BUCKET, Key="in/notes.txt", Body=b"no image")
    s3.put_object(Bucket=BUCKET, Key="in/folder/", Body=b"")
    s3.put_object(Bucket=BUCKET, Key="elsewhere.png", Body=DIGIT)  # not below the prefix
    images += ["in/copied.png", "in/parts.png"]

    done = results(deployed, 6)
    assert set(done) == {*images, "in/notes.txt", "in/folder/"}
    for key in images:
        assert done[key]["labels"][0]["probability"] > 0.5
        assert done[key]["etag"] == s3.head_object(Bucket=BUCKET, Key=key)["ETag"].strip('"')
        tags = s3.get_object_tagging(Bucket=BUCKET, Key=key)["TagSet"]
        names = {each["Key"]: each["Value"] for each in tags}
        assert names["label"] == done[key]["labels"][0]["label"]
    assert done["in/notes.txt"]["error"]["code"] == "unsupported-image-type"
    assert "error" in done["in/folder/"]

    sqs, keys = client("sqs"), set()
    until = time.monotonic() + PATIENCE_S
    while keys != set(images) and time.monotonic() < until:
        answer = sqs.receive_message(QueueUrl=followers, MaxNumberOfMessages=10)
        for message in answer.get("Messages", []):
            event = json.loads(message["Body"])
            assert event["detail"]["result"].startswith(f"s3://{deployed[outputs.UPLOAD_RESULTS]}/")
            keys.add(event["detail"]["key"])
    assert keys == set(images)


def test_a_newer_version_replaces_the_result(deployed: dict[str, str]) -> None:
    s3, key = client("s3"), "in/twice.png"
    before = len(results(deployed, 0))
    s3.put_object(Bucket=BUCKET, Key=key, Body=DIGIT)
    assert "labels" in results(deployed, before + 1)[key]
    s3.put_object(Bucket=BUCKET, Key=key, Body=b"no image any more")
    until = time.monotonic() + PATIENCE_S
    while "error" not in results(deployed, 0)[key] and time.monotonic() < until:
        time.sleep(0.5)
    assert results(deployed, 0)[key]["error"]["code"] == "unsupported-image-type"


def test_results_among_the_uploads_are_refused(
    deployed: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert deploy(f"UploadBuckets={BUCKET},{deployed[outputs.UPLOAD_RESULTS]}") == 1
    assert "is a bucket of this deployment" in capsys.readouterr().err


def test_the_tool_shows_the_queues(
    deployed: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["--stack", STACK, "--region", REGION]
    body = {
        "detail-type": "Object Created",
        "detail": {"bucket": {"name": BUCKET}, "object": {"key": "in/late.png"}},
    }
    client("s3").put_object(Bucket=BUCKET, Key="in/late.png", Body=DIGIT)
    client("sqs").send_message(
        QueueUrl=deployed[outputs.UPLOAD_DEAD_LETTERS], MessageBody=json.dumps(body)
    )
    assert uploads_cli.run(["dead-letters", *arguments]) == 0
    assert f"s3://{BUCKET}/in/late.png" in capsys.readouterr().out
    assert uploads_cli.run(["status", *arguments]) == 0
    assert "dead letters" in capsys.readouterr().out
