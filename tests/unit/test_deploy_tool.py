"""The deploy tool's decisions: parameters, the account, regions, buckets, stacks, version notes."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.stub import Stubber
from samcli.cli.types import CfnParameterOverridesType
from samcli.yamlhelper import yaml_dump

from classifier.model.labels import Label
from tools.deploy import account, bucket, deployed, model, parameters, regions, stack, version_note
from tools.deploy.account import Limits
from tools.deploy.model import Probe
from tools.errors import ToolError

ACCOUNT = "123456789012"
FULL = Limits(1000, 1000)
NEW = Limits(10, 10)


@contextmanager
def stubbed(service: str) -> Iterator[tuple[Any, Stubber]]:
    client = boto3.client(
        service, region_name="eu-west-1", aws_access_key_id="a", aws_secret_access_key="b"
    )
    with Stubber(client) as stub:
        yield client, stub
        stub.assert_no_pending_responses()


# Parameters.

KNOWN = ("MemorySize", "AlarmTopic", "ProbeLabel")


@pytest.mark.parametrize(
    "overrides",
    [
        '["MemorySize=3538", "ProbeLabel=tabby, tabby cat"]',
        "\"MemorySize=3538 ProbeLabel='tabby, tabby cat'\"",
        '{MemorySize = 3538, ProbeLabel = "tabby, tabby cat"}',
    ],
)
def test_a_configuration_may_be_a_list_a_text_or_a_table(tmp_path: Path, overrides: str) -> None:
    config = tmp_path / "samconfig.toml"
    config.write_text(f"version = 0.1\n[big.deploy.parameters]\nparameter_overrides = {overrides}")
    options = parameters.read_options(config, "big", [], KNOWN)
    assert options.config == {"MemorySize": "3538", "ProbeLabel": "tabby, tabby cat"}


def test_a_configuration_with_a_parameter_that_is_none_is_refused(tmp_path: Path) -> None:
    config = tmp_path / "samconfig.toml"
    config.write_text('[big.deploy.parameters]\nparameter_overrides = ["Memory=1"]')
    with pytest.raises(ToolError, match="no parameter Memory"):
        parameters.read_options(config, "big", [], KNOWN)


def test_the_committed_configurations_fit_the_template() -> None:
    from tools.project import ROOT

    known = parameters.defaults(ROOT / "template.yaml")
    for name in ("default", "trial", "production"):
        parameters.read_options(ROOT / "samconfig.toml", name, [], known)


def test_a_region_may_have_a_value_of_its_own(tmp_path: Path) -> None:
    config = tmp_path / "samconfig.toml"
    config.write_text('[default.deploy.parameters]\nparameter_overrides = ["MemorySize=1024"]')
    arn = "arn:aws:sns:eu-west-1:123456789012:alarms"
    settings = ["MemorySize=1769", f"eu-west-1:AlarmTopic={arn}", "us-east-1:MemorySize=3538"]
    options = parameters.read_options(config, "default", settings, KNOWN)
    assert options.values("eu-west-1") == {"MemorySize": "1769", "AlarmTopic": arn}
    assert options.values("us-east-1") == {"MemorySize": "3538"}
    assert options.explicit("us-east-1") == {"MemorySize": "3538"}


@pytest.mark.parametrize(
    "value", ["", "plain", 'a "b"', "a\\b", "ends\\", "a,b c", "'single'", '"']
)
def test_every_value_reaches_sam_as_it_is(tmp_path: Path, value: str) -> None:
    import json

    file = tmp_path / "parameters.yaml"
    file.write_text(json.dumps({"Name": stack._quoted(value)}))
    got = CfnParameterOverridesType().convert((f"file://{file}",), None, None)
    assert got == {"Name": value}


# The account.

DEFAULTS = {
    "ReservedConcurrency": "50",
    "BatchConcurrency": "10",
    "BatchBuckets": "",
    "MemorySize": "1769",
}


@pytest.mark.parametrize(
    ("values", "before", "limits", "reserved"),
    [
        ({}, {}, FULL, "50"),
        ({}, {}, Limits(1000, 150), "50"),
        ({}, {}, Limits(1000, 149), "none"),
        ({"BatchBuckets": "a"}, {}, Limits(1000, 159), "none"),
        ({"BatchBuckets": "a"}, {}, Limits(1000, 160), "50"),
        ({}, {}, NEW, "none"),
        # What the stack itself has reserved is there again.
        ({}, {"ReservedConcurrency": "50"}, Limits(1000, 100), "50"),
        ({"ReservedConcurrency": "none"}, {}, NEW, "none"),
    ],
)
def test_concurrency_is_reserved_only_where_there_is_some(
    values: dict[str, str], before: dict[str, str], limits: Limits, reserved: str
) -> None:
    values = DEFAULTS | values
    adapted = account.adapt(values, (), before, limits)
    assert (values | adapted.values)["ReservedConcurrency"] == reserved
    bounded = [note for note in adapted.notes if "alone bounds what a flood" in note]
    assert bool(bounded) == (reserved == "none")


def test_a_new_account_wins_over_a_configuration_and_says_so() -> None:
    config = DEFAULTS | {"ReservedConcurrency": "200", "MemorySize": "3538"}
    adapted = account.adapt(config, (), {}, NEW)
    assert adapted.values["ReservedConcurrency"] == "none"
    assert adapted.values["MemorySize"] == "3008"
    notes = "\n".join(adapted.notes)
    assert "can reserve 0 requests at once, not 200" in notes
    assert "3,008 MB, not 3,538" in notes


def test_what_is_set_by_name_is_refused_and_never_changed() -> None:
    with pytest.raises(ToolError, match="more than the account has to give, 0"):
        account.adapt(DEFAULTS, {"ReservedConcurrency"}, {}, NEW)
    adapted = account.adapt(DEFAULTS | {"MemorySize": "3538"}, {"MemorySize"}, {}, NEW)
    assert "MemorySize" not in adapted.values
    assert any("may refuse MemorySize=3538" in note for note in adapted.notes)


@pytest.mark.parametrize(
    ("reserved", "limits", "run"),
    [("10", FULL, "8"), ("1", FULL, "1"), ("none", FULL, "40"), ("none", NEW, "5")],
)
def test_a_run_of_batches_adapts_to_the_account(reserved: str, limits: Limits, run: str) -> None:
    values = DEFAULTS | {"ReservedConcurrency": "none", "BatchConcurrency": reserved}
    assert account.adapt(values, (), {}, limits).values["BatchRunConcurrency"] == run


@pytest.mark.parametrize(
    ("before", "role", "sets"),
    [
        ({}, None, "true"),
        ({}, "arn:aws:iam::1:role/other", "false"),
        ({"SetApiLogRole": "false"}, "arn:aws:iam::1:role/other", "false"),
        ({"SetApiLogRole": "true"}, "arn:aws:iam::1:role/own", "true"),
    ],
)
def test_a_role_for_logs_that_the_account_has_stays(
    before: dict[str, str], role: str | None, sets: str
) -> None:
    class Gateway:
        def get_account(self) -> dict[str, str]:
            return {"cloudwatchRoleArn": role} if role else {}

    adapted = account.api_log_role(before, Gateway())
    assert adapted.values == {"SetApiLogRole": sets}
    assert bool(adapted.notes) == (sets == "false")


# Regions.


def test_an_arn_of_another_region_is_refused() -> None:
    values = {"AlarmTopic": "arn:aws:sns:us-east-1:123456789012:alarms"}
    with pytest.raises(ToolError, match="is in us-east-1, and the stack in eu-west-1") as error:
        regions.check(values, "eu-west-1", None)
    assert "--set eu-west-1:AlarmTopic=" in str(error.value)
    regions.check(values, "us-east-1", None)
    regions.check({"Role": "arn:aws:iam::123456789012:role/any"}, "us-east-1", None)


@pytest.mark.parametrize("status", [200, 301, 403])
def test_a_bucket_of_another_region_is_refused(status: int) -> None:
    with stubbed("s3") as (client, stub):
        headers = {"x-amz-bucket-region": "us-east-1"}
        if status == 200:
            metadata = {"HTTPStatusCode": 200, "HTTPHeaders": headers}
            stub.add_response("head_bucket", {"ResponseMetadata": metadata})
        else:
            stub.add_client_error(
                "head_bucket",
                service_error_code=str(status),
                http_status_code=status,
                response_meta={"HTTPHeaders": headers},
            )
        with pytest.raises(ToolError, match="S3ReadBuckets: images is in us-east-1"):
            regions.check({"S3ReadBuckets": "images"}, "eu-west-1", client)


def test_a_bucket_that_is_not_there_is_refused() -> None:
    with stubbed("s3") as (client, stub):
        stub.add_client_error("head_bucket", service_error_code="404", http_status_code=404)
        with pytest.raises(ToolError, match="there is no bucket images"):
            regions.check({"BatchBuckets": "images"}, "eu-west-1", client)


@pytest.mark.parametrize("region", ["us-gov-west-1", "cn-north-1", "ap-southeast-6"])
def test_snapstart_is_refused_where_lambda_has_none(region: str) -> None:
    with pytest.raises(ToolError, match="has no SnapStart"):
        regions.check({"SnapStart": "true"}, region, None)
    regions.check({"SnapStart": "false"}, region, None)
    regions.check({"SnapStart": "true"}, "eu-west-1", None)


# Buckets.


def protected(stub: Stubber) -> None:
    """Nothing is set, and all of it is."""
    stub.add_client_error("get_public_access_block", "NoSuchPublicAccessBlockConfiguration")
    stub.add_response("put_public_access_block", {})
    stub.add_response("get_bucket_versioning", {})
    stub.add_response("put_bucket_versioning", {})
    stub.add_client_error("get_bucket_lifecycle_configuration", "NoSuchLifecycleConfiguration")
    stub.add_response("put_bucket_lifecycle_configuration", {})


def test_a_bucket_that_was_left_unprotected_is_protected() -> None:
    """The deploy that made it broke off before it came to that."""
    with stubbed("s3") as (client, stub):
        stub.add_response("head_bucket", {})
        protected(stub)
        assert bucket.ensure(client, "home", ACCOUNT, "eu-west-1") is False


def test_what_somebody_has_chosen_for_a_bucket_stays() -> None:
    with stubbed("s3") as (client, stub):
        stub.add_response("head_bucket", {})
        stub.add_response(
            "get_public_access_block", {"PublicAccessBlockConfiguration": {"BlockPublicAcls": True}}
        )
        stub.add_response("get_bucket_versioning", {"Status": "Enabled"})
        stub.add_response("get_bucket_lifecycle_configuration", {"Rules": []})
        bucket.ensure(client, "home", ACCOUNT, "eu-west-1")


@pytest.mark.parametrize(
    ("status", "headers", "words"),
    [
        (403, {}, "another account's, or these credentials may not see it"),
        (301, {"x-amz-bucket-region": "us-east-1"}, "is in us-east-1, not in eu-west-1"),
        (503, {}, "cannot be looked at"),
    ],
)
def test_each_reason_not_to_use_a_bucket_has_its_words(
    status: int, headers: dict[str, str], words: str
) -> None:
    with stubbed("s3") as (client, stub):
        stub.add_client_error(
            "head_bucket",
            service_error_code=str(status),
            http_status_code=status,
            response_meta={"HTTPHeaders": headers},
        )
        with pytest.raises(ToolError, match=words):
            bucket.ensure(client, "home", ACCOUNT, "eu-west-1")


def test_outdated_uploads_go_and_those_in_use_stay() -> None:
    now = datetime.now(UTC)
    contents = [
        {"Key": "artifacts/used", "LastModified": now - timedelta(days=90)},
        {"Key": "artifacts/outdated", "LastModified": now - timedelta(days=90)},
        {"Key": "artifacts/recent", "LastModified": now - timedelta(days=9)},
    ]
    with stubbed("s3") as (client, stub):
        stub.add_response("list_objects_v2", {"Contents": contents})
        deleted = {"Objects": [{"Key": "artifacts/outdated"}], "Quiet": True}
        stub.add_response("delete_objects", {}, {"Bucket": "home", "Delete": deleted})
        assert bucket.prune(client, "home", "artifacts", "s3://home/artifacts/used") == 1


# Stacks.


@pytest.mark.parametrize("state", ["ROLLBACK_COMPLETE", "ROLLBACK_FAILED", "REVIEW_IN_PROGRESS"])
def test_a_stack_whose_creation_failed_is_to_be_deleted(state: str) -> None:
    failed = stack.Stack("images", state)
    assert failed.is_failed
    stack.check(failed, "eu-west-1")


@pytest.mark.parametrize(
    ("state", "words"),
    [
        ("UPDATE_IN_PROGRESS", "wait until that has ended"),
        ("ROLLBACK_IN_PROGRESS", "wait until that has ended"),
        ("UPDATE_ROLLBACK_FAILED", "continue-update-rollback --region eu-west-1"),
    ],
)
def test_a_stack_that_takes_no_deploy_says_what_to_do(state: str, words: str) -> None:
    with pytest.raises(ToolError, match=words):
        stack.check(stack.Stack("images", state), "eu-west-1")


# Version notes.


@pytest.fixture
def build(tmp_path: Path) -> Path:
    for folder in ("function", "layer"):
        (tmp_path / "build" / folder).mkdir(parents=True)
    (tmp_path / "build" / "layer" / "library.so").write_bytes(b"\x7fELF")
    template = {
        "Parameters": {},
        "Globals": {"Function": {"Timeout": 29}},
        "Resources": {
            "Layer": {
                "Type": "AWS::Serverless::LayerVersion",
                "Properties": {"ContentUri": "layer"},
            },
            "Function": {
                "Type": "AWS::Serverless::Function",
                "Properties": {"CodeUri": "function", "AutoPublishAlias": "live"},
            },
        },
    }
    (tmp_path / "build" / "template.yaml").write_text(yaml_dump(template))
    return tmp_path / "build" / "template.yaml"


def noted(build: Path, **values: str) -> str:
    version_note.write(build, {"MemorySize": "1769"} | values)
    return (build.parent / "function" / version_note.NAME).read_text()


def test_nothing_changed_is_the_same_note(build: Path, tmp_path: Path) -> None:
    first = noted(build)
    copied = Path(shutil.copytree(build.parent, tmp_path / "elsewhere"))
    assert noted(copied / build.name) == first


def test_a_changed_layer_is_another_note(build: Path) -> None:
    first = noted(build)
    (build.parent / "layer" / "library.so").write_bytes(b"\x7fELF2")
    second = noted(build)
    (build.parent / "layer" / "added").touch()
    assert len({first, second, noted(build)}) == 3


def test_a_changed_timeout_or_runtime_is_another_note(build: Path) -> None:
    first = noted(build)
    build.write_text(build.read_text().replace("29", "20"))
    assert noted(build) != first


def test_a_changed_parameter_is_another_note_but_not_how_traffic_moves(build: Path) -> None:
    first = noted(build)
    assert noted(build, MemorySize="3538") != first
    assert noted(build, DeploymentAlarms="false", DeploymentType="AllAtOnce") == first


# The model.


def bundle(labels: tuple[Label, ...]) -> Any:
    from types import SimpleNamespace

    return SimpleNamespace(manifest=SimpleNamespace(name="m" * 20, version="1"), labels=labels)


def test_labels_too_long_for_batches_are_refused() -> None:
    model.check_batches(bundle(tuple(Label("n01440764", "label " * 9) for _ in range(20))))
    with pytest.raises(ToolError, match="shorten the longest labels"):
        model.check_batches(bundle(tuple(Label("n01440764", "label " * 60) for _ in range(20))))


def test_the_hook_and_the_tool_tolerate_the_same() -> None:
    from tools.project import ROOT

    assert f"TOLERANCE = {model.TOLERANCE}" in (ROOT / "hooks" / "pre_traffic.py").read_text()


# What was deployed.


class Api:
    """Answers in order; the last one again and again."""

    def __init__(self, *answers: tuple[int, Any]) -> None:
        self.answers = list(answers)
        self.headers: list[dict[str, str]] = []

    def __call__(self, method: str, url: str, headers: dict[str, str], **_: Any) -> Any:
        import requests

        self.headers.append(headers)
        status, body = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        answer = requests.Response()
        answer.status_code = status
        import json

        answer._content = json.dumps(body).encode()
        return answer


HEALTH = (200, {"model": {"name": "colors", "version": "1"}})
RED = (200, {"labels": [{"label": "red", "probability": 0.9}]})


def asked(monkeypatch: pytest.MonkeyPatch, api: Api, key: str = "") -> deployed.Answer:
    monkeypatch.setattr("tools.deploy.deployed.requests.request", api)
    monkeypatch.setattr(deployed, "_PAUSE_S", 0)
    headers = deployed.caller(key, signs=False)
    return deployed.ask("https://api/v1", b"image", Probe("red", 0.9), headers, patience_s=0.1)


def test_the_deployed_api_is_asked_with_its_key(monkeypatch: pytest.MonkeyPatch) -> None:
    api = Api((403, {}), HEALTH, (503, {}), RED)  # a new API is not known everywhere at once
    answer = asked(monkeypatch, api, key="secret")
    assert (answer.model, answer.label, answer.probability) == ("colors 1", "red", 0.9)
    assert {headers["x-api-key"] for headers in api.headers} == {"secret"}


def test_another_answer_than_expected_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    other = (200, {"labels": [{"label": "blue", "probability": 0.9}]})
    with pytest.raises(ToolError, match="takes the known image for"):
        asked(monkeypatch, Api(HEALTH, other))


@pytest.mark.parametrize("status", [404, 415, 500])
def test_an_api_that_does_not_answer_is_an_error(
    monkeypatch: pytest.MonkeyPatch, status: int
) -> None:
    with pytest.raises(ToolError, match=f"deployed, but GET https://api/v1/health .* {status}"):
        asked(monkeypatch, Api((status, {})))
