"""What API Gateway refuses or misreads of a REST API's definition, checked before it is sent.

An error of the import discards the whole definition, and with it the deployment; neither moto nor
the SAM translator, cfn-lint or `sam validate` sees it. Each rule names the page that states it.
"""

import json
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import click
import yaml

from tools.command import Command
from tools.docs import definition
from tools.errors import ToolError

_GUIDE = "https://docs.aws.amazon.com/apigateway/latest/developerguide"
NOTES = f"{_GUIDE}/api-gateway-known-issues.html"
RESPONSES = f"{_GUIDE}/supported-gateway-response-types.html"
EXTENSIONS = f"{_GUIDE}/api-gateway-swagger-extensions.html"
BINARY = f"{_GUIDE}/api-gateway-payload-encodings.html"

RESPONSE_TYPES = frozenset(
    {
        "ACCESS_DENIED", "API_CONFIGURATION_ERROR", "AUTHORIZER_CONFIGURATION_ERROR",
        "AUTHORIZER_FAILURE", "BAD_REQUEST_BODY", "BAD_REQUEST_PARAMETERS", "DEFAULT_4XX",
        "DEFAULT_5XX", "EXPIRED_TOKEN", "INTEGRATION_FAILURE", "INTEGRATION_TIMEOUT",
        "INVALID_API_KEY", "INVALID_SIGNATURE", "MISSING_AUTHENTICATION_TOKEN", "QUOTA_EXCEEDED",
        "RESOURCE_NOT_FOUND", "THROTTLED", "UNAUTHORIZED", "UNSUPPORTED_MEDIA_TYPE", "WAF_FILTERED",
    }
)  # fmt: skip
_KEYWORDS = frozenset(
    {
        "default", "deprecated", "discriminator", "example", "examples", "exclusiveMaximum",
        "exclusiveMinimum", "nullable", "readOnly", "writeOnly", "xml",
    }
)  # fmt: skip
_FORMATS = frozenset({"int32", "int64", "decimal"})
_SIMPLE = frozenset({"string", "integer", "number", "boolean"})
_SEGMENT = re.compile(r"[A-Za-z0-9_.,:-]+|\{[A-Za-z0-9_.-]+\+?\}")
_METHODS = frozenset({*definition.METHODS, "x-amazon-apigateway-any-method"})

Node = Mapping[str, Any]
Rule = Callable[[Node], Iterator[tuple[str, str]]]  # where it is broken, and how


def _operations(document: Node) -> Iterator[tuple[str, Node]]:
    for path, item in document.get("paths", {}).items():
        for method, operation in item.items():
            yield f"{method} {path}", operation


def _schemas(document: Node) -> Iterator[tuple[str, Node]]:
    """Every schema that becomes a model, with its place; schemas within schemas too."""

    def within(place: str, schema: Any) -> Iterator[tuple[str, Node]]:
        if not isinstance(schema, Mapping):
            return
        yield place, schema
        for name, each in schema.get("properties", {}).items():
            yield from within(f"{place}.{name}", each)
        for key in ("items", "additionalProperties", "not"):
            yield from within(f"{place}.{key}", schema.get(key))
        for key in ("oneOf", "anyOf", "allOf"):
            for number, each in enumerate(schema.get(key, ())):
                yield from within(f"{place}.{key}[{number}]", each)

    for name, schema in document.get("components", {}).get("schemas", {}).items():
        yield from within(name, schema)
    for place, operation in _operations(document):
        for body in (operation.get("requestBody", {}), *operation.get("responses", {}).values()):
            for media_type, media in body.get("content", {}).items():
                yield from within(f"{place}, {media_type}", media.get("schema"))


def _version(document: Node) -> Iterator[tuple[str, str]]:
    if not str(document.get("openapi", "")).startswith("3.0."):
        yield "openapi", "should be 3.0.x: 3.1 is not imported"


def _schema_keywords(document: Node) -> Iterator[tuple[str, str]]:
    for place, schema in _schemas(document):
        for keyword in sorted(_KEYWORDS & set(schema)):
            yield place, f"`{keyword}` is not supported in a schema"
        if schema.get("format") in _FORMATS:
            yield place, f"the format {schema['format']} is not supported"


def _choices(document: Node) -> Iterator[tuple[str, str]]:
    for place, schema in _schemas(document):
        for keyword in ("oneOf", "anyOf", "allOf"):
            if any("$ref" in each for each in schema.get(keyword, ())):
                yield place, f"`{keyword}` of references is not supported"


def _model_names(document: Node) -> Iterator[tuple[str, str]]:
    for name in document.get("components", {}).get("schemas", {}):
        if not re.fullmatch(r"[A-Za-z0-9]+", name):
            yield name, "a model's name should be alphanumeric"


def _response_schemas(document: Node) -> Iterator[tuple[str, str]]:
    for place, operation in _operations(document):
        for status, response in operation.get("responses", {}).items():
            if "$ref" in response:
                yield f"{place}, {status}", "a response should stand here, not a reference to one"
            for media in response.get("content", {}).values():
                if media.get("schema", {}).get("type") in _SIMPLE:
                    yield f"{place}, {status}", "a response's schema should be an object"


