"""Answers become responses as API Gateway takes them."""

import json

from classifier.api.response import for_load_balancer, preflight, problem, respond, without_body
from classifier.errors import FetchFailed


def test_a_json_response() -> None:
    response = respond(200, {"é": 1}, "r-1")
    assert response["statusCode"] == 200
    assert json.loads(response["body"]) == {"é": 1}
    assert response["isBase64Encoded"] is False
    assert response["headers"] == {
        "content-type": "application/json",
        "x-request-id": "r-1",
        "access-control-allow-origin": "*",
        "cache-control": "no-store",
        "x-content-type-options": "nosniff",
    }


def test_a_problem_document() -> None:
    response = problem(FetchFailed("The words."), "r-1")
    assert response["statusCode"] == 502
    assert response["headers"]["content-type"] == "application/problem+json"
    assert response["headers"]["access-control-allow-origin"] == "*"
    assert json.loads(response["body"]) == {
        "type": "urn:problem:fetch-failed",
        "title": "The image could not be fetched",
        "status": 502,
        "detail": "The words.",
        "code": "fetch-failed",
        "request_id": "r-1",
    }


def test_a_preflight_says_what_may_be_asked() -> None:
    response = preflight("r-1")
    assert response["statusCode"] == 204
    assert response["headers"]["access-control-allow-methods"] == "GET, HEAD, POST, OPTIONS"
    assert "content-type" in response["headers"]["access-control-allow-headers"]


def test_a_load_balancer_gets_its_headers_in_both_ways() -> None:
    response = for_load_balancer(respond(200, {}, "r-1"))
    headers = {name: value for name, (value,) in response["multiValueHeaders"].items()}
    assert headers == response["headers"]


def test_the_answer_to_head_has_headers_alone() -> None:
    response = without_body(respond(200, {"a": 1}, "r-1"))
    assert response["body"] == ""
    assert response["headers"]["content-type"] == "application/json"
