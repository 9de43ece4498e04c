"""openapi.yaml against the running stack: every response conforms, and its examples are true."""

import base64
import struct
import subprocess
import sys
from pathlib import Path
from typing import Any

import golden_events
import images
import pytest
import requests
import schemathesis

from tools.docs import contract

CONTRACT = contract.read()
# What the tool may hold against an answer, but two things. positive_data_acceptance: whether a
# image is whole, and whether an address leads to one, no schema can say. unsupported_method: a
# method that a route has not is one more route that is not there, for API Gateway too: 404.
CHECKS = [
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
    "negative_data_rejection",
]
# A PNG that says 9000 x 5000 pixels.
LARGE = images.encode(images.plain((1, 2, 3), (8, 8)), "PNG")
LARGE = LARGE[:16] + struct.pack(">II", 9000, 5000) + LARGE[24:]
# The example of a problem, and a request that meets with it.
PROVOKED = {
    "InvalidRequest": {"params": {"url": "https://example.com/cat.jpg", "top_k": "0"}},
    "UrlNotAllowed": {"params": {"url": "s3://elsewhere/cat.jpg"}},
    "ImageTooLarge": {"headers": {"content-type": "image/jpeg"}, "data": LARGE},
    "UnsupportedImageType": {"headers": {"content-type": "text/plain"}, "data": "a cat"},
    "FetchFailed": {"params": {"url": "s3://images/nothing.jpg"}},
}


def test_responses_to_generated_requests_conform(local_stack: str, tmp_path: Path) -> None:
    done = subprocess.run(
        [
            Path(sys.executable).with_name("schemathesis"),
            "run",
            contract.FOLDER / "openapi.json",
            f"--url={local_stack}",
            f"--checks={','.join(CHECKS)}",
            "--phases=examples,coverage,fuzzing",
            "--max-examples=50",
            "--generation-deterministic",
            "--continue-on-failure",
            "--no-color",
        ],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    operations = sum(
        len(operations.keys() & {"get", "head", "post", "options"})
        for operations in CONTRACT["paths"].values()
    )
    assert f"Tested: {operations}" in done.stdout


@pytest.mark.parametrize("name", golden_events.IMAGES)
def test_responses_to_images_conform(local_stack: str, images_at: str, name: str) -> None:
    schema = schemathesis.openapi.from_url(f"{local_stack}/openapi.json")
    url = f"http://{images_at}/{name}"
    data = golden_events.IMAGES[name]
    image = base64.b64encode(data).decode()
    post = schema["/predict"]["POST"]
    kind = f"image/{name.rpartition('.')[2].replace('jpg', 'jpeg')}"
    several = {"images": [{"url": url}, {"image": image}, {"image": "AAAA"}]}
    cases = [
        schema["/predict"]["GET"].Case(query={"url": url, "top_k": 2}),
        post.Case(media_type=kind, body=data),
        post.Case(media_type="application/json", body={"image": image}),
        post.Case(media_type="application/json", body=several),
    ]
    for case in cases:
        response = case.call(base_url=local_stack)
        assert response.status_code == 200, response.text
        case.validate_response(response)


def test_examples_of_requests_are_valid(local_stack: str) -> None:
    media = CONTRACT["paths"]["/predict"]["post"]["requestBody"]["content"]["application/json"]
    for name, example in media["examples"].items():
        response = requests.post(f"{local_stack}/predict", json=example["value"], timeout=30)
        if name == "address":  # This stack does not allow its host.
            assert response.json()["code"] == "url-not-allowed"
        else:
            assert response.status_code == 200, response.text


@pytest.mark.parametrize("name", PROVOKED)
def test_examples_of_problems_are_actual_responses(local_stack: str, name: str) -> None:
    request: dict[str, Any] = PROVOKED[name]
    method = "POST" if "data" in request else "GET"
    response = requests.request(method, f"{local_stack}/predict", timeout=30, **request)
    example = CONTRACT["components"]["responses"][name]["content"]["application/problem+json"]
    assert response.json() | {"request_id": ""} == example["example"] | {"request_id": ""}
    assert response.json()["request_id"]


def test_example_of_a_response_has_its_form(local_stack: str) -> None:
    """The fields of an answer, and their order, are those that the example shows."""
    example = CONTRACT["components"]["schemas"]["Prediction"]["example"]
    request = CONTRACT["paths"]["/predict"]["post"]["requestBody"]["content"]["application/json"]
    body = request["examples"]["base64"]["value"]
    answer = requests.post(f"{local_stack}/predict", json=body, timeout=30).json()
    assert _shape(answer) == _shape(example)


def _shape(value: Any) -> Any:
    if isinstance(value, dict):
        return [(name, _shape(each)) for name, each in value.items()]
    if isinstance(value, list):
        return _shape(value[0])
    return float if isinstance(value, float | int) and not isinstance(value, bool) else type(value)
