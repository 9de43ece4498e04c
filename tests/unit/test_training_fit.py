"""The last layer: it separates, its probabilities are right, and the same seed gives the same."""

import numpy as np
import pytest

from tools.model.training.fit import Fit, fit, fit_best, steps


def draw(counts: list[int], spread: float, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Embeddings around one centre a class, far from 0, and their labels."""
    random = np.random.default_rng(seed)
    centres = np.random.default_rng(99).normal(size=(len(counts), 20))
    labels = np.repeat(np.arange(len(counts)), counts)
    embeddings = 50 + centres[labels] + random.normal(size=(len(labels), 20)) * spread
    return embeddings.astype(np.float32), labels


def fitted(counts: list[int], spread: float) -> Fit:
    embeddings, labels = draw(counts, spread)
    return fit(embeddings, labels, np.arange(len(labels)), seed=0)


@pytest.mark.parametrize("classes", [2, 3, 7])
def test_it_separates_what_can_be_separated(classes: int) -> None:
    result = fitted([30] * classes, 0.3)
    embeddings, labels = draw([100] * classes, 0.3, seed=1)
    probabilities = result.layer.probabilities(embeddings)
    assert probabilities.shape == (100 * classes, classes)
    assert probabilities.dtype == np.float32
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, atol=1e-5)
    assert (probabilities.argmax(axis=1) == labels).mean() > 0.99


def test_probabilities_are_as_high_as_they_are_right() -> None:
    result = fitted([60, 60, 60], 2.0)
    embeddings, labels = draw([1000] * 3, 2.0, seed=1)
    probabilities = result.layer.probabilities(embeddings)
    accuracy = (probabilities.argmax(axis=1) == labels).mean()
    assert 0.5 < accuracy < 0.95
    assert probabilities.max(axis=1).mean() == pytest.approx(accuracy, abs=0.07)


def test_temperature_cools_noise_down() -> None:
    random = np.random.default_rng(0)
    embeddings = random.normal(size=(40, 300)).astype(np.float32)
    labels = np.arange(40) % 2
    result = fit(embeddings, labels, np.arange(40), seed=0)
    more = random.normal(size=(200, 300)).astype(np.float32)
    assert result.layer.probabilities(more).max(axis=1).mean() < 0.75


def test_a_class_with_a_tenth_of_the_images_is_recognised_as_often() -> None:
    result = fitted([300, 30], 1.5)
    embeddings, labels = draw([1000, 1000], 1.5, seed=1)
    answers = result.layer.probabilities(embeddings).argmax(axis=1)
    recalls = [(answers[labels == label] == label).mean() for label in (0, 1)]
    assert min(recalls) > 0.8
    assert abs(recalls[0] - recalls[1]) < 0.15


def test_out_of_fold_probabilities_know_nothing_of_their_image() -> None:
    embeddings, labels = draw([40, 40], 0.3)
    wrong = labels.copy()
    wrong[5] = 1
    result = fit(embeddings, wrong, np.arange(80), seed=0)
    assert result.out_of_fold[5].argmax() == 0


def test_the_same_seed_gives_the_same_bits() -> None:
    one, other = fitted([20, 20], 1.0), fitted([20, 20], 1.0)
    assert one.layer.weight.tobytes() == other.layer.weight.tobytes()
    assert one.layer.bias.tobytes() == other.layer.bias.tobytes()
    assert (one.strength, one.temperature) == (other.strength, other.temperature)


def test_it_makes_no_more_fits_than_it_says() -> None:
    embeddings, labels = draw([20, 20], 1.0)
    calls = []
    fit(embeddings, labels, np.arange(40), 0, lambda: calls.append(1))
    assert 0 < len(calls) <= steps(40)


def test_two_images_a_class_are_enough_to_fit() -> None:
    embeddings, labels = draw([2, 2], 0.1)
    result = fit(embeddings, labels, np.arange(4), 0)
    assert (result.layer.probabilities(embeddings).argmax(axis=1) == labels).all()


def test_corners_are_taken_where_they_are_clearly_better() -> None:
    embeddings, labels = draw([50, 50], 0.3)
    random = np.random.default_rng(0)
    noise = random.normal(size=embeddings.shape).astype(np.float32)
    groups = np.arange(100)
    assert fit_best({"average": noise, "corners": embeddings}, labels, groups, 0).kind == "corners"
    same = {"average": embeddings, "corners": embeddings + noise / 100}
    assert fit_best(same, labels, groups, 0).kind == "average"
