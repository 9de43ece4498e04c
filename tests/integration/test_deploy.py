"""A deploy up to CloudFormation's API, and back, against moto's server; the pre-traffic hook.

``sam deploy`` itself runs, as a process of its own: what it uploads, the change set and its
parameters are looked at. moto takes a change set, but cannot create what a SAM template asks for:
here its input is noted, and then expanded as CloudFormation's transform would.
tests/e2e/test_deploy.py deploys to an account that makes things.
"""

import importlib
import importlib.util
import io
import itertools
import json
import shutil
import sys
import zipfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any
from urllib.parse import urlsplit

import boto3
import colors
import pytest
from botocore.exceptions import ClientError
from botocore.stub import Stubber
from moto.cloudformation.models import ChangeSet, Stack
from samcli.yamlhelper import yaml_dump, yaml_parse
from samtranslator.translator.transform import transform

from tools.deploy import account, bucket, cli, deployed, model
from tools.deploy.account import Limits
from tools.errors import ToolError
from tools.local.s3 import LocalS3

ROOT = Path(__file__).parents[2]
STACK = "images"
REGIONS = ("eu-west-1", "us-east-1")
ACCOUNT = "123456789012"
FULL = Limits(1000, 1000)


@pytest.fixture
def applied(s3_server: LocalS3, s3: Any, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """AWS, empty; and by region the template and parameters that CloudFormation got last."""
    # By this name moto knows that the bucket of a template's address is in its path.
    address = s3_server.url.replace("127.0.0.1", "localhost")
    monkeypatch.setenv("AWS_ENDPOINT_URL", address)
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", address)
    monkeypatch.setenv("SAM_CLI_TELEMETRY", "0")
    monkeypatch.setenv("SAM_CLI_POLL_DELAY", "0.1")
    made: dict[str, Any] = {}

    def apply(change_set: Any) -> None:
        made[change_set.stack.region_name] = {
            "template": yaml_parse(change_set.template),
            "parameters": dict(change_set.parameters),
            "tags": change_set.tags,
        }
        asked = yaml_parse(change_set.template)["Parameters"]
        defaults = {name: str(each.get("Default")) for name, each in asked.items()}
        change_set.stack.parameters = defaults | change_set.parameters

    def outputs(stack: Any) -> list[dict[str, Any]]:
        values = {"ApiUrl": f"https://api.{stack.region_name}", "Curl": "curl image"}
        if (bucket := f"results-{stack.region_name}") in buckets():
            values["BatchResultsBucket"] = bucket
        return [{"OutputKey": key, "OutputValue": value} for key, value in values.items()]

    monkeypatch.setattr(ChangeSet, "apply", apply)

    def parameters(stack: Any) -> list[dict[str, str]]:
        pairs = stack.parameters.items()
        return [{"ParameterKey": key, "ParameterValue": value} for key, value in pairs]

    monkeypatch.setattr(Stack, "outputs", property(outputs))
    monkeypatch.setattr(Stack, "parameter_list", property(parameters))
    monkeypatch.setattr(Stack, "stack_parameters", property(lambda stack: stack.parameters))
    return made


def buckets() -> list[str]:
    return [each["Name"] for each in boto3.client("s3").list_buckets()["Buckets"]]


def home(region: str) -> str:
    return f"{STACK}-{ACCOUNT}-{region}"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return colors.write_bundle(tmp_path_factory.mktemp("bundle") / "colors")


@pytest.fixture
def build(tmp_path: Path) -> Path:
    """What `sam build` leaves behind, with stand-ins for the layers, which take minutes."""
    place = tmp_path / "build"
    template = yaml_parse((ROOT / "template.yaml").read_text())
    (place / "layer").mkdir(parents=True)
    (place / "layer" / "library.so").write_bytes(b"\x7fELF")
    shutil.copytree(ROOT / "src", place / "function")
    shutil.copytree(ROOT / "hooks", place / "hooks")
    shutil.copytree(ROOT / "statemachine", place / "statemachine")
    shutil.copy(ROOT / "apigateway.yaml", place)
    code = template["Globals"]["Function"].pop("CodeUri")
    for resource in template["Resources"].values():
        properties = resource.get("Properties", {})
        if resource["Type"] == "AWS::Serverless::Function":
            properties["CodeUri"] = (
                "hooks" if "hooks" in properties.get("CodeUri", code) else "function"
            )
        if resource["Type"] == "AWS::Serverless::LayerVersion":
            properties["ContentUri"] = "layer"
    (place / "template.yaml").write_text(yaml_dump(template))
    return place / "template.yaml"


@pytest.fixture
def deploy(
    applied: dict[str, Any], build: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., int]:
    """The tool, as it is called: its exit status."""
    monkeypatch.setattr(cli, "TEMPLATE", build)
    # moto has no GetAccountSettings, and makes no API; tests/e2e/test_deploy.py asks a real one.
    monkeypatch.setattr(account, "read_limits", lambda _: FULL)
    answer = deployed.Answer("colors 1", "red", 0.9, 12.0)
    monkeypatch.setattr(deployed, "ask", lambda *_: answer)

    def run(*arguments: str, model: Path = folder, regions: Sequence[str] = REGIONS[:1]) -> int:
        place = ("--stack", STACK, "--regions", ",".join(regions))
        own = ("--model", str(model)) if arguments[0] == "deploy" else ()
        return cli.main([*arguments, *place, *own])

    return run


def test_from_an_empty_account_to_an_endpoint_in_two_regions(
    deploy: Callable[..., int],
    applied: dict[str, Any],
    folder: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert deploy("deploy", "--yes", "--set", "ThrottleRate=50", regions=REGIONS) == 0
    output = capsys.readouterr().out
    assert set(applied) == set(REGIONS)
    s3 = boto3.client("s3")
    for region in REGIONS:
        assert f"https://api.{region}" in output
        name = home(region)
        assert s3.get_bucket_versioning(Bucket=name)["Status"] == "Enabled"
        access = s3.get_public_access_block(Bucket=name)["PublicAccessBlockConfiguration"]
        assert set(access.values()) == {True}
        for path in folder.iterdir():
            key = f"models/colors/1/{path.name}"
            assert s3.get_object(Bucket=name, Key=key)["Body"].read() == path.read_bytes()

        parameters = applied[region]["parameters"]
        assert parameters["ModelUri"] == f"s3://{name}/models/colors/1"
        assert parameters["ThrottleRate"] == "50"
        check_template(applied[region]["template"], name, s3)
    assert output.count("Try it: curl image") == len(REGIONS)


def check_template(template: dict[str, Any], bucket: str, s3: Any) -> None:
    """Everything local has become an upload that is there, and CloudFormation can expand it."""
    resources = template["Resources"]
    function = resources["ClassifyFunction"]["Properties"]["CodeUri"]
    names = zipfile.ZipFile(io.BytesIO(fetch(function, bucket, s3))).namelist()
    assert "app.py" in names
    assert "classifier/model/network.py" in names
    layer = fetch(resources["MxnetLayer"]["Properties"]["ContentUri"], bucket, s3)
    assert zipfile.ZipFile(io.BytesIO(layer)).namelist() == ["library.so"]
    kinds = list(expand(template, bucket, s3).values())
    assert kinds.count("AWS::Lambda::LayerVersion") == 2
    assert "AWS::ApiGateway::RestApi" in kinds


def expand(template: dict[str, Any], bucket: str, s3: Any) -> dict[str, str]:
    """What CloudFormation makes of a SAM template: each resource's logical id and type."""
    body = template["Resources"]["Api"]["Properties"]
    contract = fetch(body["DefinitionBody"]["Fn::Transform"]["Parameters"]["Location"], bucket, s3)
    body["DefinitionBody"] = yaml_parse(contract.decode())
    policies = {"AWSLambdaBasicExecutionRole": "arn:aws:iam::aws:policy/basic"}
    expanded = transform(template, {}, Policies(policies))
    return {name: resource["Type"] for name, resource in expanded["Resources"].items()}


class Policies:
    """As much of the translator's loader of managed policies as it asks for."""

    def __init__(self, known: dict[str, str]) -> None:
        self._known = known

    def load(self) -> dict[str, str]:
        return self._known


def fetch(address: str, bucket: str, s3: Any) -> bytes:
    parts = urlsplit(address)
    assert parts.scheme == "s3"
    assert parts.netloc == bucket
    content: bytes = s3.get_object(Bucket=bucket, Key=parts.path[1:])["Body"].read()
    return content


def test_a_review_shows_the_change_set_and_executes_nothing(
    deploy: Callable[..., int], applied: dict[str, Any], capfd: pytest.CaptureFixture[str]
) -> None:
    tags = ("--tag", "team=vision", "--tag", "cost=42")
    assert deploy("deploy", "--yes", "--review", *tags) == 0
    output = capfd.readouterr().out
    assert "Changeset created successfully" in output
    assert "Nothing was changed" in output
    assert applied == {}
    assert deploy("deploy", "--yes", *tags) == 0
    assert applied[REGIONS[0]]["tags"] == {"team": "vision", "cost": "42"}


def test_a_second_deploy_sends_no_model_and_changes_nothing(
    deploy: Callable[..., int], applied: dict[str, Any], capfd: pytest.CaptureFixture[str]
) -> None:
    assert deploy("deploy", "--yes") == 0
    s3 = boto3.client("s3")
    key = {"Bucket": home(REGIONS[0]), "Key": "models/colors/1/manifest.json"}
    first = s3.head_object(**key)["VersionId"]
    capfd.readouterr()
    assert deploy("deploy", "--yes") == 0
    assert s3.head_object(**key)["VersionId"] == first
    assert "No changes to deploy" in capfd.readouterr().out


def test_a_new_model_is_a_new_version_and_the_one_before_stays_readable(
    deploy: Callable[..., int], applied: dict[str, Any], folder: Path, tmp_path: Path
) -> None:
    (region,) = REGIONS[:1]
    newer = colors.write_bundle(tmp_path / "newer", version="2")
    s3 = boto3.client("s3")

    def versions(model: Path) -> tuple[set[str], str, str]:
        assert deploy("deploy", "--yes", model=model) == 0
        ids = expand(applied[region]["template"], home(region), s3)
        values = applied[region]["parameters"]
        published = {name for name, kind in ids.items() if kind == "AWS::Lambda::Version"}
        return published, values["ModelUri"], values["PreviousModelUri"]

    first, model, before = versions(folder)
    assert len(first) == 3
    assert before == ""
    second, newer_model, before = versions(newer)
    assert not first & second
    assert (newer_model, before) == (f"s3://{home(region)}/models/colors/2", model)
    assert versions(folder)[1:] == (model, newer_model)


@pytest.fixture
def deployed_stacks(applied: dict[str, Any], folder: Path) -> None:
    """What a deploy leaves behind in every region, made without one, which takes seconds."""
    template = json.dumps({"Resources": {"Topic": {"Type": "AWS::SNS::Topic"}}})
    for region in REGIONS:
        bucket.ensure(boto3.client("s3", region_name=region), home(region), ACCOUNT, region)
        model.ensure(folder, model.read(folder), home(region), lambda: None)
        formation = boto3.client("cloudformation", region_name=region)
        formation.create_stack(StackName=STACK, TemplateBody=template)


@pytest.mark.usefixtures("deployed_stacks")
def test_another_bundle_of_the_same_version_is_refused(
    deploy: Callable[..., int], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = colors.write_bundle(tmp_path / "other", source="somewhere else")
    assert deploy("deploy", "--yes", model=other) == 1
    assert "holds another bundle of that version" in capsys.readouterr().err


@pytest.mark.usefixtures("deployed_stacks")
def test_a_published_bundle_that_was_damaged_is_not_deployed(
    deploy: Callable[..., int], applied: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    key = "models/colors/1/synset.txt"
    boto3.client("s3").put_object(Bucket=home(REGIONS[0]), Key=key, Body=b"red\n")
    assert deploy("deploy", "--yes") == 1
    assert "synset.txt" in capsys.readouterr().err
    assert applied == {}


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--set", "Nonsense=1"], "NAME one of ModelUri"),
        (["--set", "eu-west-1:Nonsense=1"], "NAME one of ModelUri"),
        (["--set", "ThrottleRate"], "should be NAME=VALUE"),
        (["--config-env", "nowhere"], "--config-env nowhere: samconfig.toml has default, trial"),
    ],
)
def test_wrong_options_are_refused_before_anything_is_made(
    deploy: Callable[..., int],
    arguments: list[str],
    words: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert deploy("deploy", "--yes", *arguments) == 1
    assert words in capsys.readouterr().err
    assert buckets() == []


def test_without_a_build_or_a_bundle_nothing_is_made(
    deploy: Callable[..., int], build: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert deploy("deploy", "--yes", model=tmp_path) == 1
    assert "holds no bundle" in capsys.readouterr().err
    build.unlink()
    assert deploy("deploy", "--yes") == 1
    assert "run `make build` first" in capsys.readouterr().err
    assert buckets() == []


def test_check_looks_at_the_options_and_makes_nothing(
    deploy: Callable[..., int], build: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    build.unlink()  # It runs before the build.
    assert deploy("deploy", "--yes", "--check") == 0
    assert deploy("deploy", "--yes", "--check", "--set", "Nonsense=1") == 1
    assert "NAME one of ModelUri" in capsys.readouterr().err
    assert deploy("deploy", "--check", model=tmp_path) == 1
    assert "holds no bundle" in capsys.readouterr().err
    assert deploy("deploy", "--check", model=tmp_path / "nowhere") == 1
    assert "there is no such folder" in capsys.readouterr().err
    assert buckets() == []


def test_embeddings_of_uploads_need_a_model_that_has_one(
    deploy: Callable[..., int], build: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lacking = colors.write_bundle(tmp_path / "colors", output={"probabilities": False})
    boto3.client("s3").create_bucket(
        Bucket="photos", CreateBucketConfiguration={"LocationConstraint": REGIONS[0]}
    )
    settings = ("--set", "EmbedUploads=true", "--set", "UploadBuckets=photos")
    line = (
        "Error: EmbedUploads=true: colors has no embedding; choose another model, or set"
        " EmbedUploads=false\n"
    )
    # After the build it looks again: by then it knows what an earlier deploy has set.
    assert deploy("deploy", "--yes", *settings, model=lacking) == 1
    assert capsys.readouterr().err == line
    build.unlink()
    for options in (settings, settings[:2], ("--set", f"{REGIONS[0]}:EmbedUploads=true")):
        assert deploy("deploy", "--check", *options, model=lacking) == 1
        assert capsys.readouterr().err == line
    assert deploy("deploy", "--check", *settings) == 0
    assert deploy("deploy", "--check", *settings, "--set", "UploadBuckets=", model=lacking) == 0


def test_a_failed_deploy_is_one_line(
    deploy: Callable[..., int], build: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    build.write_text(build.read_text().replace("ContentUri: layer", "ContentUri: nowhere"))
    assert deploy("deploy", "--yes") == 1
    assert "`sam deploy` failed in eu-west-1" in capsys.readouterr().err


def test_the_command_line_wins_over_samconfig(
    deploy: Callable[..., int],
    applied: dict[str, Any],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    config = tmp_path / "samconfig.toml"
    config.write_text(
        "version = 0.1\n[big.deploy.parameters]\n"
        'parameter_overrides = ["MemorySize=3538", "ThrottleRate=5", "AllowedUrlHosts=a.b,c.d"]'
    )
    monkeypatch.setattr(cli, "CONFIG", config)
    assert deploy("deploy", "--yes", "--config-env", "big", "--set", "ThrottleRate=7") == 0
    parameters = applied[REGIONS[0]]["parameters"]
    assert parameters["MemorySize"] == "3538"
    assert parameters["ThrottleRate"] == "7"
    assert parameters["AllowedUrlHosts"] == "a.b,c.d"


@pytest.mark.usefixtures("deployed_stacks")
def test_destroy_deletes_every_version(
    deploy: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    s3 = boto3.client("s3")
    region = REGIONS[0]
    results = f"results-{region}"
    where = {"CreateBucketConfiguration": {"LocationConstraint": region}}
    s3.create_bucket(Bucket=results, **where)
    for name in (results, home(region)):
        status = {"Status": "Enabled"}
        s3.put_bucket_versioning(Bucket=name, VersioningConfiguration=status)
        for number in range(3):
            s3.put_object(Bucket=name, Key="again.jsonl", Body=str(number).encode())
        s3.delete_object(Bucket=name, Key="again.jsonl")  # leaves a marker
    s3.create_bucket(Bucket="somebody-elses")
    assert deploy("destroy", "--yes", regions=REGIONS) == 0
    assert buckets() == ["somebody-elses"]
    for each in REGIONS:
        stacks = boto3.client("cloudformation", region_name=each).list_stacks()["StackSummaries"]
        assert [found["StackStatus"] for found in stacks] == ["DELETE_COMPLETE"]
    assert (
        deploy("destroy", "--yes", regions=REGIONS) == 0
    )  # nothing is there, and that is what was wanted
    assert "no stack was there" in capsys.readouterr().out


@pytest.mark.usefixtures("deployed_stacks")
def test_destroy_needs_the_name_typed(
    deploy: Callable[..., int],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    there = buckets()
    monkeypatch.setattr("sys.stdin", io.StringIO("y\n"))
    assert deploy("destroy") == 1
    assert "nothing was deleted" in capsys.readouterr().err
    assert buckets() == there
    monkeypatch.setattr("sys.stdin", io.StringIO(f"{STACK}\n"))
    assert deploy("destroy") == 0
    assert buckets() == [home(REGIONS[1])]  # of the other region nothing was said


def test_a_deploy_that_is_not_confirmed_makes_nothing(
    deploy: Callable[..., int],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("n\n"))
    assert deploy("deploy") == 130
    output = capsys.readouterr().out
    assert ACCOUNT in output
    assert "colors 1 (float32)" in output
    assert "Deploy? [Y/n]" in output
    assert buckets() == []


def test_a_bucket_of_another_account_is_left_alone(applied: dict[str, Any]) -> None:
    client = boto3.client("s3")
    with Stubber(client) as stub:
        stub.add_client_error("head_bucket", service_error_code="403", http_status_code=403)
        with pytest.raises(
            ToolError, match="another account's, or these credentials may not see it"
        ):
            bucket.ensure(client, "taken", ACCOUNT, "eu-west-1")
        stub.assert_no_pending_responses()


# The check before traffic.


@pytest.fixture
def app(
    s3_server: LocalS3, s3: Any, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[ModuleType]:
    """The function, as a new version would start."""
    s3.create_bucket(Bucket="models")
    for path in folder.iterdir():
        s3.put_object(Bucket="models", Key=f"colors/{path.name}", Body=path.read_bytes())
    monkeypatch.setenv("MODEL_URI", "s3://models/colors")
    sys.modules.pop("app", None)
    yield importlib.import_module("app")
    sys.modules.pop("app", None)


@pytest.fixture
def call_hook(app: ModuleType, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., str]]:
    """Calls the hook as CodeDeploy does, with ``answer`` for the version; returns its status."""
    spec = importlib.util.spec_from_file_location("pre_traffic", ROOT / "hooks" / "pre_traffic.py")
    assert spec
    assert spec.loader
    hook = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(hook)
    version = f"arn:aws:lambda:eu-west-1:{ACCOUNT}:function:classify:7"
    monkeypatch.setenv("NEW_VERSION", version)

    class Context:
        aws_request_id = "hook"

        def get_remaining_time_in_millis(self) -> int:
            return 29_000

    monkeypatch.setattr(hook, "_PAUSE_S", 0)

    def run(answer: Callable[[Any], Any] | None = None, error: str = "", throttled: int = 0) -> str:
        reports: list[dict[str, str]] = []

        class Lambda:
            throttles = throttled

            def invoke(self, FunctionName: str, Payload: str) -> dict[str, Any]:  # noqa: N803
                assert FunctionName == version
                if self.throttles:
                    self.throttles -= 1
                    code = {"Error": {"Code": "TooManyRequestsException", "Message": "slow"}}
                    raise ClientError(code, "Invoke")
                call = answer or (lambda event: app.lambda_handler(event, Context()))
                payload = io.BytesIO(json.dumps(call(json.loads(Payload))).encode())
                return {"Payload": payload} | ({"FunctionError": error} if error else {})

        class CodeDeploy:
            def put_lifecycle_event_hook_execution_status(self, **report: str) -> None:
                reports.append(report)

        clients = {"lambda": Lambda(), "codedeploy": CodeDeploy()}
        monkeypatch.setattr(hook.boto3, "client", lambda name, **_: clients[name])
        status = hook.handler({"DeploymentId": "d-1", "LifecycleEventHookExecutionId": "e-1"}, None)
        assert reports == [
            {"deploymentId": "d-1", "lifecycleEventHookExecutionId": "e-1", "status": status}
        ]
        assert isinstance(status, str)
        return status

    yield run
    monkeypatch.undo()


def test_the_hook_passes_a_healthy_version(
    call_hook: Callable[..., str], folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert call_hook() == "Succeeded"
    expected = model.probe(model.read(folder))  # as the deploy tool works it out
    monkeypatch.setenv("PROBE_LABEL", expected.label)
    monkeypatch.setenv("PROBE_PROBABILITY", str(expected.probability))
    assert call_hook() == "Succeeded"
    monkeypatch.setenv("PROBE_PROBABILITY", str(expected.probability - 0.2))
    assert call_hook() == "Failed"
    monkeypatch.setenv("PROBE_LABEL", "zebra")
    assert call_hook() == "Failed"


def test_the_hook_calls_a_throttled_version_again(
    call_hook: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert call_hook(throttled=3) == "Succeeded"


def test_the_hook_fails_a_version_that_stays_throttled(
    call_hook: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("time.monotonic", itertools.count(0.0, 30.0).__next__)
    assert call_hook(throttled=1000) == "Failed"


def labels(*chances: float) -> Callable[[Any], Any]:
    body = {"labels": [{"label": "x", "probability": chance} for chance in chances]}
    return lambda event: {"statusCode": 200, "body": json.dumps(body)}


def fickle() -> Callable[[Any], Any]:
    chances = iter((0.5, 0.5, 0.4))
    return lambda event: labels(next(chances))(event)  # noqa: PLW0108  (anew at each call)


def crashing(event: Any) -> Any:
    raise ConnectionError("Lambda is not there")


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (labels(), ""),
        (labels(float("nan")), ""),
        (labels(0.7, 0.6), ""),
        (labels(-0.1), ""),
        (fickle(), ""),
        (lambda event: {"statusCode": 503, "body": "{}"}, ""),
        (lambda event: {"statusCode": 200, "body": "<html>"}, ""),
        (lambda event: {"errorMessage": "no module named mxnet"}, "Unhandled"),
        (crashing, ""),
    ],
)
def test_the_hook_fails_a_broken_version(
    call_hook: Callable[..., str], answer: Callable[[Any], Any], error: str
) -> None:
    assert call_hook(answer, error) == "Failed"


def test_the_hook_fails_a_version_without_its_model(
    call_hook: Callable[..., str], app: ModuleType, s3: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(app.environment, "_service", None)
    s3.delete_object(Bucket="models", Key="colors/colors-0000.params")
    assert call_hook() == "Failed"
