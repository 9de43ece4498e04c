"""The figures of the report."""

import numpy as np
import pytest

from tools.model.training.evaluation import Share, doubtful, evaluate


def test_the_interval_is_wilsons() -> None:
    # Newcombe 1998, "Two-sided confidence intervals for the single proportion", table I.
    for right, images, low, high in (
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0000, 0.1611),
        (1, 29, 0.0061, 0.1718),
    ):
        assert Share(right, images).interval == pytest.approx((low, high), abs=1e-4)


def test_no_images_tell_nothing() -> None:
    assert Share(0, 0).value == 0
    assert Share(0, 0).interval == (0, 1)


LABELS = np.array([0, 0, 0, 0, 1, 1])
PROBABILITIES = np.array(
    [[0.9, 0.1, 0], [0.8, 0.2, 0], [0.6, 0.4, 0], [0.3, 0.7, 0], [0.05, 0.95, 0], [0, 0.4, 0.6]],
    np.float32,
)


def test_accuracy_recall_precision_and_confusion() -> None:
    result = evaluate(["a", "b", "c"], np.array([0, 0, 1]), PROBABILITIES, LABELS)
    assert result.accuracy == Share(4, 6)
    assert [each.trained for each in result.classes] == [2, 1, 0]
    assert [each.recall for each in result.classes] == [Share(3, 4), Share(1, 2), Share(0, 0)]
    assert [each.precision for each in result.classes] == [Share(3, 3), Share(1, 2), Share(0, 1)]
    assert result.confusion.tolist() == [[3, 1, 0], [0, 1, 1], [0, 0, 0]]
    assert result.confusions() == [(1, "a", "b"), (1, "b", "c")]


def test_minima_count_what_is_answered() -> None:
    result = evaluate(["a", "b", "c"], np.array([0]), PROBABILITIES, LABELS)
    by_minimum = {each.probability: each for each in result.minima}
    assert by_minimum[0.7].answered == Share(4, 6)
    assert by_minimum[0.7].right == Share(3, 4)
    assert by_minimum[0.99].right == Share(0, 0)


def test_the_calibration_error_is_the_mean_gap() -> None:
    probabilities = np.array([[0.75, 0.25]] * 4 + [[0.95, 0.05]] * 4, np.float32)
    labels = np.array([0, 0, 0, 1, 0, 0, 0, 0])
    result = evaluate(["a", "b"], labels, probabilities, labels)
    assert [each.share for each in result.bins] == [Share(3, 4), Share(4, 4)]
    assert result.calibration_error == pytest.approx(0.025, abs=1e-6)


def test_labels_are_in_doubt_where_another_class_is_typical() -> None:
    probabilities = np.array([[0.9, 0.1]] * 10 + [[0.1, 0.9]] * 10, np.float32)
    labels = np.repeat([0, 1], 10)
    assert doubtful(probabilities, labels) == []
    probabilities[3] = [0.02, 0.98]  # surely another class
    probabilities[4] = [0.45, 0.55]  # undecided: no reason to doubt the label
    probabilities[15] = [0.95, 0.05]
    assert doubtful(probabilities, labels) == [3, 15]
