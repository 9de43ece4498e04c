"""The last function of a network: it makes probabilities of logits."""

import numpy as np

from classifier.model.labels import Probabilities


def softmax(logits: Probabilities) -> Probabilities:
    """Probabilities of classes that exclude each other: those of an image add up to 1.

    Args:
        logits: (n, classes) float32.
    """
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    probabilities: Probabilities = powers / powers.sum(axis=1, keepdims=True)
    return probabilities


def sigmoid(logits: Probabilities) -> Probabilities:
    """Probabilities of independent classes, each 0..1: an image may have several, or none.

    Args:
        logits: (n, classes) float32.
    """
    # exp of a positive number may overflow, so both halves take that of a negative one.
    powers = np.exp(-np.abs(logits))
    probabilities: Probabilities = np.where(logits < 0, powers, np.float32(1)) / (1 + powers)
    return probabilities


ACTIVATIONS = {"softmax": softmax, "sigmoid": sigmoid}
