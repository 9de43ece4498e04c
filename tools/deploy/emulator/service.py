"""ministack, with what this project's template needs besides. Runs in an environment of its own.

It reaches into ministack by private names, so requirements-aws.txt pins the version. Nothing of
tools/ can be imported here.
"""

import hashlib
import json
from collections.abc import Callable
from typing import Any

import yaml
from ministack import app
from ministack.core.responses import get_region
from ministack.services import apigateway_v1, lambda_svc
from ministack.services.cloudformation import changesets, engine, handlers, provisioners, stacks

# Resources that are only noted: CodeDeploy shifts no traffic here, and nobody asks saved queries.
NOTED = (
    "AWS::CodeDeploy::Application",
    "AWS::CodeDeploy::DeploymentGroup",
    "AWS::Logs::QueryDefinition",
)


def main() -> None:
    """Serve. The port, the region and the account are in the environment."""
    for kind in NOTED:
        provisioners._RESOURCE_HANDLERS[kind] = _noted(kind)  # noqa: SLF001
    for module in (engine, changesets, handlers, stacks):
        _wrap(module, "_evaluate_conditions", _with_joins)
    _wrap(provisioners, "_physical_name", _with_region)
    _wrap(provisioners, "_cw_metric_alarm_record", _with_metric_math)
    _wrap(provisioners, "_sfn_definition", _with_yaml)
    _wrap(lambda_svc, "_sqs_esm_concurrency", _with_numbers)
    _wrap(apigateway_v1, "_media_type_matches", _with_escaped_slashes)
    app.main()


def _wrap(module: Any, name: str, wrapper: Callable[..., Any]) -> None:
    """Let ``wrapper(original, *arguments)`` answer for the function ``name`` of ``module``."""
    original = getattr(module, name)
    setattr(module, name, lambda *arguments, **named: wrapper(original, *arguments, **named))


def _noted(kind: str) -> dict[str, Callable[..., Any]]:
    def create(logical_id: str, _: Any, stack: str) -> tuple[str, dict[str, str]]:
        name = f"{stack}-{logical_id}"
        return name, {"Arn": f"arn:aws:noted:::{kind}/{name}"}

    def update(physical_id: str, *_: Any, **__: Any) -> tuple[str, dict[str, str]]:
        return physical_id, {}

    return {"create": create, "update": update, "delete": lambda *_, **__: None}


def _with_joins(original: Any, template: dict[str, Any], parameters: dict[str, Any]) -> Any:
    """Conditions may join a list parameter's values."""

    def joined(node: Any) -> Any:
        if isinstance(node, list):
            return [joined(each) for each in node]
        if not isinstance(node, dict):
            return node
        match node.get("Fn::Join"):
            case [separator, {"Ref": name}]:
                return str(parameters[name]["Value"]).replace(",", separator)
        return {key: joined(value) for key, value in node.items()}

    return original({**template, "Conditions": joined(template.get("Conditions", {}))}, parameters)


def _with_region(original: Any, *arguments: Any, **named: Any) -> str:
    """Names of roles and buckets are an account's, so those of two regions must differ."""
    name: str = original(*arguments, **named)
    front, _, suffix = name.rpartition("-")
    digest = hashlib.sha256(f"{get_region()} {suffix}".encode()).hexdigest()[: len(suffix)]
    return f"{front}-{digest if name.islower() else digest.upper()}"


def _with_metric_math(original: Any, name: str, properties: dict[str, Any]) -> Any:
    """An alarm of an expression is taken for one of the metric in it."""
    for query in properties.get("Metrics") or ():
        if "MetricStat" in query:
            metric = query["MetricStat"]["Metric"]
            plain = {key: value for key, value in properties.items() if key != "Metrics"}
            plain |= {key: metric[key] for key in ("Namespace", "MetricName")}
            return original(name, plain | {"Period": query["MetricStat"]["Period"]})
    return original(name, properties)


def _with_yaml(original: Any, properties: Any) -> str:
    """A state machine's definition may be YAML, of which JSON is a part."""
    return json.dumps(yaml.safe_load(original(properties)))


def _with_numbers(original: Any, mapping: dict[str, Any], *arguments: Any) -> Any:
    """A parameter's value is text, of a number too."""
    scaling = mapping.get("ScalingConfig") or {}
    numbers = {name: int(value) for name, value in scaling.items()}
    return original({**mapping, "ScalingConfig": numbers}, *arguments)


def _with_escaped_slashes(original: Any, media_type: str, types: Any) -> Any:
    """CloudFormation takes binary types with ~1 for a slash."""
    return original(media_type, [each.replace("~1", "/") for each in types or ()])


if __name__ == "__main__":
    main()
