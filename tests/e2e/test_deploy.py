"""Deploys to an AWS account on this machine: CloudFormation makes things, and Lambda runs them.

The unmodified output of `sam build` is deployed with the tool that people use. The account is
ministack, in an environment of its own (requirements-aws.txt) that the first of these tests makes.

It has no traffic shifting, no alarms that fire, no gateway responses, no request validators, no
signatures on methods, no reserved concurrency, no VPC, no access logs and no batches of Step
Functions, and refuses no update of a stack that failed. tests/unit/test_template.py,
tests/unit/test_apigateway.py, tests/unit/test_deploy_tool.py and tests/integration/test_batch.py
cover what can be; docs/first-deploy-checklist.md names the rest.
"""

import base64
import json
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import pytest
import requests
from emulated_account import use
from sam_build import copy_of_the_build
from samcli.yamlhelper import yaml_dump, yaml_parse

from tools.deploy import cli
from tools.deploy.emulator.account import ACCOUNT, LocalAccount

ROOT = Path(__file__).parents[2]
BUILD = ROOT / ".aws-sam" / "build"
STACK = "images"
REGIONS = ("eu-west-1", "us-east-1")
DIGIT = (ROOT / "docs" / "digit.png").read_bytes()
PNG = {"content-type": "image/png"}

if not (BUILD / "template.yaml").is_file():
    pytest.skip("nothing is built: run `make build` first", allow_module_level=True)


@dataclass
class Box:
    """An account with a build to deploy. template: the built one, a copy that tests may change."""

    account: LocalAccount
    template: Path

    def deploy(
        self, *arguments: str, model: Path = ROOT / "models" / "demo", **options: str
    ) -> int:
        """Run the deploy command. options: ``stack`` and ``regions``."""
        return cli.main(
            [
                *("deploy", "--yes", "--model", str(model)),
                *("--stack", options.get("stack", STACK)),
                *("--regions", options.get("regions", REGIONS[0])),
                *arguments,
            ]
        )

    def client(self, service: str, region: str = REGIONS[0]) -> Any:
        return boto3.client(service, region_name=region)  # type: ignore[call-overload]

    def outputs(self, region: str = REGIONS[0], stack: str = STACK) -> dict[str, str]:
        [found] = self.client("cloudformation", region).describe_stacks(StackName=stack)["Stacks"]
        return {each["OutputKey"]: each["OutputValue"] for each in found["Outputs"]}

    def url(self, region: str = REGIONS[0], stack: str = STACK) -> str:
        return self.account.api_url.format(api=self.outputs(region, stack)["ApiId"])

    def versions(self) -> tuple[str, str]:
        """The version of each function that its alias points to."""
        outputs = self.outputs()
        numbers = (
            self.client("lambda").get_alias(FunctionName=outputs[name], Name="live")
            for name in ("FunctionName", "BatchFunctionName")
        )
        classify, batch = (number["FunctionVersion"] for number in numbers)
        return classify, batch

    def live(self) -> dict[str, Any]:
        """The configuration of the version that gets the traffic."""
        configuration: dict[str, Any] = self.client("lambda").get_function_configuration(
            FunctionName=self.outputs()["FunctionName"], Qualifier="live"
        )
        return configuration

    def classify(self, region: str = REGIONS[0], **headers: str) -> requests.Response:
        return requests.post(
            f"{self.url(region)}/predict", DIGIT, headers=PNG | headers, timeout=60
        )


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Box]:
    """An account with a first deploy in two regions."""
    with LocalAccount() as account, pytest.MonkeyPatch.context() as patch:
        box = Box(account, copy_of_the_build(tmp_path_factory.mktemp("project")))
        use(box.account, box.template, patch)
        assert box.deploy("--set", "ThrottleRate=50", regions=",".join(REGIONS)) == 0
        yield box


@pytest.fixture
def box(made: Box, _no_caller_settings: None, monkeypatch: pytest.MonkeyPatch) -> Box:
    use(made.account, made.template, monkeypatch)
    return made


