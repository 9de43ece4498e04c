"""Events of every kind become the same request."""

import base64
from typing import Any

import pytest

from classifier.api.event import HttpRequest, read_event
from classifier.errors import InvalidRequest


def v1(method: str, path: str, **members: Any) -> dict[str, Any]:
    context = {"requestId": "r-1", "stage": "Prod", "resourcePath": path}
    return {"httpMethod": method, "path": path, "requestContext": context} | members


def v2(method: str, path: str, **members: Any) -> dict[str, Any]:
    context = {"requestId": "r-1", "stage": "$default", "http": {"method": method, "path": path}}
    return {"version": "2.0", "rawPath": path, "requestContext": context} | members


@pytest.mark.parametrize(
    "event",
    [
        v1(
            "GET",
            "/predict",
            queryStringParameters={"url": "https://x/?a=1&b=é", "top_k": "3"},
            multiValueQueryStringParameters={"url": ["https://x/?a=1&b=é"], "top_k": ["3"]},
            headers=None,
            body=None,
        ),
        v1(
            "get",
            "/api/predict/",
            resource="/predict",
            queryStringParameters={"url": "https://x/?a=1&b=é", "top_k": "3"},
            multiValueQueryStringParameters=None,
        ),
        v2(
            "GET",
            "/predict",
            rawQueryString="url=https%3A%2F%2Fx%2F%3Fa%3D1%26b%3D%C3%A9&top_k=3",
        ),
    ],
    ids=["rest", "rest behind a base path", "http"],
)
def test_get_is_the_same_from_every_gateway(event: dict[str, Any]) -> None:
    assert read_event(event) == HttpRequest(
        method="GET",
        path="/predict",
        query=(("url", "https://x/?a=1&b=é"), ("top_k", "3")),
        content_type="",
        body=b"",
        request_id="r-1",
        is_text=True,
    )


@pytest.mark.parametrize("kind", [v1, v2])
@pytest.mark.parametrize("header", ["Content-Type", "content-type", "CONTENT-TYPE"])
def test_a_body_is_bytes(kind: Any, header: str) -> None:
    text = kind("POST", "/predict", headers={"x": "y", header: "application/json"}, body='{"é":1}')
    assert read_event(text).body == '{"é":1}'.encode()
    assert read_event(text).content_type == "application/json"
    encoded = base64.b64encode(b"\xff\xd8\xff").decode()
    binary = kind("POST", "/predict", headers={}, body=encoded, isBase64Encoded=True)
    assert read_event(binary).body == b"\xff\xd8\xff"


def load_balancer(method: str, path: str, **members: Any) -> dict[str, Any]:
    context = {"elb": {"targetGroupArn": "arn:aws:elasticloadbalancing:x"}}
    return {"httpMethod": method, "path": path, "requestContext": context} | members


@pytest.mark.parametrize(
    "members",
    [
        {"queryStringParameters": {"url": "https%3A%2F%2Fx%2F%3Fa%3D1%26b%3D%C3%A9+2"}},
        {"multiValueQueryStringParameters": {"url": ["https%3A%2F%2Fx%2F%3Fa%3D1%26b%3D%C3%A9+2"]}},
    ],
)
def test_a_load_balancer_leaves_its_query_encoded(members: dict[str, Any]) -> None:
    headers = {"multiValueHeaders": {"X-Amzn-Trace-Id": ["Root=1"], "Content-Type": ["a/b"]}}
    request = read_event(load_balancer("GET", "/predict", **members, **headers))
    assert request.query == (("url", "https://x/?a=1&b=é 2"),)
    assert (request.request_id, request.content_type) == ("Root=1", "a/b")


@pytest.mark.parametrize(
    "event",
    [
        v1("GET", "/prod/predict", resource="/{proxy+}", version="1.0"),
        v1("GET", "/x/predict", resource="/{proxy+}", pathParameters={"proxy": "predict"}),
        v1("GET", "/predict", resource="/{proxy+}"),
        v1("GET", "/base/predict", resource="/predict"),
        v2("GET", "/prod/predict"),
        v2("GET", "/base/predict", routeKey="GET /predict"),
        v2("GET", "/prod/predict", routeKey="$default"),
        v2("GET", "/prod/predict", routeKey="ANY /{proxy+}"),
    ],
)
def test_stages_and_base_paths_are_no_part_of_the_path(event: dict[str, Any]) -> None:
    event["requestContext"]["stage"] = "prod"
    assert read_event(event).path == "/predict"


def test_a_path_that_begins_like_the_stage_keeps_its_beginning() -> None:
    event = v2("GET", "/predict")
    event["requestContext"]["stage"] = "pre"
    assert read_event(event).path == "/predict"


def test_a_stage_is_no_part_of_the_path() -> None:
    event = v2("GET", "/v1/predict")
    event["requestContext"]["stage"] = "v1"
    assert read_event(event).path == "/predict"


@pytest.mark.parametrize("kind", [v1, v2])
def test_repeated_and_empty_parameters_are_kept(kind: Any) -> None:
    many = {"multiValueQueryStringParameters": {"a": ["1", "2"], "b": [""]}}
    event = kind("GET", "/predict", rawQueryString="a=1&a=2&b=", **many)
    assert read_event(event).query == (("a", "1"), ("a", "2"), ("b", ""))


def test_a_greedy_resource_leaves_the_path() -> None:
    assert read_event(v1("GET", "/predict", resource="/{proxy+}")).path == "/predict"
    assert read_event(v1("GET", "/", resource="/")).path == "/"


@pytest.mark.parametrize(
    "event",
    [
        {},
        {"Records": []},
        {"httpMethod": "GET"},
        {"httpMethod": None, "path": "/"},
        {"version": "2.0"},
        {"version": "2.0", "rawPath": "/", "requestContext": {"http": None}},
        v1("GET", "/", headers=7),
        v1("GET", "/", multiValueQueryStringParameters={"a": None}),
        v1("POST", "/", body="%%%", isBase64Encoded=True),
        v1("POST", "/", body="é", isBase64Encoded=True),
    ],
    ids=str,
)
def test_other_events_are_refused(event: dict[str, Any]) -> None:
    with pytest.raises(InvalidRequest):
        read_event(event)


def test_lone_surrogates_in_a_body_do_no_harm() -> None:
    assert read_event(v1("POST", "/predict", body="\ud800")).body == b"\xed\xa0\x80"
