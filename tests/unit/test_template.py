"""What CloudFormation makes: template.yaml with the API's definition in it, expanded."""

import dataclasses
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from expanded_template import Template, expand
from samcli.yamlhelper import yaml_parse

from classifier.api import pages
from classifier.api.routes import METHODS as ROUTES
from classifier.config import Settings
from classifier.errors import RequestError
from tools.local import function

ROOT = Path(__file__).parents[2]
METHODS = {"get", "head", "post", "options"}
GATEWAYS_OWN = {"access-denied", "too-many-requests", "service-busy"}


@pytest.fixture(scope="module")
def contract() -> Template:
    loaded: Template = yaml.safe_load((ROOT / "openapi.yaml").read_bytes())
    return loaded


@pytest.fixture(scope="module")
def source() -> Template:
    parsed: Template = yaml_parse((ROOT / "template.yaml").read_text())
    return parsed


@pytest.fixture(scope="module")
def definition() -> Template:
    """What API Gateway imports."""
    loaded: Template = yaml.safe_load((ROOT / "apigateway.yaml").read_bytes())
    return loaded


@pytest.fixture(scope="module")
def expanded(definition: Template) -> Template:
    return expand(definition)


NO_VALUE = {"Ref": "AWS::NoValue"}
CONDITIONS = tuple(yaml_parse((ROOT / "template.yaml").read_text())["Conditions"])


def decided(node: Any, parameters: dict[str, str], conditions: Template) -> Any:
    """``node`` with ``parameters`` and what follows from them filled in, as in a deployment."""
    match node:
        case {"Fn::If": [name, then, otherwise]}:
            is_true = holds(conditions[name], parameters, conditions)
            return decided(then if is_true else otherwise, parameters, conditions)
        case {"Ref": name}:
            return parameters.get(name, node)
        case {"Fn::Join": [separator, texts]}:
            # Addresses of resources, which only a deployment knows, stand as they are written.
            done = decided(texts, parameters, conditions)
            return separator.join(str(text) for text in done)
        case dict():
            pairs = ((key, decided(value, parameters, conditions)) for key, value in node.items())
            return {key: value for key, value in pairs if value != NO_VALUE}
        case list():
            values = (decided(value, parameters, conditions) for value in node)
            return [value for value in values if value != NO_VALUE]
    return node


def holds(condition: Any, parameters: dict[str, str], conditions: Template) -> bool:
    """Whether ``condition`` is true with ``parameters``; what these do not name is empty."""
    match condition:
        case {"Fn::Equals": sides}:
            left, right = (decided(side, parameters, conditions) for side in sides)
            return bool(left == right)
        case {"Fn::Not": [inner]}:
            return not holds(inner, parameters, conditions)
        case {"Fn::And": parts}:
            return all(holds(part, parameters, conditions) for part in parts)
        case {"Condition": name}:
            return holds(conditions[name], parameters, conditions)
    raise AssertionError(condition)


def references(node: Any, truth: dict[str, bool]) -> Iterator[str]:
    """What ``node`` refers to where the conditions are as in ``truth``."""
    match node:
        case {"Fn::If": [name, then, otherwise]}:
            yield from references(then if truth[name] else otherwise, truth)
        case {"Ref": name}:
            yield name
        case {"Fn::GetAtt": target}:
            yield target.split(".")[0] if isinstance(target, str) else target[0]
        case {"Fn::Sub": text}:
            template, names = (text, {}) if isinstance(text, str) else text
            for name in re.findall(r"\$\{(?!!)([\w:]+)", template):
                if name not in names:
                    yield name
            yield from references(list(names.values()), truth)
        case dict():
            yield from references(list(node.values()), truth)
        case list():
            for each in node:
                yield from references(each, truth)


def of_type(template: Template, kind: str) -> dict[str, Template]:
    return {
        name: resource["Properties"]
        for name, resource in template["Resources"].items()
        if resource["Type"] == kind
    }