@pytest.mark.parametrize("region", REGIONS)
def test_a_first_deploy_classifies_an_image(box: Box, region: str) -> None:
    answer = box.classify(region)
    assert answer.status_code == 200, answer.text
    served = answer.json()["model"]
    assert (served["name"], served["version"]) == ("demo", "1")
    assert answer.json()["labels"][0]["probability"] > 0.5
    image = base64.b64encode(DIGIT).decode()
    body = {"images": [{"image": image}, {"image": "AAAA"}]}
    results = requests.post(f"{box.url(region)}/predict", json=body, timeout=60).json()["results"]
    assert results[0]["labels"] == answer.json()["labels"]
    assert results[1]["error"]["code"] == "unsupported-image-type"


@pytest.mark.parametrize("path", ["/", "/docs", "/openapi.json", "/health"])
def test_every_page_is_served(box: Box, path: str) -> None:
    assert requests.get(f"{box.url()}{path}", timeout=60).status_code == 200


def test_the_api_has_one_stage(box: Box) -> None:
    stages = box.client("apigateway").get_stages(restApiId=box.outputs()["ApiId"])["item"]
    assert [stage["stageName"] for stage in stages] == ["v1"]


def test_each_region_has_a_dashboard_of_its_own(box: Box) -> None:
    names = {
        entry["DashboardName"]
        for region in REGIONS
        for entry in box.client("cloudwatch", region).list_dashboards()["DashboardEntries"]
    }
    assert names == {f"{STACK}-{region}" for region in REGIONS}


def report(box: Box, **variables: str) -> str:
    """What the pre-traffic hook reports to CodeDeploy, with ``variables`` in its environment."""
    client, name = box.client("lambda"), f"CodeDeployHook_{STACK}"
    settings = client.get_function_configuration(FunctionName=name)["Environment"]["Variables"]
    client.update_function_configuration(
        FunctionName=name, Environment={"Variables": settings | variables}
    )
    event = {"DeploymentId": "d-1", "LifecycleEventHookExecutionId": "e-1"}
    answer = client.invoke(FunctionName=name, Payload=json.dumps(event))
    client.update_function_configuration(FunctionName=name, Environment={"Variables": settings})
    assert "FunctionError" not in answer, answer["Payload"].read()
    last = box.account.codedeploy.reports[-1]
    assert last["deploymentId"] == "d-1"
    return str(last["status"])


def test_the_hook_lets_a_fit_version_through_and_no_other(box: Box) -> None:
    assert report(box) == "Succeeded"
    assert report(box, PROBE_LABEL="zebra") == "Failed"


def test_nothing_changed_is_no_new_version(box: Box) -> None:
    before = box.versions()
    assert box.deploy() == 0
    assert box.versions() == before


def test_a_changed_parameter_reaches_traffic(box: Box) -> None:
    before = box.versions()
    assert box.deploy("--set", "FetchTimeoutS=7") == 0
    assert all(int(now) > int(then) for now, then in zip(box.versions(), before, strict=True))
    assert box.live()["Environment"]["Variables"]["FETCH_TIMEOUT_S"] == "7"


def test_a_changed_layer_reaches_traffic(box: Box) -> None:
    before, layers = box.versions(), box.live()["Layers"]
    added = box.template.parent / "OpencvLayer" / "python" / "sitecustomize_deploy_test.py"
    added.write_text("")
    assert box.deploy() == 0
    assert all(int(now) > int(then) for now, then in zip(box.versions(), before, strict=True))
    assert box.live()["Layers"] != layers
    assert box.classify().status_code == 200


def test_a_changed_model_reaches_traffic(box: Box, tmp_path: Path) -> None:
    folder = tmp_path / "newer"
    shutil.copytree(ROOT / "models" / "demo", folder)
    manifest = json.loads((folder / "manifest.json").read_text())
    (folder / "manifest.json").write_text(json.dumps(manifest | {"version": "2"}))
    before = box.versions()
    assert box.deploy(model=folder) == 0
    assert box.versions() != before
    assert box.classify().json()["model"]["version"] == "2"
    [found] = box.client("cloudformation").describe_stacks(StackName=STACK)["Stacks"]
    parameters = {each["ParameterKey"]: each["ParameterValue"] for each in found["Parameters"]}
    assert parameters["PreviousModelUri"].endswith("/models/demo/1")
    assert parameters["ThrottleRate"] == "50"  # an earlier deploy's value stays


