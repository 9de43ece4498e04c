"""One training: images become embeddings, a last layer, a bundle and a report."""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt

from classifier.model.bundle import Bundle
from classifier.model.labels import Probabilities
from tools.errors import ToolError
from tools.model.new_bundle import NewBundle
from tools.model.training.duplicates import Duplicates, find_duplicates
from tools.model.training.evaluation import doubtful, evaluate
from tools.model.training.features import Extractor, Failure, Features
from tools.model.training.fit import Fit, fit_best, steps
from tools.model.training.folder import ClassFolder, Sample, check_counts, labels_file, read_folder
from tools.model.training.report import Int8, Judgement, Report, Twins, and_list
from tools.model.training.split import hold_out

type _Mask = npt.NDArray[np.bool_]


class Advance(Protocol):
    def __call__(self) -> None: ...


class Progress(Protocol):
    """Shows a stage of ``total`` steps; entered, it gives what is called after each."""

    def __call__(self, stage: str, total: int) -> AbstractContextManager[Advance]: ...


@dataclass(frozen=True)
class Plan:
    """What to train. validation: a folder that judges; None: ``share`` of each class does."""

    folder: Path
    name: str
    validation: Path | None = None
    share: float = 0.2
    seed: int = 0


@dataclass(frozen=True)
class Training:
    """The result. train, held_out: the images that trained and that judge."""

    bundle: NewBundle
    report: Report
    train: tuple[Sample, ...]
    held_out: tuple[Sample, ...]


@dataclass(frozen=True)
class Images:
    """The folders of a plan, read: before anything that takes time."""

    train: ClassFolder
    validation: ClassFolder | None

    @classmethod
    def read(cls, plan: Plan) -> "Images":
        """Raises ToolError: a folder is not as it should be."""
        train = read_folder(plan.folder)
        check_counts(plan.folder, train.classes, train.samples)
        validation = read_folder(plan.validation, train.classes) if plan.validation else None
        return cls(train, validation)

    @property
    def folders(self) -> list[ClassFolder]:
        return [self.train, *([self.validation] if self.validation else [])]


def train(
    plan: Plan, images: Images, base: Bundle, extractor: Extractor, progress: Progress
) -> Training:
    """Train ``images`` on ``base``, whose embeddings ``extractor`` makes; writes nothing.

    Raises ToolError: too few images can be decoded, or none is left to judge.
    """
    features, failures, is_held_out = _features(plan, images, extractor, progress)
    duplicates = find_duplicates(features)
    if images.validation is None:
        is_held_out = hold_out(features.labels, duplicates.groups, plan.share, plan.seed)
    is_known = is_held_out & np.isin(duplicates.groups, duplicates.groups[~is_held_out])
    is_judge = is_held_out & ~is_known
    if not is_judge.any():
        raise ToolError(
            f"{plan.validation or plan.folder}: no image is left to judge by: each is also among"
            " those that train, or nearly so; add others"
        )
    seen = features.part(~is_held_out)
    groups = duplicates.groups[~is_held_out]
    count = len(features.embeddings) * steps(len(seen.samples))
    with progress("training", count) as advance:
        result = fit_best(seen.embeddings, seen.labels, groups, plan.seed, advance)
    every = result.layer.probabilities(features.embeddings[result.kind])
    every[~is_held_out] = result.out_of_fold
    held_out = features.part(is_judge)
    report = Report(
        name=plan.name,
        base=base.manifest.name,
        base_source=base.manifest.source,
        seed=plan.seed,
        kind=result.kind,
        strength=result.strength,
        temperature=result.temperature,
        held_out=_describe_split(plan),
        evaluation=evaluate(images.train.classes, seen.labels, every[is_judge], held_out.labels),
        mistakes=_judgements(images, features, every, _mistakes(features, every, is_judge)),
        doubtful=_judgements(images, features, every, doubtful(every, features.labels)),
        twins=_twins(images, features, duplicates, is_held_out),
        alike=tuple(images.train.classes[label] for label in duplicates.alike),
        failures=tuple(failures),
        others=tuple(path for folder in images.folders for path in folder.others),
        int8=Int8(failure="not tried yet"),
    )
    bundle = _bundle(plan, images, extractor, result, report)
    return Training(bundle, report, seen.samples, held_out.samples)


def _features(
    plan: Plan, images: Images, extractor: Extractor, progress: Progress
) -> tuple[Features, list[Failure], _Mask]:
    """Of all images, those that could not be decoded, and which came from the validation folder."""
    parts, failures = [], []
    total = sum(len(folder.samples) for folder in images.folders)
    with progress("images", total) as advance:
        for folder in images.folders:
            part, its_failures = extractor.features(folder.samples, advance)
            parts.append(part)
            failures += its_failures
    check_counts(plan.folder, images.train.classes, parts[0].samples)
    if len(parts) == 1:
        return parts[0], failures, np.zeros(len(parts[0].samples), bool)
    features = parts[0].joined(parts[1])
    return features, failures, np.arange(len(features.samples)) >= len(parts[0].samples)


def _describe_split(plan: Plan) -> str:
    if plan.validation:
        return f"the images in {plan.validation}"
    return f"{plan.share:.0%} of each class"


def _mistakes(features: Features, every: Probabilities, is_judge: _Mask) -> list[int]:
    """Indices of judging images that are not right, the most confident first."""
    is_wrong = is_judge & (every.argmax(axis=1) != features.labels)
    indices = np.flatnonzero(is_wrong)
    order = np.argsort(-every.max(axis=1)[indices], kind="stable")
    return [int(index) for index in indices[order]]


def _judgements(
    images: Images, features: Features, every: Probabilities, indices: Sequence[int]
) -> tuple[Judgement, ...]:
    classes = images.train.classes
    return tuple(
        Judgement(
            features.samples[index].path,
            classes[features.samples[index].label],
            classes[int(every[index].argmax())],
            float(every[index].max()),
        )
        for index in indices
    )


def _twins(
    images: Images, features: Features, duplicates: Duplicates, is_held_out: _Mask
) -> tuple[Twins, ...]:
    """The most serious first: across the split, then in several classes."""
    sets = [
        Twins(
            tuple(features.samples[index].path for index in members),
            tuple(images.train.classes[features.samples[index].label] for index in members),
            bool(is_held_out[members].any() and not is_held_out[members].all()),
        )
        for members in duplicates.sets()
    ]
    return tuple(sorted(sets, key=lambda each: (not each.is_across, not each.is_contradiction)))


def _bundle(
    plan: Plan, images: Images, extractor: Extractor, result: Fit, report: Report
) -> NewBundle:
    classes = images.train.classes
    bundle = extractor.base.with_last_layer(
        result.layer.weight,
        result.layer.bias,
        result.kind,
        name=plan.name,
        labels=labels_file(classes),
        description=and_list(classes),
        source=(
            f"last layer trained on {report.trained} images of one's own; the rest is"
            f" {report.base}: {report.base_source}"
        ),
    )
    return replace(bundle, notes={"training": report.note()})