def test_functions_run_what_the_code_has(expanded: Template) -> None:
    functions = of_type(expanded, "AWS::Lambda::Function")
    handlers = {name: each["Handler"] for name, each in functions.items()}
    assert handlers["ClassifyFunction"] == "app.lambda_handler"
    assert handlers["BatchFunction"] == "app.batch_handler"
    for name in ("ClassifyFunction", "BatchFunction"):
        assert functions[name]["Runtime"] == "python3.12"
        assert functions[name]["Architectures"] == ["x86_64"]
        assert functions[name]["TracingConfig"] == {"Mode": "Active"}
        assert len(functions[name]["Layers"]) == 2
    # API Gateway waits for 29 seconds, and the function should end first.
    assert functions["ClassifyFunction"]["Timeout"] <= 29


def test_the_functions_variables_are_its_settings(expanded: Template) -> None:
    known = {field.name.upper() for field in dataclasses.fields(Settings)}
    # One has the engine's name for it, and one Lambda sets by itself.
    known = known - {"THREADS", "MEMORY_BYTES"} | {"OMP_NUM_THREADS", "USER_AGENT"}
    assert set(function.SETTINGS) | {"USER_AGENT"} == known
    for name in ("ClassifyFunction", "BatchFunction"):
        properties = expanded["Resources"][name]["Properties"]
        variables = set(properties["Environment"]["Variables"])
        assert variables == known


def test_limits_are_parameters_with_the_settings_defaults(source: Template) -> None:
    parameters = source["Parameters"]
    for parameter, default in (
        ("MaxImageBytes", Settings.max_image_bytes),
        ("MaxImagePixels", Settings.max_image_pixels),
        ("FetchTimeoutS", Settings.fetch_timeout_s),
    ):
        assert parameters[parameter]["Default"] == default
    # The function has 29 seconds, and has to classify and answer after the download.
    assert parameters["FetchTimeoutS"]["MaxValue"] <= 25


def test_threads_follow_from_the_memory_size(source: Template) -> None:
    sizes = source["Parameters"]["MemorySize"]["AllowedValues"]
    threads = source["Mappings"]["Threads"]
    assert {int(size): int(row["Count"]) for size, row in threads.items()} == {
        size: max(1, round(size / 1769)) for size in sizes
    }


@pytest.mark.parametrize(
    ("uri", "is_one"),
    [
        ("s3://models/resnet-18/2026-11-22", True),
        ("s3://models/x", True),
        ("s3://models/x/", False),
        ("s3://models", False),
        ("s3://models/*", False),
        ("s3://models/a*/b", False),
        ("s3://Models/x", False),
        ("https://models/x", False),
    ],
)
def test_only_a_prefix_in_s3_is_a_model(source: Template, uri: str, is_one: bool) -> None:
    pattern = source["Parameters"]["ModelUri"]["AllowedPattern"]
    assert bool(re.fullmatch(pattern, uri)) == is_one


def test_the_api_is_regional_with_exact_binary_types(expanded: Template) -> None:
    [properties] = of_type(expanded, "AWS::ApiGateway::RestApi").values()
    assert properties["EndpointConfiguration"] == {"Types": ["REGIONAL"]}
    types = {each.replace("~1", "/") for each in properties["BinaryMediaTypes"]}
    assert {"image/jpeg", "image/heic", "multipart/form-data", "application/octet-stream"} < types
    assert not any("*" in each or "json" in each or "text" in each for each in types)


def test_the_stage_traces_throttles_and_logs_no_query(expanded: Template) -> None:
    [stage] = of_type(expanded, "AWS::ApiGateway::Stage").values()
    assert stage["TracingEnabled"] is True
    [settings] = stage["MethodSettings"]
    assert (settings["ResourcePath"], settings["HttpMethod"]) == ("/*", "*")
    assert settings["ThrottlingRateLimit"] == {"Ref": "ThrottleRate"}
    assert not settings.get("DataTraceEnabled")  # it would log queries and bodies
    line = stage["AccessLogSetting"]["Format"]
    members = json.loads(line)
    assert members["path"] == "$context.path"
    assert "querystring" not in line
    assert "requestOverride" not in line


def test_the_api_has_one_stage(expanded: Template) -> None:
    """SAM adds another, public and unthrottled, where it is not told OpenAPI's version."""
    deployments = of_type(expanded, "AWS::ApiGateway::Deployment").values()
    assert [each["StageName"] for each in deployments if "StageName" in each] == []
    stages = of_type(expanded, "AWS::ApiGateway::Stage").values()
    assert [each["StageName"] for each in stages] == ["v1"]


