"""Hugging Face's task becomes an image, and labels become its answer."""

import json
from typing import Any

import pytest

from classifier.api.event import HttpRequest
from classifier.api.huggingface import parse_task, task_body
from classifier.errors import InvalidRequest, UnsupportedImageType
from classifier.fetch.sources import Base64, Body
from classifier.model.labels import LabelOptions


def post(body: bytes, content_type: str, *, is_text: bool = False) -> HttpRequest:
    return HttpRequest("POST", "/huggingface", (), content_type, body, "r", is_text)


@pytest.mark.parametrize("content_type", ["image/jpeg", "application/octet-stream", ""])
def test_the_body_is_the_image(content_type: str) -> None:
    image = parse_task(post(b"bytes", content_type), "softmax")
    assert (image.source, image.options) == (Body(b"bytes"), LabelOptions())


@pytest.mark.parametrize(
    ("parameters", "top_k"),
    [({"top_k": 3}, 3), ({}, 5), (None, 5), ({"top_k": None, "function_to_apply": "softmax"}, 5)],
)
def test_json_holds_the_image_and_parameters(parameters: Any, top_k: int) -> None:
    body = json.dumps({"inputs": "aGk=", "parameters": parameters}).encode()
    image = parse_task(post(body, "application/json"), "softmax")
    assert (image.source, image.options.top_k) == (Base64("aGk="), top_k)


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ({}, "'inputs'"),
        ({"inputs": 7}, "'inputs'"),
        ({"inputs": "aGk=", "parameters": [1]}, "'parameters'"),
        ({"inputs": "aGk=", "parameters": {"top_k": 0}}, "'top_k'"),
        ({"inputs": "aGk=", "parameters": {"min_probability": 0.5}}, "no field"),
        ({"inputs": "aGk=", "parameters": {"function_to_apply": "sigmoid"}}, "'softmax'"),
        ({"inputs": "aGk=", "url": "https://a"}, "no field 'url'"),
    ],
)
def test_a_wrong_task_is_refused(table: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidRequest, match=message):
        parse_task(post(json.dumps(table).encode(), "application/json"), "softmax")


def test_the_function_to_apply_is_the_models() -> None:
    def parse(function: str) -> Base64:
        table = {"inputs": "aGk=", "parameters": {"function_to_apply": function}}
        request = post(json.dumps(table).encode(), "application/json")
        image = parse_task(request, "sigmoid").source
        assert isinstance(image, Base64)
        return image

    assert parse("sigmoid") == Base64("aGk=")
    with pytest.raises(InvalidRequest, match="should be 'sigmoid'"):
        parse("softmax")


def test_an_image_that_arrived_as_text_is_refused() -> None:
    with pytest.raises(UnsupportedImageType, match="arrived as text"):
        parse_task(post("\ufffd".encode(), "", is_text=True), "softmax")


def test_the_answer_is_a_list_of_labels_and_scores() -> None:
    labels = [{"class": "n1", "label": "cat", "probability": 0.5}]
    assert task_body(labels) == [{"label": "cat", "score": 0.5}]
