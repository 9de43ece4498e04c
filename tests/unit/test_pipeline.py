"""The pipeline: every image has its own outcome, and the network runs on full chunks."""

import threading
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from classifier import pipeline
from classifier.errors import (
    FetchFailed,
    InternalError,
    InvalidRequest,
    OutOfMemory,
    UndecodableImage,
)
from classifier.fetch.sources import Body, Source
from classifier.image.tensor import Limits, Tensor
from classifier.model.labels import Label, LabelOptions, Probabilities
from classifier.model.layers import Outputs
from classifier.model.network import BATCH
from classifier.net.deadline import Deadline
from classifier.outcome import Outcomes
from classifier.pipeline import DOWNLOADS, Pipeline

CLASSES = 3
LIMITS = Limits(bytes=1000, pixels=1000)

type Fetch = Callable[[Source, Deadline], bytes]
type Decode = Callable[[bytes], Tensor]


class Network:
    """Answers with the number that fills each image, and counts the images of each call."""

    manifest = type("Manifest", (), {"input": None})

    def __init__(self) -> None:
        self.sizes: list[int] = []

    def classify(self, tensors: Sequence[Tensor]) -> Probabilities:
        self.sizes.append(len(tensors))
        return np.stack([np.repeat(tensor[0, 0, 0], CLASSES) for tensor in tensors])

    def classify_with_layers(self, tensors: Sequence[Tensor]) -> Outputs:
        embeddings = np.stack([tensor[:, 0, 0] for tensor in tensors])
        return Outputs(self.classify(tensors), embeddings)


class Fetcher:
    def __init__(self, fetch: Fetch) -> None:
        self.fetch = fetch


def read_body(source: Source, _: Deadline) -> bytes:
    if isinstance(source, Exception):
        raise source
    assert isinstance(source, Body)
    return source.data


def decode(data: bytes) -> Tensor:
    return np.full((3, 2, 2), float(data), np.float32)


def numbered(count: int) -> list[Source]:
    return [Body(str(number).encode()) for number in range(count)]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Outcomes]:
    def run(
        sources: Sequence[Source],
        network: Any,
        fetch: Fetch = read_body,
        decode: Decode = decode,
        threads: int = 1,
    ) -> Outcomes:
        monkeypatch.setattr(pipeline, "to_tensor", lambda data, *_: decode(data))
        under_test = Pipeline(Fetcher(fetch), network, LIMITS, threads)  # type: ignore[arg-type]
        return under_test.run(sources, Deadline.after(60), [LabelOptions()] * len(sources))

    return run


@given(
    fates=st.lists(st.sampled_from(["good", "missing", "broken"]), min_size=1, max_size=64),
    threads=st.integers(1, 2),
)
def test_each_image_has_its_own_outcome_and_batches_are_full(
    fates: list[str], threads: int
) -> None:
    def fetch(source: Source, deadline: Deadline) -> bytes:
        data = read_body(source, deadline)
        if fates[int(data)] == "missing":
            raise FetchFailed(data.decode())
        return data

    def to_tensor(data: bytes, *_: object) -> Tensor:
        if fates[int(data)] == "broken":
            raise UndecodableImage(data.decode())
        return decode(data)

    network = Network()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pipeline, "to_tensor", to_tensor)
        under_test = Pipeline(Fetcher(fetch), network, LIMITS, threads)  # type: ignore[arg-type]
        options = [LabelOptions()] * len(fates)
        outcomes = under_test.run(numbered(len(fates)), Deadline.after(60), options).images
    assert len(outcomes) == len(fates)
    errors = {"missing": FetchFailed, "broken": UndecodableImage}
    for number, (fate, outcome) in enumerate(zip(fates, outcomes, strict=True)):
        if fate == "good":
            assert outcome.error is None
            assert outcome.probabilities is not None
            assert outcome.probabilities.tolist() == [number] * CLASSES
        else:
            assert type(outcome.error) is errors[fate]
            assert str(outcome.error) == str(number)
            assert outcome.probabilities is None
    full, rest = divmod(fates.count("good"), BATCH)
    assert network.sizes == [BATCH] * full + [rest] * (rest > 0)


def test_two_rounds_of_downloads_are_ahead_and_no_more(run: Callable[..., Outcomes]) -> None:
    begun, count = threading.Semaphore(0), [0]

    def fetch(source: Source, deadline: Deadline) -> bytes:
        count[0] += 1
        begun.release()
        return read_body(source, deadline)

    class Waiting(Network):
        def classify(self, tensors: Sequence[Tensor]) -> Probabilities:
            if not self.sizes:
                # This batch has left the window. Behind its last image, the window is full.
                ahead = 2 * DOWNLOADS + BATCH - 1
                assert all(begun.acquire(timeout=10) for _ in range(ahead))
                assert not begun.acquire(timeout=0.1)
                assert count == [ahead]
            return super().classify(tensors)

    network = Waiting()
    run(numbered(64), network, fetch)
    assert count == [64]
    assert network.sizes == [BATCH] * 16


def test_two_vcpus_decode_two_images_side_by_side(run: Callable[..., Outcomes]) -> None:
    pair = threading.Barrier(2)

    def decode_with_another(data: bytes) -> Tensor:
        pair.wait(timeout=10)
        return decode(data)

    network = Network()
    outcomes = run(numbered(16), network, decode=decode_with_another, threads=2).images
    assert not any(outcome.error for outcome in outcomes)
    assert network.sizes == [BATCH] * 4


