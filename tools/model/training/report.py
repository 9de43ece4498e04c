"""What a training is told of: the figures, and what to look at."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tools.model.training.evaluation import Evaluation, Share
from tools.model.training.features import Failure

_NONE = Share(0, 0)


@dataclass(frozen=True)
class Judgement:
    """What the network says of an image. label: of its folder. answer: the network's."""

    path: Path
    label: str
    answer: str
    probability: float


@dataclass(frozen=True)
class Twins:
    """Images that are the same, or nearly so: their paths and classes.

    is_across: some train and others judge. Those that judge were left out of the figures.
    """

    paths: tuple[Path, ...]
    labels: tuple[str, ...]
    is_across: bool

    @property
    def is_contradiction(self) -> bool:
        """Whether the same image is in several classes."""
        return len(set(self.labels)) > 1


@dataclass(frozen=True)
class Int8:
    """int8 on held-out images: the share with the same first label as float32, and its speed.

    command: makes the int8 bundle; empty where it is not worth it. failure: why it was not tried.
    """

    agreement: Share = _NONE
    accuracy: Share = _NONE
    speedup: float = 0.0
    command: str = ""
    failure: str = ""


@dataclass(frozen=True)
class Report:
    """Of one training.

    kind: of the embeddings, a key of ``Base.lengths``. held_out: what judges, in words.
    mistakes: of the held-out images, the most confident first. doubtful: of all images, the
    likeliest wrong labels first. alike: classes whose images are so much alike that copies cannot
    be told. others: files of other types.
    """

    name: str
    base: str
    base_source: str
    seed: int
    kind: str
    strength: float
    temperature: float
    held_out: str
    evaluation: Evaluation
    mistakes: tuple[Judgement, ...]
    doubtful: tuple[Judgement, ...]
    twins: tuple[Twins, ...]
    alike: tuple[str, ...]
    failures: tuple[Failure, ...]
    others: tuple[Path, ...]
    int8: Int8

    @property
    def trained(self) -> int:
        """How many images trained the network."""
        return sum(each.trained for each in self.evaluation.classes)

    def remarks(self) -> list[str]:
        """What one should know before one believes the figures, a sentence or two each."""
        return [*self._about_figures(), *self._about_images()]

    def note(self) -> dict[str, Any]:
        """The report as the manifest keeps it."""
        evaluation = self.evaluation
        note: dict[str, Any] = {
            "base": self.base,
            "embedding": self.kind,
            "seed": self.seed,
            "strength": self.strength,
            "temperature": round(self.temperature, 4),
            "trained_images": self.trained,
            "held_out": self.held_out,
            "accuracy": _note(evaluation.accuracy),
            "calibration_error": round(evaluation.calibration_error, 4),
            "classes": {
                each.name: {
                    "trained": each.trained,
                    "recall": _note(each.recall),
                    "precision": _note(each.precision),
                }
                for each in evaluation.classes
            },
            "confusion": evaluation.confusion.tolist(),
            "duplicates": len(self.twins),
            "duplicates_across": sum(each.is_across for each in self.twins),
            "doubtful_labels": len(self.doubtful),
            "not_decoded": len(self.failures),
        }
        if self.int8.agreement.images:
            note["int8"] = {"agreement": _note(self.int8.agreement)}
        return note

    def _about_figures(self) -> list[str]:
        remarks = []
        accuracy = self.evaluation.accuracy
        if 0 < accuracy.images < 100:
            low, high = accuracy.interval
            remarks.append(
                f"Only {accuracy.images} images judge. With other ones the accuracy may be"
                f" anything from {low:.1%} to {high:.1%}: more images make it a figure to rely on."
            )
        if across := [each for each in self.twins if each.is_across]:
            remarks.append(
                f"{_count(len(across), 'image')} that should judge {_is(len(across))} also among"
                " those that train, the same or nearly so. What has been trained with is no test:"
                " the figures leave such images out."
            )
        unjudged = [each.name for each in self.evaluation.classes if not each.recall.images]
        if unjudged:
            remarks.append(f"No image judges {', '.join(unjudged)}: nothing is known of it.")
        sizes = {each.name: each.trained for each in self.evaluation.classes}
        most, least = max(sizes, key=sizes.__getitem__), min(sizes, key=sizes.__getitem__)
        if sizes[most] >= 3 * sizes[least]:
            remarks.append(
                f"{most} has {sizes[most]} images to train with and {least} has {sizes[least]}."
                " Each class weighs the same all the same; more images of the small ones would"
                " help most."
            )
        return remarks

    def _about_images(self) -> list[str]:
        remarks = []
        if contradictions := [each for each in self.twins if each.is_contradiction]:
            remarks.append(
                f"{_count(len(contradictions), 'image')} {_is(len(contradictions))} in several"
                " classes at once. Take the wrong copies away."
            )
        if inner := [each for each in self.twins if not each.is_across]:
            copies = sum(len(each.paths) - 1 for each in inner)
            remarks.append(
                f"{_count(copies, 'image')} {_is(copies)} the same as another one, or nearly so."
                " Copies were kept on one side, so they do not flatter the figures; they teach"
                " nothing either."
            )
        if self.alike:
            remarks.append(
                f"The images of {', '.join(self.alike)} are so much alike that copies cannot be"
                " told from others. If they come from one film, hold out another film with"
                " --validation."
            )
        if self.doubtful:
            remarks.append(
                f"{_count(len(self.doubtful), 'image')} may be in the wrong folder. Look there"
                " first: a wrong label costs more than a missing image."
            )
        if self.failures:
            remarks.append(
                f"{_count(len(self.failures), 'image')} could not be decoded and"
                f" {_was(len(self.failures))} left out."
            )
        if self.others:
            remarks.append(
                f"{_count(len(self.others), 'file')} {_is(len(self.others))} not called .jpg, .png"
                f" or .webp and {_was(len(self.others))} left out, such as {self.others[0].name}."
            )
        return remarks


def and_list(names: Sequence[str], most: int = 12) -> str:
    """``names`` as people write them, at most ``most``."""
    if len(names) > most:
        return f"{', '.join(names[: most - 1])} and {len(names) - most + 1} more"
    return " and ".join(filter(None, [", ".join(names[:-1]), names[-1]]))


def _note(share: Share) -> dict[str, Any]:
    low, high = share.interval
    return {
        "right": share.right,
        "images": share.images,
        "value": round(share.value, 4),
        "interval": [round(low, 4), round(high, 4)],
    }


def _count(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def _is(count: int) -> str:
    return "is" if count == 1 else "are"


def _was(count: int) -> str:
    return "was" if count == 1 else "were"