def _examples(document: Node) -> Iterator[tuple[str, str]]:
    for place, operation in _operations(document):
        for body in (operation.get("requestBody", {}), *operation.get("responses", {}).values()):
            for media in body.get("content", {}).values():
                for keyword in sorted({"example", "examples"} & set(media)):
                    yield place, f"`{keyword}` is not supported"


def _parameters(document: Node) -> Iterator[tuple[str, str]]:
    for place, operation in _operations(document):
        for parameter in operation.get("parameters", ()):
            name = parameter.get("name", "a reference")
            extra = set(parameter) - {"name", "in", "required", "schema", "description"}
            extra |= set(parameter.get("schema", {})) - {"type"}
            if extra:
                yield f"{place}, {name}", f"{', '.join(sorted(extra))}: ignored in a parameter"


def _references(document: Node) -> Iterator[tuple[str, str]]:
    def within(node: Any) -> Iterator[str]:
        if isinstance(node, Mapping):
            if isinstance(node.get("$ref"), str):
                yield node["$ref"]
            node = list(node.values())
        if isinstance(node, list):
            for each in node:
                yield from within(each)

    for reference in within(document):
        if not reference.startswith("#/"):
            yield reference, "a reference should stay within the document"


def _security(document: Node) -> Iterator[tuple[str, str]]:
    if "security" in document:
        yield "security", "ignored at the root: each operation should have it"
    for name, scheme in document.get("components", {}).get("securitySchemes", {}).items():
        if scheme.get("type") != "apiKey":
            yield name, "a security scheme's type should be apiKey"


def _paths(document: Node) -> Iterator[tuple[str, str]]:
    for path in document.get("paths", {}):
        if not path.startswith("/") or not all(
            _SEGMENT.fullmatch(segment) for segment in path[1:].split("/") if path != "/"
        ):
            yield path, "a segment holds letters, digits and _-.,: or is one {parameter}"
        if path in ("/ping", "/sping"):
            yield path, "reserved for API Gateway's own health check"


def _integrations(document: Node) -> Iterator[tuple[str, str]]:
    validators = document.get("x-amazon-apigateway-request-validators", {})
    for place, operation in _operations(document):
        method = place.split()[0]
        if method not in _METHODS:
            yield place, "is not a method of API Gateway"
            continue
        integration = operation.get("x-amazon-apigateway-integration", {})
        if not integration:
            yield place, "has no x-amazon-apigateway-integration"
        elif (integration.get("type"), integration.get("httpMethod")) != ("aws_proxy", "POST"):
            yield place, "Lambda is called by POST, as aws_proxy"
        validator = operation.get("x-amazon-apigateway-request-validator")
        if validator is not None and validator not in validators:
            yield place, f"there is no validator {validator!r}"


def _gateway_responses(document: Node) -> Iterator[tuple[str, str]]:
    for name, response in document.get("x-amazon-apigateway-gateway-responses", {}).items():
        if name not in RESPONSE_TYPES:
            yield name, "cannot be customised"
        if name.startswith("DEFAULT_") and "statusCode" in response:
            yield name, "a status code here replaces that of every other answer of its kind"
        for header, value in response.get("responseParameters", {}).items():
            if not re.fullmatch(r"gatewayresponse\.(header|path|querystring)\.[\w-]+", header):
                yield name, f"{header} should begin with gatewayresponse.header."
            if not re.fullmatch(r"'[^']*'|(context|stageVariables|method\.request)\..+", value):
                yield name, f"{header}: {value} should be quoted with '"
        for template in response.get("responseTemplates", {}).values():
            try:
                json.loads(template)
            except ValueError:
                yield name, "its template is not JSON"


def _binary_types(document: Node) -> Iterator[tuple[str, str]]:
    for each in document.get("x-amazon-apigateway-binary-media-types", ()):
        if "*" in each:
            yield each, "name each type: a wildcard turns the answers to OPTIONS into base64"


RULES: tuple[tuple[Rule, str], ...] = (
    (_version, NOTES),
    (_schema_keywords, NOTES),
    (_choices, NOTES),
    (_model_names, NOTES),
    (_response_schemas, NOTES),
    (_examples, NOTES),
    (_parameters, NOTES),
    (_references, NOTES),
    (_security, NOTES),
    (_paths, NOTES),
    (_integrations, EXTENSIONS),
    (_gateway_responses, RESPONSES),
    (_binary_types, BINARY),
)


def problems(document: Node) -> list[str]:
    """What API Gateway's import would refuse or misread of ``document``, one line each."""
    return [
        f"{place}: {problem} ({address})"
        for rule, address in RULES
        for place, problem in rule(document)
    ]


@click.command("scripts/check_apigateway.py", cls=Command, help=__doc__)
def main() -> None:
    contract = yaml.safe_load(definition.CONTRACT.read_text(encoding="utf-8"))
    text = definition.DEFINITION.read_text(encoding="utf-8")
    template = definition.TEMPLATE.read_text(encoding="utf-8")
    for problem in (broken := problems(yaml.safe_load(text))):
        click.echo(f"{definition.DEFINITION.name}: {problem}", err=True)
    if broken:
        raise ToolError("API Gateway would not take the definition; change openapi.yaml")
    if (definition.definition_text(contract), definition.template_text(contract, template)) != (
        text,
        template,
    ):
        raise ToolError("apigateway.yaml or template.yaml is behind openapi.yaml: `make contract`")
    click.echo("API Gateway's rules hold for apigateway.yaml.")
