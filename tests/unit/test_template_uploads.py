"""What CloudFormation makes for uploads: each policy, each limit, no result that is an upload."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from expanded_template import Template, expand

from classifier.config import Settings, UploadSettings
from classifier.uploads import SOURCE
from tools import outputs

ROOT = Path(__file__).parents[2]
CONDITION = "ClassifiesUploads"
NO_VALUE = {"Ref": "AWS::NoValue"}
MANAGED = {
    "AWSLambdaBasicExecutionRole",
    "AWSXRayDaemonWriteAccess",
    "AWSLambdaVPCAccessExecutionRole",
}


@pytest.fixture(scope="module")
def expanded() -> Template:
    return expand(yaml.safe_load((ROOT / "apigateway.yaml").read_bytes()))


@pytest.fixture(scope="module")
def resources(expanded: Template) -> Template:
    found: Template = expanded["Resources"]
    return found


def properties(resources: Template, name: str) -> Template:
    found: Template = resources[name]["Properties"]
    return found


def arns(resource: Any, buckets: list[str]) -> list[str]:
    """What CloudFormation makes of a list of buckets, done by hand."""
    separator, joined = resource["Fn::Split"]
    text, names = joined["Fn::Sub"]
    joiner, parameter = names["Buckets"]["Fn::Join"]
    assert parameter == {"Ref": "UploadBuckets"}
    found: list[str] = text.replace("${Buckets}", joiner.join(buckets)).split(separator)
    return found


def test_nothing_is_made_without_uploads_but_the_bucket_of_results(resources: Template) -> None:
    named = {name: each.get("Condition") for name, each in resources.items() if "Upload" in name}
    assert named.pop("UploadResults") is None
    assert len(named) >= 12
    assert set(named.values()) == {CONDITION}


def test_the_condition_is_that_there_are_buckets(expanded: Template) -> None:
    is_empty = {"Fn::Equals": [{"Fn::Join": ["", {"Ref": "UploadBuckets"}]}, ""]}
    assert expanded["Conditions"][CONDITION] == {"Fn::Not": [is_empty]}
    assert expanded["Parameters"]["UploadBuckets"]["Default"] == ""


def test_the_rule_takes_new_objects_of_the_named_buckets_and_prefix_alone(
    resources: Template,
) -> None:
    rule = properties(resources, "UploadRule")
    pattern = rule["EventPattern"]
    assert pattern["source"] == ["aws.s3"]
    # Tags that the function writes are "Object Tags Added", and start nothing.
    assert pattern["detail-type"] == ["Object Created"]
    assert pattern["detail"]["bucket"] == {"name": {"Ref": "UploadBuckets"}}
    prefix = {"key": [{"prefix": {"Ref": "UploadPrefix"}}]}
    assert pattern["detail"]["object"] == {"Fn::If": ["HasUploadPrefix", prefix, NO_VALUE]}
    [target] = rule["Targets"]
    assert target["Arn"] == {"Fn::GetAtt": ["UploadQueue", "Arn"]}
    assert target["DeadLetterConfig"] == {"Arn": {"Fn::GetAtt": ["UploadDeadLetters", "Arn"]}}


def test_the_functions_own_events_are_not_those_of_the_rule(resources: Template) -> None:
    assert SOURCE not in properties(resources, "UploadRule")["EventPattern"]["source"]
    rules = [each for each in resources.values() if each["Type"] == "AWS::Events::Rule"]
    assert len(rules) == 1


def test_the_queue_is_encrypted_and_gives_up_after_three_tries(resources: Template) -> None:
    queue, dead = (properties(resources, name) for name in ("UploadQueue", "UploadDeadLetters"))
    timeout = properties(resources, "UploadFunction")["Timeout"]
    assert queue["VisibilityTimeout"] == 6 * timeout
    assert queue["RedrivePolicy"] == {
        "deadLetterTargetArn": {"Fn::GetAtt": ["UploadDeadLetters", "Arn"]},
        "maxReceiveCount": 3,
    }
    for each in (queue, dead):
        assert each["SqsManagedSseEnabled"] is True
        assert each["MessageRetentionPeriod"] == 14 * 24 * 3600


def test_only_the_rule_may_write_to_the_queues(resources: Template) -> None:
    policy = properties(resources, "UploadQueuePolicy")
    assert policy["Queues"] == [{"Ref": "UploadQueue"}, {"Ref": "UploadDeadLetters"}]
    [statement] = policy["PolicyDocument"]["Statement"]
    assert statement["Principal"] == {"Service": "events.amazonaws.com"}
    assert statement["Action"] == "sqs:SendMessage"
    rule = {"Fn::GetAtt": ["UploadRule", "Arn"]}
    assert statement["Condition"] == {"ArnEquals": {"aws:SourceArn": rule}}


def test_the_function_reads_the_queue_in_batches_and_leaves_the_api_its_share(
    resources: Template,
) -> None:
    [mapping] = [
        each for each in resources.values() if each["Type"] == "AWS::Lambda::EventSourceMapping"
    ]
    assert mapping["Condition"] == CONDITION
    assert mapping["Properties"] == {
        "EventSourceArn": {"Fn::GetAtt": ["UploadQueue", "Arn"]},
        "FunctionName": {"Ref": "UploadFunctionAliaslive"},
        "BatchSize": 16,
        "MaximumBatchingWindowInSeconds": 1,
        "FunctionResponseTypes": ["ReportBatchItemFailures"],
        "ScalingConfig": {"MaximumConcurrency": {"Ref": "UploadConcurrency"}},
    }


def test_the_function_is_the_others_code_and_model(resources: Template) -> None:
    upload, batch = (properties(resources, name) for name in ("UploadFunction", "BatchFunction"))
    assert upload["Handler"] == "app.upload_handler"
    for same in ("Layers", "MemorySize", "Runtime", "Architectures", "VpcConfig"):
        assert upload[same] == batch[same]
    variables = upload["Environment"]["Variables"]
    own = {"S3_READ_BUCKETS", "UPLOAD_RESULTS", "TAG_UPLOADS", "EMBED_UPLOADS"}
    others = batch["Environment"]["Variables"]
    assert set(variables) - set(others) == own - {"S3_READ_BUCKETS"}
    assert {name for name in others if variables[name] != others[name]} == {"S3_READ_BUCKETS"}
    assert variables["S3_READ_BUCKETS"] == {"Fn::Join": [",", {"Ref": "UploadBuckets"}]}
    assert variables["UPLOAD_RESULTS"] == {"Fn::Sub": "s3://${UploadResults}/uploads"}


def test_the_functions_variables_are_its_settings() -> None:
    settings = UploadSettings.from_env({"UPLOAD_RESULTS": "s3://bucket/uploads"})
    assert str(settings.results) == "s3://bucket/uploads"
    assert settings.tag_uploads is False
    assert Settings.s3_read_buckets == frozenset()


def test_the_role_may_do_what_uploads_need_and_nothing_else(resources: Template) -> None:
    role = properties(resources, "UploadFunctionRole")
    for managed in role["ManagedPolicyArns"]:
        text = json.dumps(managed)
        assert sum(name in text for name in MANAGED) == 1
    [policy] = role["Policies"]
    statements = {}
    for each in policy["PolicyDocument"]["Statement"]:
        statement = each["Fn::If"][1] if "Fn::If" in each else each
        assert statement["Effect"] == "Allow"
        condition = each["Fn::If"][0] if "Fn::If" in each else None
        statements[statement["Sid"]] = (condition, statement)
    allowed = {
        name: (condition, statement["Action"])
        for name, (condition, statement) in statements.items()
    }
    assert allowed == {
        "ReadModel": (None, "s3:GetObject"),
        "ReadImages": (None, "s3:GetObject"),
        "TellDeletedImages": (None, "s3:ListBucket"),
        "WriteResults": (None, ["s3:PutObject", "s3:GetObject"]),
        "SendEvents": (None, "events:PutEvents"),
        "ReadQueue": (
            None,
            ["sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes"],
        ),
        "TagImages": (
            "TagsUploads",
            [
                "s3:GetObjectTagging",
                "s3:PutObjectTagging",
                "s3:GetObjectVersionTagging",
                "s3:PutObjectVersionTagging",
            ],
        ),
        "Decrypt": ("HasKmsKeys", "kms:Decrypt"),
    }
    of = {name: statement["Resource"] for name, (_, statement) in statements.items()}
    assert arns(of["ReadImages"], ["a", "b"]) == ["arn:*:s3:::a/*", "arn:*:s3:::b/*"]
    assert arns(of["TagImages"], ["a", "b"]) == ["arn:*:s3:::a/*", "arn:*:s3:::b/*"]
    assert arns(of["TellDeletedImages"], ["a", "b"]) == ["arn:*:s3:::a", "arn:*:s3:::b"]
    assert of["ReadQueue"] == {"Fn::GetAtt": ["UploadQueue", "Arn"]}
    assert of["SendEvents"]["Fn::Sub"].endswith(":event-bus/default")


def test_results_can_be_written_to_their_own_bucket_alone(resources: Template) -> None:
    """So no result lands in a bucket of uploads, whatever the function is told."""
    [policy] = properties(resources, "UploadFunctionRole")["Policies"]
    writers = [
        statement
        for statement in policy["PolicyDocument"]["Statement"]
        if "s3:PutObject" in statement.get("Action", ())
    ]
    assert [each["Resource"] for each in writers] == [{"Fn::Sub": "${UploadResults.Arn}/uploads/*"}]
    results = properties(resources, "UploadResults")
    assert "BucketName" not in results  # nobody can give it the name of a bucket of uploads
    assert "NotificationConfiguration" not in results
    assert set(results["PublicAccessBlockConfiguration"].values()) == {True}


def test_alarms_watch_the_age_and_the_dead_letters(resources: Template) -> None:
    for name, metric, queue in (
        ("UploadAgeAlarm", "ApproximateAgeOfOldestMessage", "UploadQueue"),
        ("UploadDeadLettersAlarm", "ApproximateNumberOfMessagesVisible", "UploadDeadLetters"),
    ):
        alarm = properties(resources, name)
        assert (alarm["Namespace"], alarm["MetricName"]) == ("AWS/SQS", metric)
        value = {"Fn::GetAtt": [queue, "QueueName"]}
        assert alarm["Dimensions"] == [{"Name": "QueueName", "Value": value}]
    visibility = properties(resources, "UploadQueue")["VisibilityTimeout"]
    # One failure is no alarm.
    assert properties(resources, "UploadAgeAlarm")["Threshold"] > 2 * visibility
    assert properties(resources, "UploadDeadLettersAlarm")["Threshold"] == 1


def test_the_tools_find_their_outputs(expanded: Template) -> None:
    names = {
        outputs.UPLOAD_RESULTS,
        outputs.UPLOAD_QUEUE,
        outputs.UPLOAD_DEAD_LETTERS,
        outputs.UPLOAD_LOGS,
    }
    assert names <= set(expanded["Outputs"])
    assert "Condition" not in expanded["Outputs"][outputs.UPLOAD_RESULTS]
