"""Batches: every object has one outcome, whatever becomes of the others, in few forwards."""

import json
import threading
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from classifier import batch
from classifier.errors import (
    FetchFailed,
    InvalidRequest,
    ModelUnavailable,
    RequestError,
    UndecodableImage,
)
from classifier.image.tensor import Tensor
from classifier.model.labels import Label, Probabilities

CLASSES = 3


def event(*items: Any, **common: Any) -> dict[str, Any]:
    return {"Items": list(items), "BatchInput": {"bucket": "images"} | common}


def numbered(count: int) -> batch.Batch:
    return batch.read_batch(event(*({"Key": str(number)} for number in range(count))))


class Network:
    """Answers with the number that each image is all made of; counts what it is asked."""

    def __init__(self) -> None:
        self.sizes: list[int] = []

    def __call__(self, tensors: Sequence[Tensor]) -> Probabilities:
        self.sizes.append(len(tensors))
        return np.stack([np.repeat(tensor[0, 0, 0], CLASSES) for tensor in tensors])


def fetch(item: batch.Item) -> bytes:
    return str(item.key).encode()


def decode(data: bytes) -> Tensor:
    return np.full((3, 2, 2), float(data), np.float32)


@given(st.lists(st.sampled_from(["good", "unreadable", "undecodable"]), min_size=1, max_size=64))
def test_each_object_has_its_own_outcome_and_forwards_are_full(fates: list[str]) -> None:
    def may_fetch(item: batch.Item) -> bytes:
        if fates[int(item.key)] == "unreadable":
            raise FetchFailed(item.key)
        return fetch(item)

    def may_decode(data: bytes) -> Tensor:
        if fates[int(data)] == "undecodable":
            raise UndecodableImage(data.decode())
        return decode(data)

    network = Network()
    outcomes = batch.classify(numbered(len(fates)), may_fetch, may_decode, network)
    assert len(outcomes) == len(fates)
    for number, (fate, outcome) in enumerate(zip(fates, outcomes, strict=True)):
        if fate == "good":
            assert not isinstance(outcome, RequestError)
            assert outcome.tolist() == [number] * CLASSES
        else:
            kind = FetchFailed if fate == "unreadable" else UndecodableImage
            assert type(outcome) is kind
            assert str(outcome) == str(number)
    full, rest = divmod(fates.count("good"), batch.CHUNK)
    assert network.sizes == [batch.CHUNK] * full + [rest] * (rest > 0)


def test_two_more_chunks_are_fetched_while_the_network_is_busy_and_no_more() -> None:
    begun, fetched = threading.Semaphore(0), [0]

    def count_and_fetch(item: batch.Item) -> bytes:
        fetched[0] += 1
        begun.release()
        return fetch(item)

    network = Network()

    def forward(tensors: Sequence[Tensor]) -> Probabilities:
        if not network.sizes:
            # This chunk is out of the window; behind its last image, the window is full.
            ahead = 3 * batch.CHUNK - 1
            assert all(begun.acquire(timeout=10) for _ in range(ahead))
            assert not begun.acquire(timeout=0.1)
            assert fetched == [ahead]
        return network(tensors)

    batch.classify(numbered(64), count_and_fetch, decode, forward)
    assert fetched == [64]
    assert network.sizes == [16, 16, 16, 16]


def test_a_network_that_fails_ends_the_batch() -> None:
    def forward(_: Sequence[Tensor]) -> Probabilities:
        raise RuntimeError("out of order")

    with pytest.raises(RuntimeError, match="out of order"):
        batch.classify(numbered(20), fetch, decode, forward)


def test_what_is_not_about_one_image_ends_the_batch() -> None:
    def broken(_: bytes) -> Tensor:
        raise MemoryError

    with pytest.raises(MemoryError):
        batch.classify(numbered(20), fetch, broken, Network())


def test_items_of_a_listing_and_of_a_manifest() -> None:
    listed = {"Key": "a/b c.png", "Etag": "x", "Size": 10, "LastModified": 1.7e9}
    read = batch.read_batch(event(listed, {"Bucket": "other", "Key": "d.png"}, top_k=2))
    assert [item.source().url for item in read.items] == [
        "s3://images/a/b c.png",
        "s3://other/d.png",
    ]
    assert (read.top_k, read.min_probability) == (2, 0.0)


@pytest.mark.parametrize(
    "item",
    [
        {},
        {"Key": ""},
        {"Key": 7},
        {"Key": None},
        {"key": "a.png"},
        {"Key": "/a.png"},
        {"Key": "folder/"},
        {"Key": "a.png", "Bucket": ["b"]},
        "a.png",
        None,
    ],
)
def test_a_bad_item_is_one_error(item: Any) -> None:
    read = batch.read_batch(event({"Key": "1"}, item, {"Key": "2"}))

    def from_source(item: batch.Item) -> bytes:
        return item.source().url[-1].encode()

    outcomes = batch.classify(read, from_source, decode, Network())
    assert [type(outcome) is InvalidRequest for outcome in outcomes] == [False, True, False]
    lines = batch.results(read, outcomes, (Label("", "x"),) * CLASSES, {})
    json.dumps(lines)
    assert lines[1]["error"]["code"] == "invalid-request"


def test_an_item_without_a_bucket_anywhere_is_an_error() -> None:
    read = batch.read_batch({"Items": [{"Key": "a.png"}]})
    with pytest.raises(InvalidRequest, match="Bucket"):
        read.items[0].source()


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
    ],
)
def test_an_event_that_is_no_batch_is_refused(bad: dict[str, Any], word: str) -> None:
    with pytest.raises(InvalidRequest, match=word):
        batch.read_batch(bad)


def test_a_line_of_the_results() -> None:
    labels = (Label("c0", "red"), Label("", "green"), Label("c2", "blue"))
    read = batch.read_batch(event({"Key": "a"}, {"Key": "b"}, top_k=2, min_probability=0.2))
    outcomes = [np.array([0.5, 0.1, 0.4], np.float32), ModelUnavailable("no")]
    first, second = batch.results(read, outcomes, labels, {"model": {"name": "m"}})
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
    from classifier.model.bundle import IMAGENET_LABELS, parse_labels

    labels = parse_labels(IMAGENET_LABELS.read_bytes(), "labels")
    longest = np.array([len(label.name) for label in labels], np.float32)
    item = {"Bucket": "b" * 63, "Key": "k" * 1024}
    read = batch.read_batch(event(*[item] * batch.MAX_ITEMS, top_k=batch.MAX_TOP_K))
    about = {"model": {"name": "resnet-18-int8", "version": "2026-11-22"}}
    lines = batch.results(read, [longest / 1e3 + 1e-7] * batch.MAX_ITEMS, labels, about)
    assert len(json.dumps(lines)) < 262_144
