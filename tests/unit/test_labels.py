"""Label files, and the labels that an image gets."""

import numpy as np
import pytest

from classifier.errors import BundleError, InvalidRequest
from classifier.model.labels import (
    IMAGENET_LABELS,
    Label,
    LabelOptions,
    Prediction,
    parse_labels,
    top,
)


@pytest.mark.parametrize(
    ("text", "labels"),
    [
        ("n01440764 tench, Tinca tinca\n", [Label("n01440764", "tench, Tinca tinca")]),
        ("cat\ndog", [Label("", "cat"), Label("", "dog")]),
        ("golden retriever\r\nn123 x\r\n", [Label("", "golden retriever"), Label("", "n123 x")]),
        ("7\tseven\n\tnone\n", [Label("7", "seven"), Label("", "none")]),
        ("été\n", [Label("", "été")]),
    ],
)
def test_label_lines_are_parsed(text: str, labels: list[Label]) -> None:
    assert parse_labels(text.encode(), "synset.txt") == tuple(labels)


@pytest.mark.parametrize("data", [b"", b"cat\n\ndog\n", b"\xff\xfe"])
def test_unreadable_label_file_is_an_error(data: bytes) -> None:
    with pytest.raises(BundleError, match=r"^synset\.txt: "):
        parse_labels(data, "synset.txt")


def test_the_imagenet_labels_that_ship_with_the_function() -> None:
    labels = parse_labels(IMAGENET_LABELS.read_bytes(), "imagenet_synset.txt")
    assert len(labels) == len({label.identifier for label in labels}) == 1000
    assert [label.identifier for label in labels] == sorted(label.identifier for label in labels)
    assert labels[0] == Label("n01440764", "tench, Tinca tinca")
    assert labels[999].name.startswith("toilet tissue")


LABELS = tuple(Label("", name) for name in "abcd")


@pytest.mark.parametrize(
    ("count", "minimum", "names"),
    [(1, 0.0, "c"), (3, 0.0, "cab"), (100, 0.0, "cabd"), (100, 0.2, "cab"), (4, 0.9, "")],
)
def test_top_labels_are_selected(count: int, minimum: float, names: str) -> None:
    probabilities = np.array([0.25, 0.25, 0.5, 0.0], np.float32)
    best = top(probabilities, LABELS, LabelOptions(count, minimum))
    assert [each.label.name for each in best] == list(names)


def test_top_probabilities_are_python_floats() -> None:
    assert top(np.array([1.0], np.float32), LABELS[:1], LabelOptions(1)) == [
        Prediction(LABELS[0], 1.0)
    ]


def test_the_class_of_a_label_without_an_identifier_is_its_name() -> None:
    assert Prediction(Label("n1", "cat"), 0.12345678).describe() == {
        "class": "n1",
        "label": "cat",
        "probability": 0.123457,
    }
    assert Prediction(Label("", "dog"), 0.1).describe() == {
        "class": "dog",
        "label": "dog",
        "probability": 0.1,
    }


@pytest.mark.parametrize("name", ["embedding", "explain"])
def test_switches_are_true_or_false(name: str) -> None:
    assert getattr(LabelOptions.parse({}), name) is False
    assert getattr(LabelOptions.parse({name: True}), name) is True
    on = LabelOptions(**{name: True})
    assert on.needs_layers
    assert LabelOptions.parse({}, on) == on
    assert not LabelOptions.parse({name: False}, on).needs_layers
    for wrong in ("true", 1, None):
        with pytest.raises(InvalidRequest, match=f"'{name}' should be true or false"):
            LabelOptions.parse({name: wrong})