def test_every_route_of_the_function_is_wired_to_its_alias(definition: Template) -> None:
    routes = {
        (path, method.upper())
        for path, item in definition["paths"].items()
        for method in METHODS & set(item)
    }
    assert {route for route in routes if route[1] != "OPTIONS"} == {
        (path, method) for path, methods in ROUTES.items() for method in methods
    }
    # A browser asks first when a request is not simple, and POST /predict never is.
    assert ("/predict", "OPTIONS") in routes
    for path, item in definition["paths"].items():
        for method in METHODS & set(item):
            integration = item[method]["x-amazon-apigateway-integration"]
            assert integration["type"] == "aws_proxy", path
            assert integration["httpMethod"] == "POST"  # how Lambda is called, always
            assert "${ClassifyFunction.Alias}/invocations" in integration["uri"]["Fn::Sub"]


def test_everybody_may_call_unless_a_deployment_says_otherwise(source: Template) -> None:
    assert source["Parameters"]["RequireApiKey"]["Default"] == "false"
    assert source["Parameters"]["Authorization"]["Default"] == "NONE"


@pytest.mark.parametrize("needs_key", ["false", "true"])
@pytest.mark.parametrize("authorization", ["NONE", "AWS_IAM"])
def test_keys_and_signatures_are_asked_of_images_alone(
    expanded: Template, needs_key: str, authorization: str
) -> None:
    parameters = {"RequireApiKey": needs_key, "Authorization": authorization}
    [api_properties] = of_type(expanded, "AWS::ApiGateway::RestApi").values()
    body = decided(api_properties["Body"], parameters, expanded["Conditions"])
    # What API Gateway takes for a key of its own, and nothing else is.
    assert body["components"]["securitySchemes"] == {
        "api_key": {"type": "apiKey", "in": "header", "name": "x-api-key"}
    }
    assert "security" not in body
    for path, item in body["paths"].items():
        for method in METHODS & set(item):
            is_image = path in ("/predict", "/huggingface") and method != "options"
            asked = [{"api_key": []}] if is_image and needs_key == "true" else []
            assert item[method].get("security", []) == asked, (path, method)
            signed = item[method].get("x-amazon-apigateway-auth", {"type": "NONE"})
            assert signed == {"type": authorization if is_image else "NONE"}, (path, method)


def test_a_key_with_its_plan_is_made_where_one_is_asked_for(expanded: Template) -> None:
    resources = expanded["Resources"]
    for name in ("ApiKey", "UsagePlan", "UsagePlanKey"):
        assert resources[name]["Condition"] == "NeedsKey"
    assert expanded["Conditions"]["NeedsKey"] == {"Fn::Equals": [{"Ref": "RequireApiKey"}, "true"]}
    assert resources["ApiKey"]["Properties"]["Enabled"] is True
    [stage] = of_type(expanded, "AWS::ApiGateway::Stage")
    plan = resources["UsagePlan"]["Properties"]
    assert plan["ApiStages"] == [{"ApiId": {"Ref": "Api"}, "Stage": {"Ref": stage}}]
    assert plan["Throttle"] == {
        "RateLimit": {"Ref": "ThrottleRate"},
        "BurstLimit": {"Ref": "ThrottleBurst"},
    }
    assert resources["UsagePlanKey"]["Properties"] == {
        "KeyId": {"Ref": "ApiKey"},
        "KeyType": "API_KEY",
        "UsagePlanId": {"Ref": "UsagePlan"},
    }


def test_what_is_asked_of_callers_reaches_the_stage_with_each_deploy(definition: Template) -> None:
    """SAM deploys an API whose text has changed, and no parameter changes the text."""
    names = []
    for now in (1_800_000_000, 1_800_000_060):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("samtranslator.model.apigateway.time.time", lambda now=now: now)
            template = expand(definition)
        [deployment] = of_type(template, "AWS::ApiGateway::Deployment")
        [stage] = of_type(template, "AWS::ApiGateway::Stage").values()
        assert stage["DeploymentId"] == {"Ref": deployment}
        names.append(deployment)
    assert names[0] != names[1]


