"""The definition that API Gateway imports: written from openapi.yaml, within AWS's rules."""

import copy
import json
from typing import Any

import pytest
import yaml

from tools.checks.apigateway import NOTES, RESPONSES, problems
from tools.docs import definition
from tools.errors import ToolError

Document = dict[str, Any]


@pytest.fixture(scope="module")
def contract() -> Document:
    loaded: Document = yaml.safe_load(definition.CONTRACT.read_text())
    return loaded


@pytest.fixture
def document(contract: Document) -> Document:
    return copy.deepcopy(definition.definition(contract))


def test_the_committed_definition_is_current(contract: Document) -> None:
    template = definition.TEMPLATE.read_text()
    assert definition.DEFINITION.read_text() == definition.definition_text(contract)
    assert template == definition.template_text(contract, template)


def test_the_definition_keeps_the_rules(document: Document) -> None:
    assert problems(document) == []


def test_the_contract_itself_would_be_refused(contract: Document) -> None:
    """What the template once imported."""
    found = "\n".join(problems(contract))
    for words in ("`example`", "`default`", "`oneOf` of references", "should be an object"):
        assert words in found


def operation(document: Document) -> Document:
    found: Document = document["paths"]["/predict"]["post"]
    return found


def schema(document: Document, value: Document) -> None:
    document["components"]["schemas"] = {"Label": value}


def response(document: Document, value: Document) -> None:
    operation(document)["responses"]["200"] = value


@pytest.mark.parametrize(
    ("change", "words", "address"),
    [
        (lambda d: d.update(openapi="3.1.0"), "3.1 is not imported", NOTES),
        (lambda d: d.update(security=[{"api_key": []}]), "ignored at the root", NOTES),
        (lambda d: schema(d, {"example": 1}), "`example` is not supported", NOTES),
        (lambda d: schema(d, {"properties": {"a": {"default": 1}}}), "Label.a: `default`", NOTES),
        (lambda d: schema(d, {"items": {"nullable": True}}), "Label.items: `nullable`", NOTES),
        (lambda d: schema(d, {"exclusiveMinimum": 0}), "`exclusiveMinimum`", NOTES),
        (lambda d: schema(d, {"readOnly": True}), "`readOnly`", NOTES),
        (lambda d: schema(d, {"discriminator": {}}), "`discriminator`", NOTES),
        (lambda d: schema(d, {"format": "int64"}), "the format int64", NOTES),
        (lambda d: schema(d, {"anyOf": [{"$ref": "#/x"}]}), "`anyOf` of references", NOTES),
        (lambda d: d["components"].update(schemas={"A_b": {}}), "alphanumeric", NOTES),
        (lambda d: response(d, {"$ref": "#/components/responses/Ok"}), "not a reference", NOTES),
        (
            lambda d: response(d, {"content": {"text/html": {"schema": {"type": "string"}}}}),
            "should be an object",
            NOTES,
        ),
        (lambda d: response(d, {"content": {"a/b": {"example": 1}}}), "`example`", NOTES),
        (lambda d: operation(d)["parameters"][0].update(example=5), "example: ignored", NOTES),
        (
            lambda d: operation(d)["parameters"][0]["schema"].update(maximum=5),
            "maximum: ignored",
            NOTES,
        ),
        (lambda d: d.update(x={"$ref": "other.yaml#/a"}), "within the document", NOTES),
        (
            lambda d: d["components"]["securitySchemes"].update(basic={"type": "http"}),
            "should be apiKey",
            NOTES,
        ),
        (lambda d: d["paths"].update({"/a b": {}}), "a segment holds", NOTES),
        (lambda d: d["paths"].update({"/ping": {}}), "health check", NOTES),
        (lambda d: d["paths"]["/predict"].update(trace={}), "is not a method", "extensions"),
        (
            lambda d: operation(d).pop("x-amazon-apigateway-integration"),
            "has no x-amazon-apigateway-integration",
            "extensions",
        ),
        (
            lambda d: operation(d)["x-amazon-apigateway-integration"].update(httpMethod="GET"),
            "called by POST",
            "extensions",
        ),
        (
            lambda d: operation(d).update({"x-amazon-apigateway-request-validator": "bodies"}),
            "no validator 'bodies'",
            "extensions",
        ),
        (lambda d: answers(d).update(REQUEST_TOO_LARGE={}), "be customised", RESPONSES),
        (lambda d: answers(d)["DEFAULT_4XX"].update(statusCode=400), "every other", RESPONSES),
        (
            lambda d: answers(d)["THROTTLED"].update(responseTemplates={"application/json": "{"}),
            "is not JSON",
            RESPONSES,
        ),
        (
            lambda d: answers(d)["THROTTLED"]["responseParameters"].update({"header.a": "'b'"}),
            "should begin with",
            RESPONSES,
        ),
        (
            lambda d: answers(d)["THROTTLED"]["responseParameters"].update(
                {"gatewayresponse.header.a": "b"}
            ),
            "should be quoted",
            RESPONSES,
        ),
        (
            lambda d: d.update({"x-amazon-apigateway-binary-media-types": ["*/*"]}),
            "name each type",
            "encodings",
        ),
    ],
)
def test_each_rule_finds_what_breaks_it(
    document: Document, change: Any, words: str, address: str
) -> None:
    change(document)
    [problem] = problems(document)
    assert words in problem
    assert address in problem


def answers(document: Document) -> Document:
    found: Document = document["x-amazon-apigateway-gateway-responses"]
    return found


def test_a_new_route_needs_the_contract_alone(contract: Document) -> None:
    contract = copy.deepcopy(contract)
    contract["paths"]["/huggingface"] = {
        "post": {
            "security": [{}, {"api_key": []}],
            "requestBody": {"content": {"application/json": {}, "multipart/form-data": {}}},
            "responses": {"200": {"description": "Labels."}},
        },
        "head": {"responses": {"200": {"description": "Up."}}},
    }
    document = definition.definition(contract)
    assert problems(document) == []
    post = document["paths"]["/huggingface"]["post"]
    assert post["x-amazon-apigateway-integration"]["type"] == "aws_proxy"
    assert post["x-amazon-apigateway-auth"] == {"type": {"Ref": "Authorization"}}
    assert "head" in document["paths"]["/huggingface"]
    template = definition.template_text(contract, definition.TEMPLATE.read_text())
    assert "        - multipart~1form-data\n" in template
    assert "application~1json" not in template


def test_a_wildcard_among_the_types_of_bodies_is_refused(contract: Document) -> None:
    contract = copy.deepcopy(contract)
    content = contract["paths"]["/predict"]["post"]["requestBody"]["content"]
    content["image/*"] = {}
    with pytest.raises(ToolError, match=r"image/\* is a wildcard"):
        definition.binary_types(contract)


def test_exhausted_concurrency_is_answered_503_with_retry_after(document: Document) -> None:
    """Lambda's 429 reaches API Gateway as an integration that failed."""
    answer = answers(document)["INTEGRATION_FAILURE"]
    assert answer["statusCode"] == 503
    assert answer["responseParameters"]["gatewayresponse.header.retry-after"] == "'5'"
    problem = json.loads(answer["responseTemplates"]["application/json"])
    assert (problem["status"], problem["code"]) == (503, "service-busy")
