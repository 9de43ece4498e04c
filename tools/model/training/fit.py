"""The last layer: logistic regression on embeddings, its strength chosen by cross-validation."""

import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from classifier.model.labels import Probabilities
from tools.model.base import AVERAGE, Embeddings
from tools.model.groups import Groups
from tools.model.mxnet_files import Array
from tools.model.training.features import Labels
from tools.model.training.split import deal

type _Logits = npt.NDArray[np.float64]

# Inverse strengths of the penalty, for embeddings whose mean square distance from their mean is 1.
# On ants and bees the log loss is least around 100 to 1,000.
STRENGTHS = (1.0, 10.0, 100.0, 1000.0, 10_000.0)
_FOLDS = 5
_FOLDS_OF_MANY = 3
_MANY = 1000
_TEMPERATURES = np.geomspace(0.1, 10, 401)


@dataclass(frozen=True)
class LastLayer:
    """Logits are ``embeddings @ weight.T + bias``. weight: (classes, length); bias: (classes,)."""

    weight: Array
    bias: Array

    def probabilities(self, embeddings: Embeddings) -> Probabilities:
        """(n, classes) float32."""
        return _softmax(embeddings @ self.weight.T + self.bias).astype(np.float32)


@dataclass(frozen=True)
class Fit:
    """What was fitted, and how.

    kind: of the embeddings, a key of ``Base.lengths``.
    strength: the one of ``STRENGTHS`` with the least log loss in cross-validation.
    temperature: logits were divided by it, so that probabilities are as high as they are right;
    found by cross-validation too. out_of_fold: (n, classes), the probabilities of each image by a
    layer that was not trained with it or its duplicates.
    """

    kind: str
    layer: LastLayer
    strength: float
    temperature: float
    out_of_fold: Probabilities


def fit_best(
    embeddings: Mapping[str, Embeddings],
    labels: Labels,
    groups: Groups,
    seed: int,
    advance: Callable[[], None] = lambda: None,
) -> Fit:
    """The fit of the first kind of embeddings, or of another that is clearly better.

    EfficientNet-Lite0, corners in place of the average: 98.6 % of 360 handwritten digits where the
    average has 94.7; ants and bees 97.1 % where it has 96.8 (20 splits), which is no difference.
    The average is the one that a class activation map can be drawn of.
    """
    fits = [
        fit(array, labels, groups, seed, advance, kind=kind) for kind, array in embeddings.items()
    ]
    best = fits[0]
    for other in fits[1:]:
        if is_clearly_better(other.out_of_fold, best.out_of_fold, labels):
            best = other
    return best


def is_clearly_better(one: Probabilities, other: Probabilities, labels: Labels) -> bool:
    """Whether ``one`` is right more often than ``other``, by more than chance (McNemar's test)."""
    one_right, other_right = (each.argmax(axis=1) == labels for each in (one, other))
    wins, losses = (one_right & ~other_right).sum(), (other_right & ~one_right).sum()
    return bool(wins - losses > 2 * np.sqrt(wins + losses))


def fit(
    embeddings: Embeddings,
    labels: Labels,
    groups: Groups,
    seed: int,
    advance: Callable[[], None] = lambda: None,
    *,
    kind: str = AVERAGE,
) -> Fit:
    """Fit the last layer. Each class weighs the same, however many images it has.

    labels: (n,), 0 to classes - 1, each at least twice. advance: called after each of the at most
    ``steps(n)`` fits.
    """
    scale = _Scale(embeddings)
    scaled = scale.apply(embeddings)
    folds = min(_FOLDS_OF_MANY if len(labels) > _MANY else _FOLDS, int(np.bincount(labels).min()))
    fold = deal(labels, groups, folds, seed)
    best: tuple[float, float, _Logits] | None = None
    for strength in STRENGTHS:
        logits = np.zeros((len(labels), labels.max() + 1))
        for number in range(folds):
            rest = fold != number
            weight, bias = _regress(scaled[rest], labels[rest], strength)
            logits[~rest] = scaled[~rest] @ weight.T + bias
            advance()
        loss = _log_loss(logits, labels)
        if best and loss >= best[0]:
            break  # it only grows from here on
        best = loss, strength, logits
    assert best is not None
    _, strength, logits = best
    temperature = min(_TEMPERATURES, key=lambda each: _log_loss(logits / each, labels))
    weight, bias = _regress(scaled, labels, strength)
    return Fit(
        kind,
        scale.undo(weight / temperature, bias / temperature),
        strength,
        float(temperature),
        _softmax(logits / temperature).astype(np.float32),
    )


def steps(count: int) -> int:
    """How many fits ``fit`` makes of ``count`` images, at most."""
    return len(STRENGTHS) * (_FOLDS_OF_MANY if count > _MANY else _FOLDS)


class _Scale:
    """Moves embeddings to mean 0 and mean square length 1, whatever network they come from.

    One factor for all of an embedding's numbers: a factor for each costs accuracy (ants and bees,
    ten splits: 96.4 % where one factor has 97.2 %).
    """

    def __init__(self, embeddings: Embeddings) -> None:
        self._mean = embeddings.mean(axis=0, dtype=np.float64)
        squares = ((embeddings - self._mean) ** 2).sum(axis=1)
        self._length = float(np.sqrt(squares.mean())) or 1.0

    def apply(self, embeddings: Embeddings) -> _Logits:
        scaled: _Logits = (embeddings - self._mean) / self._length
        return scaled

    def undo(self, weight: _Logits, bias: _Logits) -> LastLayer:
        """The layer that does to embeddings what ``weight`` and ``bias`` do to scaled ones."""
        weight = weight / self._length
        return LastLayer(weight.astype(np.float32), (bias - weight @ self._mean).astype(np.float32))


def _regress(scaled: _Logits, labels: Labels, strength: float) -> tuple[_Logits, _Logits]:
    """Weight (classes, length) and bias (classes,)."""
    # scikit-learn takes a second to import, and MXNet warns where it brought SciPy before.
    from sklearn.exceptions import ConvergenceWarning  # noqa: PLC0415
    from sklearn.linear_model import LogisticRegression  # noqa: PLC0415

    model = LogisticRegression(C=strength, class_weight="balanced", max_iter=1000)
    with warnings.catch_warnings():
        # Almost there is good enough.
        warnings.simplefilter("ignore", ConvergenceWarning)
        model.fit(scaled, labels)
    weight, bias = model.coef_, model.intercept_
    if len(weight) == 1:  # of two classes, scikit-learn gives the second one's
        weight, bias = np.concatenate([-weight, weight]) / 2, np.concatenate([-bias, bias]) / 2
    return weight, bias


def _softmax(logits: npt.NDArray[np.floating[Any]]) -> npt.NDArray[np.floating[Any]]:
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    softmax: npt.NDArray[np.floating[Any]] = powers / powers.sum(axis=1, keepdims=True)
    return softmax


def _log_loss(logits: _Logits, labels: Labels) -> float:
    """Mean over the images, each class with the same weight."""
    losses = -np.log(np.maximum(_softmax(logits)[np.arange(len(labels)), labels], 1e-12))
    counts = np.bincount(labels)
    return float((losses / counts[labels]).sum() / np.count_nonzero(counts))