@pytest.mark.parametrize("needs_key", ["false", "true"])
@pytest.mark.parametrize("authorization", ["NONE", "AWS_IAM"])
def test_the_curl_of_a_deployment_has_what_it_asks_for(
    expanded: Template, needs_key: str, authorization: str
) -> None:
    parameters = {"RequireApiKey": needs_key, "Authorization": authorization}
    parameters["AWS::Region"] = "eu-west-1"
    outputs = expanded["Outputs"]
    command = decided(outputs["Curl"]["Value"], parameters, expanded["Conditions"])
    assert ('-H "x-api-key: $API_KEY"' in command) == (needs_key == "true")
    is_signed = "--aws-sigv4 aws:amz:eu-west-1:execute-api --user" in command
    assert is_signed == (authorization == "AWS_IAM")
    assert ("AWS_SESSION_TOKEN" in command) == is_signed
    assert "AWS::NoValue" not in command
    assert outputs["ReadApiKey"]["Condition"] == "NeedsKey"
    assert "get-api-key" in outputs["ReadApiKey"]["Value"]["Fn::Sub"]
    assert outputs["PredictArn"]["Condition"] == "NeedsSignature"
    # execute-api:<region>:<account>:<api>/<stage>/<method>/<path>
    assert outputs["PredictArn"]["Value"]["Fn::Sub"].endswith(":${Api}/v1/*/predict")


def test_callers_read_that_a_key_may_be_asked_for() -> None:
    text = pages.read("/openapi.json").body
    assert "Fn::" not in text
    served = json.loads(text)
    for path, item in served["paths"].items():
        for method in METHODS & set(item):
            is_image = path in ("/predict", "/huggingface") and method != "options"
            offered = [{}, {"api_key": []}] if is_image else None
            assert item[method].get("security") == offered, (path, method)
    assert "api_key" in served["components"]["securitySchemes"]


def test_the_api_may_call_the_alias_and_nothing_else_may(expanded: Template) -> None:
    [permission] = of_type(expanded, "AWS::Lambda::Permission").values()
    assert permission["Principal"] == "apigateway.amazonaws.com"
    alias = permission["FunctionName"]["Ref"]
    assert expanded["Resources"][alias]["Type"] == "AWS::Lambda::Alias"
    assert "${Api}" in permission["SourceArn"]["Fn::Sub"]
    [body] = [each["Body"] for each in of_type(expanded, "AWS::ApiGateway::RestApi").values()]
    uri = body["paths"]["/predict"]["post"]["x-amazon-apigateway-integration"]["uri"]["Fn::Sub"]
    assert f"${{{alias}}}/invocations" in uri


@pytest.mark.parametrize(
    ("role", "parameter", "condition"),
    [
        ("ClassifyFunctionRole", "S3ReadBuckets", "ReadsBuckets"),
        ("BatchFunctionRole", "BatchBuckets", "RunsBatches"),
    ],
)
def test_functions_read_the_model_and_the_named_buckets_only(
    expanded: Template, role: str, parameter: str, condition: str
) -> None:
    properties = expanded["Resources"][role]["Properties"]
    [policy] = properties["Policies"]
    assert policy["PolicyDocument"]["Version"] == "2012-10-17"
    model, images, keys = policy["PolicyDocument"]["Statement"]
    assert (model["Effect"], model["Action"]) == ("Allow", "s3:GetObject")
    served, before = model["Resource"]
    has_previous, previous, no_value = before["Fn::If"]
    assert (has_previous, no_value) == ("HasPrevious", NO_VALUE)
    for place, source in ((served, "ModelUri"), (previous, "PreviousModelUri")):
        text, names = place["Fn::Sub"]
        assert text.endswith(":s3:::${BucketAndPrefix}/*")
        without_scheme = {"Fn::Join": ["", {"Fn::Split": ["s3://", {"Ref": source}]}]}
        assert names == {"BucketAndPrefix": without_scheme}
    name, granted, otherwise = images["Fn::If"]
    assert (name, otherwise) == (condition, NO_VALUE)
    assert granted["Action"] == "s3:GetObject"
    # What CloudFormation makes of "a,b", done by hand.
    separator, joined = granted["Resource"]["Fn::Split"]
    text, names = joined["Fn::Sub"]
    joiner, buckets = names["Buckets"]["Fn::Join"]
    assert buckets == {"Ref": parameter}
    arns = text.replace("${Buckets}", joiner.join(["a", "b"])).split(separator)
    assert arns == ["arn:*:s3:::a/*", "arn:*:s3:::b/*"]
    name, granted, otherwise = keys["Fn::If"]
    assert (name, granted["Action"], otherwise) == ("HasKmsKeys", "kms:Decrypt", NO_VALUE)
    assert granted["Resource"] == {"Ref": "KmsKeyArns"}