@pytest.mark.parametrize(("lacks_once", "error"), [(True, type(None)), (False, OutOfMemory)])
def test_an_image_that_lacks_memory_beside_another_is_decoded_again_alone(
    run: Callable[..., Outcomes], lacks_once: bool, error: type
) -> None:
    decoding, beside = [0], []

    def decode_greedily(data: bytes) -> Tensor:
        decoding[0] += 1
        try:
            if data == b"5":
                beside.append(decoding[0])
                if len(beside) == 1 or not lacks_once:
                    raise MemoryError
            return decode(data)
        finally:
            decoding[0] -= 1

    network = Network()
    outcomes = run(numbered(16), network, decode=decode_greedily, threads=2).images
    assert type(outcomes[5].error) is error
    assert len(beside) == 2
    assert beside[1] == 1
    assert sum(outcome.error is None for outcome in outcomes) == sum(network.sizes)


def test_an_image_that_is_damaged_is_decoded_once(run: Callable[..., Outcomes]) -> None:
    decoded = []

    def decode_whole(data: bytes) -> Tensor:
        decoded.append(data)
        if data == b"5":
            raise UndecodableImage("The image is cut off.")
        return decode(data)

    outcomes = run(numbered(16), Network(), decode=decode_whole, threads=2).images
    assert type(outcomes[5].error) is UndecodableImage
    assert sorted(decoded) == sorted(str(number).encode() for number in range(16))


@pytest.mark.parametrize("threads", [1, 2])
def test_a_network_that_fails_ends_the_call(run: Callable[..., Outcomes], threads: int) -> None:
    class Broken(Network):
        def classify(self, tensors: Sequence[Tensor]) -> Probabilities:
            raise RuntimeError("out of order")

    with pytest.raises(RuntimeError, match="out of order"):
        run(numbered(20), Broken(), threads=threads)


@pytest.mark.parametrize("count", [1, 20])
def test_a_download_without_memory_fails_alone(run: Callable[..., Outcomes], count: int) -> None:
    def fetch(source: Source, deadline: Deadline) -> bytes:
        if source == Body(b"0"):
            raise MemoryError
        return read_body(source, deadline)

    first, *others = run(numbered(count), Network(), fetch).images
    assert type(first.error) is OutOfMemory
    assert not any(other.error for other in others)


@pytest.mark.parametrize(
    ("failure", "error"), [(MemoryError(), OutOfMemory), (ValueError("secret"), InternalError)]
)
def test_a_decoder_that_fails_in_an_unknown_way_fails_one_image(
    run: Callable[..., Outcomes], failure: Exception, error: type
) -> None:
    def broken(data: bytes) -> Tensor:
        if data == b"3":
            raise failure
        return decode(data)

    outcomes = run(numbered(20), Network(), decode=broken)
    assert [type(each) for each in outcomes.errors] == [error]
    assert type(outcomes.images[3].error) is error
    assert "secret" not in str(outcomes.images[3].error)


def test_a_source_that_is_an_error_is_the_outcome(run: Callable[..., Outcomes]) -> None:
    refused = InvalidRequest("No key.")
    outcomes = run([*numbered(1), refused], Network())
    assert outcomes.images[1].error is refused
    assert outcomes.errors == [refused]


def test_sizes_and_times_are_those_of_the_slowest(run: Callable[..., Outcomes]) -> None:
    outcomes = run(numbered(2), Network())
    assert [outcome.bytes for outcome in outcomes.images] == [1, 1]
    outcomes.images[0].fetch_ms, outcomes.images[1].decode_ms = 50.0, 60.0
    timing = outcomes.timing_ms()
    assert (timing["fetch"], timing["decode"]) == (50.0, 60.0)
    assert timing["inference"] == outcomes.inference_ms >= 0


def test_only_images_that_ask_get_embeddings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pipeline, "to_tensor", lambda data, *_: decode(data))
    network = Network()
    under_test = Pipeline(Fetcher(read_body), network, LIMITS)  # type: ignore[arg-type]
    options = [LabelOptions(embedding=True), LabelOptions()]
    sources: list[Source] = [Body(b"7"), Body(b"8")]
    first, second = under_test.run(sources, Deadline.after(60), options).images
    assert first.embedding is not None
    assert first.embedding.tolist() == [7, 7, 7]
    assert second.embedding is None
    labels = (Label("", "a"), Label("", "b"), Label("", "c"))
    embedding = first.describe(labels)["embedding"]
    assert embedding == [0.5773503] * 3
    assert "embedding" not in second.describe(labels)


def test_an_outcome_is_described_as_labels_or_as_an_error(run: Callable[..., Outcomes]) -> None:
    labels = (Label("c0", "red"), Label("", "green"), Label("c2", "blue"))
    good, bad = run([Body(b"1"), FetchFailed("No.")], Network()).images
    good.options = LabelOptions(top_k=1)
    assert good.describe(labels) == {
        "labels": [{"class": "c0", "label": "red", "probability": 1.0}]
    }
    assert bad.describe(labels)["error"]["code"] == "fetch-failed"
