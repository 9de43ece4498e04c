"""What became of the images of one call."""

from dataclasses import dataclass, field
from typing import Any

from classifier.errors import RequestError, describe
from classifier.image.rectangle import Rectangle
from classifier.model.activation_map import Evidence
from classifier.model.labels import Label, LabelOptions, Probabilities, top, top_indices
from classifier.model.layers import Embedding, normalise


@dataclass
class Outcome:
    """What became of one image.

    Attributes:
        probabilities: (classes,) float32; None where there is an error.
        embedding: (length,) float32; None where nobody asked for it.
        evidence: For maps; None where nobody asked for them.
        error: Why there are none.
        bytes: Size of the encoded image.
        fetch_ms: How long fetching took.
        decode_ms: How long decoding and preprocessing took.
        options: What is asked for.
        rectangle: What the network sees of the image; None where no maps were asked for.
    """

    probabilities: Probabilities | None = None
    embedding: Embedding | None = None
    evidence: Evidence | None = None
    error: RequestError | None = None
    bytes: int = 0
    fetch_ms: float = 0.0
    decode_ms: float = 0.0
    options: LabelOptions = field(default_factory=LabelOptions)
    rectangle: Rectangle | None = None

    def describe(self, labels: tuple[Label, ...]) -> dict[str, Any]:
        """What ``options`` ask for or the error, as answers and results of batches have them."""
        if self.error is not None:
            return {"error": describe(self.error)}
        assert self.probabilities is not None
        predictions = top(self.probabilities, labels, self.options)
        described = [prediction.describe() for prediction in predictions]
        if self.evidence is not None:
            maps = self.evidence.maps(top_indices(self.probabilities, self.options))
            described = [one | {"map": map_} for one, map_ in zip(described, maps, strict=True)]
        members: dict[str, Any] = {"labels": described}
        if self.options.embedding:
            assert self.embedding is not None
            members["embedding"] = normalise(self.embedding)
        return members


@dataclass
class Outcomes:
    """What became of all images of one call, in order. ``inference_ms`` is of all together."""

    images: list[Outcome]
    inference_ms: float = 0.0

    @property
    def errors(self) -> list[RequestError]:
        """Of the images that failed."""
        return [image.error for image in self.images if image.error is not None]

    def timing_ms(self) -> dict[str, float]:
        """How long each stage took. Images share their time, so of several the slowest counts."""
        return {
            "fetch": max(image.fetch_ms for image in self.images),
            "decode": max(image.decode_ms for image in self.images),
            "inference": self.inference_ms,
        }