@pytest.mark.parametrize("role", ["ClassifyFunctionRole", "BatchFunctionRole"])
@pytest.mark.parametrize("subnets", ["", "subnet-1"])
def test_only_a_function_in_a_vpc_may_make_network_interfaces(
    expanded: Template, role: str, subnets: str
) -> None:
    arns = expanded["Resources"][role]["Properties"]["ManagedPolicyArns"]
    named = json.dumps(decided(arns, {"SubnetIds": subnets}, expanded["Conditions"]))
    assert ("AWSLambdaVPCAccessExecutionRole" in named) == (subnets != "")
    assert "AWSLambdaBasicExecutionRole" in named
    assert "AWSXRayDaemonWriteAccess" in named


def test_no_policy_names_a_partition_and_each_has_its_version(expanded: Template) -> None:
    """GovCloud and China have partitions of their own."""
    for name, each in of_type(expanded, "AWS::IAM::Role").items():
        for policy in each.get("Policies", ()):
            assert policy["PolicyDocument"]["Version"] == "2012-10-17", name
    source = (ROOT / "template.yaml").read_text() + (ROOT / "apigateway.yaml").read_text()
    assert "arn:aws:" not in source


WATCHING = {"VersionCrashAlarm", "FaultAlarm", "InferenceAlarm"}


def test_new_versions_get_traffic_slowly_and_roll_back_on_alarms(expanded: Template) -> None:
    [alias] = [
        each
        for each in expanded["Resources"].values()
        if each["Type"] == "AWS::Lambda::Alias" and "UpdatePolicy" in each
    ]
    update = alias["UpdatePolicy"]["CodeDeployLambdaAliasUpdate"]
    assert update["BeforeAllowTrafficHook"] == {"Ref": "PreTrafficHook"}
    [group] = of_type(expanded, "AWS::CodeDeploy::DeploymentGroup").values()
    watched, alarms, otherwise = group["AlarmConfiguration"]["Fn::If"]
    assert (watched, otherwise) == ("WatchesDeployments", {})
    assert {each["Name"]["Ref"] for each in alarms["Alarms"]} == WATCHING
    assert group["AutoRollbackConfiguration"]["Enabled"] is True
    assert "DEPLOYMENT_STOP_ON_ALARM" in group["AutoRollbackConfiguration"]["Events"]


def version_of(node: Any) -> bool:
    """Whether ``node`` is the number at the end of the new version's ARN."""
    match node:
        case {"Fn::Select": [7, {"Fn::Split": [":", {"Ref": name}]}]}:
            return bool(name.startswith("ClassifyFunctionVersion"))
    return False


def test_alarms_of_a_deployment_watch_the_new_version_alone(expanded: Template) -> None:
    """An alarm that fires for the old version must not stop its mend."""
    alarms = of_type(expanded, "AWS::CloudWatch::Alarm")
    for name in WATCHING:
        dimensions = {each["Name"]: each["Value"] for each in alarms[name]["Dimensions"]}
        version = dimensions.get("ExecutedVersion") or dimensions.get("Version")
        assert version_of(version), name
        # A new version's alarm is a new one, which begins without the old one's state.
        text, names = alarms[name]["AlarmName"]["Fn::Sub"]
        assert text.endswith("${Version}")
        assert version_of(names["Version"]), name
    for name, each in of_type(expanded, "AWS::Logs::MetricFilter").items():
        [transformation] = each["MetricTransformations"]
        assert transformation["Dimensions"] == [
            {"Key": "Version", "Value": "$.function_version"}
        ], name
        assert "DefaultValue" not in transformation  # CloudWatch refuses both together


