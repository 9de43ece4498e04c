"""The API's definition as API Gateway imports it, written from the contract openapi.yaml.

The import refuses or misreads much that a contract holds: examples, defaults, choices between
schemas, answers that are no objects (tools/checks/apigateway.py has the rules). The function
checks all of it anyway, so the definition says only what API Gateway acts on: routes, where each
goes, who may call it, which parameters must be there, and what API Gateway answers by itself.
"""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

import yaml

from tools.errors import ToolError
from tools.project import ROOT

CONTRACT = ROOT / "openapi.yaml"
DEFINITION = ROOT / "apigateway.yaml"
TEMPLATE = ROOT / "template.yaml"
METHODS = ("get", "head", "post", "put", "patch", "delete", "options")

_TITLE = "# Written by `make contract` from openapi.yaml; edit that. What API Gateway imports.\n"
_INTEGRATION = {
    "type": "aws_proxy",
    "httpMethod": "POST",  # how Lambda is called, whatever the caller's method
    "uri": {
        "Fn::Sub": "arn:${AWS::Partition}:apigateway:${AWS::Region}:lambda:path/2015-03-31"
        "/functions/${ClassifyFunction.Alias}/invocations"
    },
}
_HEADERS = {
    "access-control-allow-origin": "*",
    "cache-control": "no-store",
    "content-type": "application/problem+json",
    "x-content-type-options": "nosniff",
}
_BINARY_TYPES = re.compile(r"(?<=\n      BinaryMediaTypes:\n)(?:        - \S+\n)+")

Contract = Mapping[str, Any]


def definition(contract: Contract) -> dict[str, Any]:
    """The document that API Gateway imports; CloudFormation resolves its intrinsic functions."""
    return {
        "openapi": "3.0.1",
        # The stack's name, as in the template: metrics have the API's name for a dimension.
        "info": {"title": {"Ref": "AWS::StackName"}, "version": str(contract["info"]["version"])},
        "paths": {
            path: {
                method: _operation(contract, item[method]) for method in METHODS if method in item
            }
            for path, item in contract["paths"].items()
        },
        "components": {
            "securitySchemes": {
                name: {key: scheme[key] for key in ("type", "in", "name")}
                for name, scheme in contract["components"]["securitySchemes"].items()
            }
        },
        "x-amazon-apigateway-request-validators": {
            # The function checks bodies: it knows every type, and says what is wrong.
            "parameters": {"validateRequestParameters": True, "validateRequestBody": False}
        },
        "x-amazon-apigateway-gateway-responses": {
            name: _gateway_response(problem)
            for name, problem in contract["x-amazon-gateway-problems"].items()
        },
    }


def binary_types(contract: Contract) -> list[str]:
    """The media types of bodies that reach the function as base64: all but JSON and text.

    Raises ToolError: a wildcard. `*/*` would turn the answers to OPTIONS into base64, and
    `image/*` is not understood by the SAM CLI.
    """
    types = {
        media_type
        for item in contract["paths"].values()
        for method in METHODS
        for media_type in item.get(method, {}).get("requestBody", {}).get("content", {})
        if media_type != "application/json" and not media_type.startswith("text/")
    }
    if wildcards := sorted(each for each in types if "*" in each):
        raise ToolError(f"openapi.yaml: {wildcards[0]} is a wildcard; name each type of a body")
    return sorted(types)


def definition_text(contract: Contract) -> str:
    """What `apigateway.yaml` should hold."""
    plain = json.loads(json.dumps(definition(contract)))  # whatever mappings a loader made
    body: str = yaml.dump(plain, sort_keys=False, width=100)
    return _TITLE + body


def template_text(contract: Contract, template: str) -> str:
    """``template`` with the contract's binary media types. Raises ToolError: it has no such list.

    They stand in the template, not only in the definition: SAM and its local emulation read them
    there. A slash is written ~1 (a JSON pointer's escape).
    """
    lines = [f"        - {each.replace('/', '~1')}\n" for each in binary_types(contract)]
    text, places = _BINARY_TYPES.subn("".join(lines), template)
    if places != 1:
        raise ToolError(f"{TEMPLATE.name} should have one list BinaryMediaTypes, a type a line")
    return text


def write() -> None:
    """Bring the definition and the template up to date with the contract."""
    contract = yaml.safe_load(CONTRACT.read_text(encoding="utf-8"))
    template = template_text(contract, TEMPLATE.read_text(encoding="utf-8"))
    DEFINITION.write_text(definition_text(contract), encoding="utf-8")
    TEMPLATE.write_text(template, encoding="utf-8")


def _operation(contract: Contract, operation: Mapping[str, Any]) -> dict[str, Any]:
    parameters = list(_parameters(contract, operation))
    done: dict[str, Any] = {}
    if any(parameter["required"] for parameter in parameters):
        done["x-amazon-apigateway-request-validator"] = "parameters"
    if parameters:
        done["parameters"] = parameters
    schemes = [scheme for scheme in operation.get("security", ()) if scheme]
    if schemes:
        # A list, whatever the condition: the SAM CLI reads no other.
        done["security"] = [
            {"Fn::If": ["NeedsKey", scheme, {"Ref": "AWS::NoValue"}]} for scheme in schemes
        ]
        done["x-amazon-apigateway-auth"] = {"type": {"Ref": "Authorization"}}
    # OpenAPI wants an answer; of a proxy integration the function's own counts.
    done["responses"] = {"200": {"description": "What the function answers."}}
    done["x-amazon-apigateway-integration"] = dict(_INTEGRATION)
    return done


def _parameters(contract: Contract, operation: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    for parameter in operation.get("parameters", ()):
        node = parameter
        if "$ref" in node:
            node = contract["components"]["parameters"][node["$ref"].rpartition("/")[2]]
        yield {
            "name": node["name"],
            "in": node["in"],
            "required": bool(node.get("required", False)),
            "schema": {"type": "string"},
        }


def _gateway_response(problem: Mapping[str, Any]) -> dict[str, Any]:
    """A gateway response that is a problem document.

    One without a status, a DEFAULT_…, leaves API Gateway's own, and so cannot name it.
    """
    code = problem["code"]
    status = {"status": problem["status"]} if "status" in problem else {}
    document = {
        "type": f"urn:problem:{code}",
        "title": problem["title"],
        **status,
        "detail": problem["detail"],
        "code": code,
        "request_id": "$context.requestId",
    }
    headers = dict(_HEADERS)
    if "retry_after" in problem:
        headers["retry-after"] = str(problem["retry_after"])
    return {
        **({"statusCode": problem["status"]} if status else {}),
        "responseParameters": {
            f"gatewayresponse.header.{name}": f"'{value}'" for name, value in headers.items()
        },
        "responseTemplates": {"application/json": json.dumps(document)},
    }
