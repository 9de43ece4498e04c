"""Events of a batch become sources, and outcomes become lines of the results."""

import json
from typing import Any

import numpy as np
import pytest

from classifier import batch
from classifier.errors import InvalidRequest, ModelUnavailable
from classifier.location import S3Object
from classifier.model.labels import Label
from classifier.model.layers import Sizes
from classifier.outcome import Outcome, Outcomes


def event(*items: Any, **common: Any) -> dict[str, Any]:
    return {"Items": list(items), "BatchInput": {"bucket": "images"} | common}


def test_items_of_a_listing_and_of_a_manifest() -> None:
    listed = {"Key": "a/b c.png", "Etag": "x", "Size": 10, "LastModified": 1.7e9}
    parsed = batch.parse_batch(event(listed, {"Bucket": "other", "Key": "d.png"}, top_k=2))
    assert [item.source() for item in parsed.items] == [
        S3Object("images", "a/b c.png"),
        S3Object("other", "d.png"),
    ]
    assert (parsed.options.top_k, parsed.options.min_probability) == (2, 0.0)


@pytest.mark.parametrize("key", ["/a.png", "folder/", "//", "a//b"])
def test_keys_are_taken_to_the_letter(key: str) -> None:
    (item,) = batch.parse_batch(event({"Key": key})).items
    assert item.source() == S3Object("images", key)


@pytest.mark.parametrize(
    "item",
    [
        {},
        {"Key": ""},
        {"Key": 7},
        {"Key": None},
        {"key": "a.png"},
        {"Key": "a.png", "Bucket": ["b"]},
        "a.png",
        None,
    ],
)
def test_a_bad_item_is_one_error(item: Any) -> None:
    parsed = batch.parse_batch(event({"Key": "1"}, item, {"Key": "2"}))
    sources = [each.source() for each in parsed.items]
    assert [type(source) is InvalidRequest for source in sources] == [False, True, False]
    error = sources[1]
    assert isinstance(error, InvalidRequest)
    outcomes = Outcomes(
        [Outcome(np.zeros(1, np.float32)), Outcome(error=error), Outcome(error=error)]
    )
    lines = batch.results(parsed, outcomes, (Label("", "x"),), {})
    json.dumps(lines)
    assert lines[1]["error"]["code"] == "invalid-request"


def test_an_item_without_a_bucket_anywhere_is_an_error() -> None:
    (item,) = batch.parse_batch({"Items": [{"Key": "a.png"}]}).items
    source = item.source()
    assert isinstance(source, InvalidRequest)
    assert "Bucket" in str(source)


@pytest.mark.parametrize(
    ("bad", "word"),
    [
        ({}, "Items"),
        ({"Items": []}, "Items"),
        ({"Items": {}}, "Items"),
        ({"Items": [{"Key": "a"}] * 65}, "Items"),
        ({"Items": [{}], "BatchInput": []}, "BatchInput"),
        (event({}, top_k=0), "top_k"),
        (event({}, top_k=17), "top_k"),
        (event({}, top_k="5"), "top_k"),
        (event({}, top_k=True), "top_k"),
        (event({}, min_probability=1.1), "min_probability"),
        (event({}, min_probability=float("nan")), "min_probability"),
        (event({}, min_probability="0"), "min_probability"),
        (event({}, embedding="true"), "embedding"),
    ],
)
def test_an_event_that_is_no_batch_is_refused(bad: dict[str, Any], word: str) -> None:
    with pytest.raises(InvalidRequest, match=word):
        batch.parse_batch(bad)


def test_a_line_of_the_results() -> None:
    labels = (Label("c0", "red"), Label("", "green"), Label("c2", "blue"))
    parsed = batch.parse_batch(event({"Key": "a"}, {"Key": "b"}, top_k=2, min_probability=0.2))
    good = Outcome(np.array([0.5, 0.1, 0.4], np.float32), options=parsed.options)
    outcomes = Outcomes([good, Outcome(error=ModelUnavailable("no"))])
    first, second = batch.results(parsed, outcomes, labels, {"model": {"name": "m"}})
    assert first == {
        "bucket": "images",
        "key": "a",
        "model": {"name": "m"},
        "labels": [
            {"class": "c0", "label": "red", "probability": 0.5},
            {"class": "c2", "label": "blue", "probability": 0.4},
        ],
    }
    assert second["key"] == "b"
    assert second["error"]["code"] == "model-unavailable"
    assert "labels" not in second


def test_the_largest_answer_fits_into_a_state() -> None:
    from classifier.model.labels import IMAGENET_LABELS, parse_labels

    labels = parse_labels(IMAGENET_LABELS.read_bytes(), "labels")
    longest = np.array([len(label.name) for label in labels], np.float32)
    item = {"Bucket": "b" * 63, "Key": "k" * 1024}
    parsed = batch.parse_batch(event(*[item] * batch.MAX_ITEMS, top_k=batch.MAX_TOP_K))
    model_info = {"model": {"name": "resnet-18-int8", "version": "2026-11-22"}}
    outcome = Outcome(longest / 1e3 + 1e-7, options=parsed.options)
    outcomes = Outcomes([outcome] * batch.MAX_ITEMS)
    lines = batch.results(parsed, outcomes, labels, model_info)
    assert len(json.dumps(lines)) < 262_144


def embedding_batch(count: int, **options: Any) -> batch.Batch:
    item = {"Bucket": "b" * 63, "Key": "k" * 1024}
    return batch.parse_batch(event(*[item] * count, embedding=True, **options))


@pytest.mark.parametrize(("length", "most"), [(512, 31), (1280, 14), (5120, 4)])
def test_as_many_embeddings_as_fit_into_a_state(length: int, most: int) -> None:
    from classifier.model.labels import IMAGENET_LABELS, parse_labels

    labels = parse_labels(IMAGENET_LABELS.read_bytes(), "labels")
    longest = np.array([len(label.name) for label in labels], np.float32)
    sizes = Sizes(classes=1000, embedding=length)
    with pytest.raises(InvalidRequest, match=f"Set 'items_per_batch' to {most} or less"):
        embedding_batch(most + 1).check(sizes)
    parsed = embedding_batch(most)
    parsed.check(sizes)
    outcome = Outcome(
        longest / 1e3 + 1e-7,
        -np.random.default_rng(0).random(length, np.float32),
        options=parsed.options,
    )
    model_info = {"model": {"name": "resnet-18-int8", "version": "2026-11-22"}}
    lines = batch.results(parsed, Outcomes([outcome] * most), labels, model_info)
    assert 0.8 * 262_144 < len(json.dumps(lines)) < 262_144


def test_a_batch_without_embeddings_needs_no_layers() -> None:
    item = {"Key": "k"}
    batch.parse_batch(event(*[item] * 64)).check(Sizes(classes=3))
    with pytest.raises(InvalidRequest, match="this model has none"):
        embedding_batch(1).check(Sizes(classes=3))