def test_every_alarm_says_where_to_read_on_and_is_in_the_runbook(expanded: Template) -> None:
    runbook = (ROOT / "docs/runbook.md").read_text()
    for name, alarm in of_type(expanded, "AWS::CloudWatch::Alarm").items():
        assert alarm["AlarmDescription"].endswith("See docs/runbook.md."), name
        assert name in runbook
        conditions = [each["Fn::If"][0] for each in alarm["AlarmActions"]]
        assert conditions == ["HasAlarmTopic", "HasAlarmEmail"]
        assert alarm["OKActions"] == alarm["AlarmActions"]
        # Without requests nothing is wrong.
        assert alarm["TreatMissingData"] == "notBreaching"


@pytest.mark.parametrize("flipped", ["", *CONDITIONS])
@pytest.mark.parametrize("value", [False, True])
def test_every_reference_leads_to_a_resource_that_is_made(
    expanded: Template, flipped: str, value: bool
) -> None:
    """With all conditions false or true, and with each of them the other way."""
    truth = {name: value != (name == flipped) for name in expanded["Conditions"]}
    truth["HasDomainRecord"] = truth["HasDomain"] and truth["HasZone"]
    truth["ReservesBatches"] = truth["ReservesBatches"] and truth["RunsBatches"]

    def made(resource: Template) -> bool:
        return truth.get(resource.get("Condition", ""), True)

    resources = {name: each for name, each in expanded["Resources"].items() if made(each)}
    outputs = {name: each for name, each in expanded["Outputs"].items() if made(each)}
    targets = set(resources) | set(expanded["Parameters"])
    for name, each in (resources | outputs).items():
        for target in references(each, truth):
            assert target.startswith("AWS::") or target in targets, (name, target)
        depends = each.get("DependsOn", [])
        for target in [depends] if isinstance(depends, str) else depends:
            assert target in resources, (name, target)


def test_the_dashboard_has_a_name_of_its_own_in_each_region(expanded: Template) -> None:
    """Dashboards of all regions are in one list, an account's."""
    [dashboard] = of_type(expanded, "AWS::CloudWatch::Dashboard").values()
    assert "${AWS::Region}" in dashboard["DashboardName"]["Fn::Sub"]


def test_what_outlives_the_stack_does_not_outlive_a_failed_create(source: Template) -> None:
    policies = {
        name: each["DeletionPolicy"]
        for name, each in source["Resources"].items()
        if "DeletionPolicy" in each
    }
    assert set(policies) == {"ApiLogAccount", "ApiLogRole", "BatchResults", "UploadResults"}
    assert set(policies.values()) == {"RetainExceptOnCreate"}


def test_the_results_of_batches_stay_the_stacks_when_batches_end(source: Template) -> None:
    assert "Condition" not in source["Resources"]["BatchResults"]
    assert "Condition" not in source["Outputs"]["BatchResultsBucket"]


def test_no_version_is_left_behind(expanded: Template) -> None:
    for name, each in expanded["Resources"].items():
        if each["Type"] == "AWS::Lambda::Version":
            assert each["DeletionPolicy"] == "Delete", name


def test_no_metrics_of_single_methods_are_paid_for(expanded: Template) -> None:
    [stage] = of_type(expanded, "AWS::ApiGateway::Stage").values()
    [settings] = stage["MethodSettings"]
    assert not settings.get("MetricsEnabled")


def test_the_stage_waits_for_the_role_of_its_log(expanded: Template) -> None:
    [stage] = of_type(expanded, "AWS::ApiGateway::Stage").values()
    role = stage["Variables"]["LogRole"]
    assert role == {"Fn::If": ["SetsApiLogRole", {"Ref": "ApiLogAccount"}, "account"]}


