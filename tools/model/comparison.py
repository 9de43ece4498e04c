"""float32 against int8 on images that calibration has not seen: agreement, accuracy, speed."""

import dataclasses
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

import numpy as np
import numpy.typing as npt
from rich import box
from rich.table import Table

from classifier.image.tensor import Tensor
from classifier.model.bundle import Bundle
from classifier.model.labels import Probabilities
from classifier.model.layers import normalise
from classifier.model.network import Model
from tools.model.evaluate import Score, probabilities, score
from tools.model.images import Image
from tools.model.new_bundle import NewBundle

_TIMED_RUNS = 30
# Of independent classes, those that are at least so probable count.
_LIKELY = 0.5
# So many images tell the mean cosine to a hundredth of what it differs from 1.
_EMBEDDED = 50


@dataclass(frozen=True)
class Calibration:
    """How an int8 network was made: method, the number of images, and what they are."""

    method: str
    count: int
    images: str


@dataclass(frozen=True)
class Side:
    """One network in the report. ms: one image through it, median; bytes: of its parameters."""

    score: Score | None
    ms: float
    bytes: int


@dataclass(frozen=True)
class Comparison:
    """float32 and int8 on the same images, which calibration has not seen.

    agreement: the fraction of them, 0..1, to which both give the same ``criterion``: the first
    label, or, of independent classes, the labels that are more likely than not. cosine: of the
    two embeddings of an image, their mean; None where the network has none.
    """

    calibration: Calibration
    held_out_images: int
    classes: int
    agreement: float
    criterion: str
    float32: Side
    int8: Side
    cosine: float | None = None

    def note(self) -> dict[str, Any]:
        """The comparison as the manifest keeps it."""
        note = {
            "calibration": self.calibration.method,
            "calibration_images": self.calibration.count,
            "images": self.calibration.images,
            "held_out_images": self.held_out_images,
            "agreement": round(self.agreement, 4),
            "criterion": f"same {self.criterion}",
            "speedup": round(self.float32.ms / self.int8.ms, 4),
        }
        if self.cosine is not None:
            note["embedding_cosine"] = round(self.cosine, 4)
        for name, side in (("float32", self.float32), ("int8", self.int8)):
            note[name] = _side_note(side)
        return note

    def table(self) -> Table:
        """float32 and int8 side by side."""
        sides = self.float32, self.int8
        table = Table("", "float32", "int8", box=box.SIMPLE)
        scores = [side.score for side in sides if side.score]
        if len(scores) == len(sides):
            table.add_row("top-1", *(f"{each.top1:.1%}" for each in scores))
            if self.classes > 5:  # else always 100 %
                table.add_row("top-5", *(f"{each.top5:.1%}" for each in scores))
        table.add_row("one image, ms", *(f"{side.ms:.1f}" for side in sides))
        table.add_row("parameters, MB", *(f"{side.bytes / 1e6:.1f}" for side in sides))
        table.add_row(f"same {self.criterion}", "", f"{self.agreement:.1%}")
        if self.cosine is not None:
            table.add_row("embedding, mean cosine", "", f"{self.cosine:.4f}")
        table.add_row("times as fast", "", f"{self.float32.ms / self.int8.ms:.2f}")
        table.caption = (
            f"{self.held_out_images} held-out images; {self.calibration.count} calibrated it"
            f" ({self.calibration.method}): {self.calibration.images}"
        )
        return table


def compare(
    bundle: Bundle,
    int8: NewBundle,
    calibration: Calibration,
    images: Sequence[Image],
    advance: Callable[[], None],
) -> Comparison:
    """Run ``bundle`` and ``int8``, which was made of it, on ``images``.

    advance: called twice for each image.
    """
    models = Model.load(bundle), int8.model()
    is_multilabel = bundle.manifest.output.activation == "sigmoid"
    before, after = (probabilities(model, images, advance) for model in models)
    scores = [None if is_multilabel else _score(results, images) for results in (before, after)]
    before_ms, after_ms = _times(*models, images[0])
    return Comparison(
        calibration=calibration,
        held_out_images=len(images),
        classes=len(bundle.labels),
        agreement=_agreement(before, after, is_multilabel=is_multilabel),
        criterion=f"labels of {_LIKELY} or more" if is_multilabel else "first label",
        float32=Side(scores[0], before_ms, len(bundle.params)),
        int8=Side(scores[1], after_ms, len(int8.params)),
        cosine=_cosine(*models, images[:_EMBEDDED]),
    )


def _cosine(before: Model, after: Model, images: Sequence[Image]) -> float | None:
    """The mean cosine of the two embeddings of each image; None where a network has none."""
    if not (before.sizes.embedding and after.sizes.embedding):
        return None
    cosines = []
    for image in images:
        tensor = image.tensor(before.manifest.input)
        ours, theirs = (_embedding(model, tensor) for model in (before, after))
        cosines.append(ours @ theirs)
    return float(np.mean(cosines))


def _embedding(model: Model, tensor: Tensor) -> npt.NDArray[np.float64]:
    embeddings = model.classify_with_layers([tensor]).embeddings
    assert embeddings is not None
    return np.array(normalise(embeddings[0]))


def _agreement(before: Probabilities, after: Probabilities, *, is_multilabel: bool) -> float:
    """The fraction of rows, 0..1, that are the same to who reads the labels."""
    if is_multilabel:
        return float(np.mean(((before >= _LIKELY) == (after >= _LIKELY)).all(axis=1)))
    return float(np.mean(before.argmax(axis=1) == after.argmax(axis=1)))


def _score(results: Probabilities, images: Sequence[Image]) -> Score | None:
    """Over the images whose class is known; None where none is."""
    labelled = [index for index, image in enumerate(images) if image.answer is not None]
    return score(results[labelled], [images[index] for index in labelled]) if labelled else None


def _times(before: Model, after: Model, image: Image) -> tuple[float, float]:
    """Milliseconds of one image through each, medians, taken in turns on the same machine."""
    tensor = image.tensor(before.manifest.input)
    times: tuple[list[float], list[float]] = [], []
    for _ in range(_TIMED_RUNS):
        for model, its_times in zip((before, after), times, strict=True):
            started = time.perf_counter()
            model.classify([tensor])
            its_times.append((time.perf_counter() - started) * 1000)
    return median(times[0]), median(times[1])


def _side_note(side: Side) -> dict[str, Any]:
    note: dict[str, Any] = {"ms": round(side.ms, 4), "bytes": side.bytes}
    if side.score:
        members = dataclasses.asdict(side.score)
        note["score"] = {name: round(value, 4) for name, value in members.items()}
    return note