def test_a_key_is_asked_for_and_no_more(box: Box, capfd: pytest.CaptureFixture[str]) -> None:
    assert box.deploy("--set", "RequireApiKey=true") == 0
    assert "get-api-key" in capfd.readouterr().out
    assert box.classify().status_code == 403
    [key] = box.client("apigateway").get_api_keys(includeValues=True)["items"]
    assert box.classify(**{"x-api-key": key["value"]}).status_code == 200
    assert requests.get(f"{box.url()}/health", timeout=60).status_code == 200


def test_a_failed_create_leaves_nothing_and_the_next_one_works(
    box: Box, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = box.template.read_text()
    template = yaml_parse(whole)
    incomplete = {"Type": "AWS::CloudWatch::Alarm", "Properties": {"AlarmName": "incomplete"}}
    template["Resources"]["Incomplete"] = incomplete | {"DependsOn": "ClassifyFunction"}
    box.template.write_text(yaml_dump(template))
    assert box.deploy(stack="broken") == 1
    box.template.write_text(whole)
    formation = box.client("cloudformation")
    with pytest.raises(formation.exceptions.ClientError, match="does not exist"):
        formation.describe_stacks(StackName="broken")
    functions = box.client("lambda").list_functions()["Functions"]
    assert not [each for each in functions if "broken" in each["FunctionName"]]
    names = [each["Name"] for each in box.client("s3").list_buckets()["Buckets"]]
    home = f"broken-{ACCOUNT}-{REGIONS[0]}"
    assert [each for each in names if "broken" in each] == [home]

    # One that somebody else's tool left behind.
    formation.create_stack(
        StackName="broken", TemplateBody=json.dumps({"Resources": {"Incomplete": incomplete}})
    )
    [found] = formation.describe_stacks(StackName="broken")["Stacks"]
    assert found["StackStatus"] == "ROLLBACK_COMPLETE"
    assert box.deploy(stack="broken") == 0
    answer = requests.get(f"{box.url(stack='broken')}/health", timeout=60)
    assert answer.status_code == 200


def test_an_image_in_a_bucket_is_read_where_it_is_allowed(box: Box) -> None:
    """The execution role is enforced: its ARNs have a wildcard for the partition."""
    s3 = box.client("s3")
    location: Any = {"LocationConstraint": REGIONS[0]}
    for name in ("allowed-images", "other-images"):
        s3.create_bucket(Bucket=name, CreateBucketConfiguration=location)
        s3.put_object(Bucket=name, Key="digit.png", Body=DIGIT)
    settings = ("S3ReadBuckets=allowed-images", "RequireApiKey=false")
    assert box.deploy(*(word for each in settings for word in ("--set", each))) == 0
    assert box.classify().status_code == 200  # no key is asked for any more
    query = f"{box.url()}/predict?url=s3://"
    assert requests.get(f"{query}allowed-images/digit.png", timeout=60).status_code == 200
    refused = requests.get(f"{query}other-images/digit.png", timeout=60)
    assert (refused.status_code, refused.json()["code"]) == (403, "url-not-allowed")


def test_destroy_takes_all_of_it_away(box: Box, tmp_path: Path) -> None:
    regions = ",".join(REGIONS)
    destroy: Callable[..., int] = cli.main
    assert destroy(["destroy", "--yes", "--stack", STACK, "--regions", regions]) == 0
    for region in REGIONS:
        formation = box.client("cloudformation", region)
        with pytest.raises(formation.exceptions.ClientError, match="does not exist"):
            formation.describe_stacks(StackName=STACK)
        functions = box.client("lambda", region).list_functions()["Functions"]
        assert not [each for each in functions if each["FunctionName"].startswith(STACK)]
    names = [each["Name"] for each in box.client("s3").list_buckets()["Buckets"]]
    assert not [each for each in names if each.startswith(STACK)]