def test_a_domain_name_is_shared_by_regions_that_are_well(expanded: Template) -> None:
    [record] = of_type(expanded, "AWS::Route53::RecordSet").values()
    assert record["Region"] == {"Ref": "AWS::Region"}
    assert "${AWS::Region}" in record["SetIdentifier"]["Fn::Sub"]
    assert record["HealthCheckId"] == {"Ref": "DomainHealth"}
    [health] = of_type(expanded, "AWS::Route53::HealthCheck").values()
    assert health["HealthCheckConfig"]["ResourcePath"] == "/v1/health"
    [mapping] = of_type(expanded, "AWS::ApiGateway::BasePathMapping").values()
    [stage] = of_type(expanded, "AWS::ApiGateway::Stage")
    assert (mapping["DomainName"], mapping["Stage"]) == ({"Ref": "Domain"}, {"Ref": stage})
    for kind in ("AWS::ApiGateway::DomainName", "AWS::ApiGateway::BasePathMapping"):
        [resource] = [e for e in expanded["Resources"].values() if e["Type"] == kind]
        assert resource["Condition"] == "HasDomain"


def test_a_firewall_stands_before_the_stage(expanded: Template) -> None:
    [association] = of_type(expanded, "AWS::WAFv2::WebACLAssociation").values()
    text, names = association["ResourceArn"]["Fn::Sub"]
    assert text.endswith("::/restapis/${Api}/stages/${Stage}")
    [stage] = of_type(expanded, "AWS::ApiGateway::Stage")
    assert names == {"Stage": {"Ref": stage}}


def test_saved_queries_read_the_functions_log(expanded: Template) -> None:
    queries = of_type(expanded, "AWS::Logs::QueryDefinition").values()
    assert len(queries) == 3
    for query in queries:
        assert query["LogGroupNames"] == [{"Ref": "ClassifyLogs"}]
        assert "${AWS::StackName}" in query["Name"]["Fn::Sub"]


def test_the_hook_may_only_call_the_function_and_report(expanded: Template) -> None:
    hook = expanded["Resources"]["PreTrafficHook"]["Properties"]
    assert hook["Handler"] == "pre_traffic.handler"
    assert hook["FunctionName"] == {"Fn::Sub": "CodeDeployHook_${AWS::StackName}"}
    assert not hook.get("Layers")
    assert "MODEL_URI" not in hook["Environment"]["Variables"]
    [policy] = expanded["Resources"]["PreTrafficHookRole"]["Properties"]["Policies"]
    actions = {each["Action"] for each in policy["PolicyDocument"]["Statement"]}
    assert actions == {
        "lambda:InvokeFunction",
        "codedeploy:PutLifecycleEventHookExecutionStatus",
    }


@pytest.mark.parametrize(
    ("parameters", "classify", "batch"),
    [
        ({"ReservedConcurrency": "50", "BatchConcurrency": "10", "BatchBuckets": "a"}, "50", "10"),
        ({"ReservedConcurrency": "50", "BatchConcurrency": "10", "BatchBuckets": ""}, "50", None),
        ({"ReservedConcurrency": "none", "BatchConcurrency": "none"}, None, None),
    ],
)
def test_concurrency_is_reserved_for_what_runs(
    expanded: Template, parameters: dict[str, str], classify: str | None, batch: str | None
) -> None:
    for name, number in (("ClassifyFunction", classify), ("BatchFunction", batch)):
        properties = expanded["Resources"][name]["Properties"]
        reserved = decided(properties, {"BatchBuckets": ""} | parameters, expanded["Conditions"])
        assert reserved.get("ReservedConcurrentExecutions") == number


@pytest.mark.parametrize("name", ["ReservedConcurrency", "BatchConcurrency"])
def test_no_reservation_is_asked_for_by_name(source: Template, name: str) -> None:
    """Zero would mean "off" to Lambda, and meant "unlimited" here."""
    pattern = source["Parameters"][name]["AllowedPattern"]
    assert not re.fullmatch(pattern, "0")
    assert re.fullmatch(pattern, "none")
    assert re.fullmatch(pattern, source["Parameters"][name]["Default"])


def test_a_run_of_batches_stays_below_what_is_reserved_for_them(source: Template) -> None:
    parameters = source["Parameters"]
    reserved = int(parameters["BatchConcurrency"]["Default"])
    assert parameters["BatchRunConcurrency"]["Default"] == reserved * 4 // 5


def test_snapstart_is_a_parameter_and_old_versions_are_deleted(expanded: Template) -> None:
    properties = expanded["Resources"]["ClassifyFunction"]["Properties"]
    condition, snap, otherwise = properties["SnapStart"]["Fn::If"]
    assert (condition, otherwise) == ("UsesSnapStart", {"Ref": "AWS::NoValue"})
    assert snap == {"ApplyOn": "PublishedVersions"}
    [version] = [
        each
        for name, each in expanded["Resources"].items()
        if name.startswith("ClassifyFunctionVersion")
    ]
    assert version["DeletionPolicy"] == "Delete"


def test_the_dashboard_is_json(source: Template) -> None:
    body = source["Resources"]["Dashboard"]["Properties"]["DashboardBody"]["Fn::Sub"]
    widgets = json.loads(body)["widgets"]
    assert {widget["properties"]["title"] for widget in widgets} == {
        "Requests",
        "Time, ms",
        "Environments busy at once",
        "Faults",
    }
    for name in re.findall(r"\$\{(\w+)\}", body):
        assert name in source["Resources"], name


def test_logs_are_kept_for_a_time_and_no_longer(expanded: Template) -> None:
    groups = of_type(expanded, "AWS::Logs::LogGroup")
    assert groups
    for name, group in groups.items():
        assert group["RetentionInDays"] == {"Ref": "LogRetentionDays"}, name
    for name, each in of_type(expanded, "AWS::Lambda::Function").items():
        assert each["LoggingConfig"]["LogGroup"]["Ref"] in groups, name


def test_api_gateways_own_answers_are_problem_documents(definition: Template) -> None:
    answers = definition["x-amazon-apigateway-gateway-responses"]
    assert {"DEFAULT_4XX", "DEFAULT_5XX", "WAF_FILTERED", "UNSUPPORTED_MEDIA_TYPE"} <= set(answers)
    titles = {error.code: error.title for error in RequestError.__subclasses__()}
    for name, answer in answers.items():
        headers = {
            header.removeprefix("gatewayresponse.header."): value.strip("'")
            for header, value in answer["responseParameters"].items()
        }
        assert headers["access-control-allow-origin"] == "*", name
        assert headers["content-type"] == "application/problem+json", name
        document = json.loads(answer["responseTemplates"]["application/json"])
        # A default answer has the status of the case that it answers, and cannot know it.
        status = set() if name.startswith("DEFAULT_") else {"status"}
        members = {"type", "title", "detail", "code", "request_id"}
        assert set(document) == members | status
        assert document.get("status") == answer.get("statusCode")
        assert document["type"] == f"urn:problem:{document['code']}"
        assert document["request_id"] == "$context.requestId"
        assert document["code"] in GATEWAYS_OWN or document["title"] == titles[document["code"]]


def test_answer_to_a_wrong_method_names_the_methods(definition: Template) -> None:
    # API Gateway has one response for a wrong path, a wrong method and a missing signature.
    answer = definition["x-amazon-apigateway-gateway-responses"]["MISSING_AUTHENTICATION_TOKEN"]
    detail = json.loads(answer["responseTemplates"]["application/json"])["detail"]
    assert "no such route or method" in detail
    assert "GET or POST /predict" in detail


def test_every_code_is_in_the_contract_with_its_status(contract: Template) -> None:
    published = contract["components"]["schemas"]["Code"]["enum"]
    codes = {error.code: error for error in RequestError.__subclasses__()}
    assert set(published) == set(codes) | GATEWAYS_OWN
    for code, error in codes.items():
        if code == "not-found":  # of a route that is not there, so no operation has it
            continue
        of_status = [
            response
            for item in contract["paths"].values()
            for method in METHODS & set(item)
            for status, response in item[method]["responses"].items()
            if status == str(error.status)
        ]
        names = {each["$ref"].rpartition("/")[2] for each in of_status}
        assert names == {error.__name__}, code
        assert f"`{code}`" in contract["components"]["responses"][error.__name__]["description"]


def test_examples_of_problems_are_as_the_errors_are(contract: Template) -> None:
    errors = {error.__name__: error for error in RequestError.__subclasses__()}
    for name, response in contract["components"]["responses"].items():
        for media in response.get("content", {}).values():
            if "example" in media and name in errors:
                example, error = media["example"], errors[name]
                assert (example["code"], example["status"]) == (error.code, error.status)
                assert example["title"] == error.title
