"""Embeddings of real photographs, through the function's own pipeline."""

import os
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import pytest

from classifier.config import Settings
from classifier.fetch.sources import Body, Fetcher, Source
from classifier.image.tensor import Limits
from classifier.location import S3Prefix
from classifier.model.bundle import Folder, read_bundle
from classifier.model.labels import LabelOptions
from classifier.model.network import Model
from classifier.net.deadline import Deadline
from classifier.pipeline import Pipeline

ROOT = Path(__file__).parents[2]
LITE0 = ROOT / "models" / "efficientnet-lite0"
IMAGES = os.environ.get("CLASSIFIER_TEST_IMAGES", "")
OWN_CLASSES = os.environ.get("CLASSIFIER_TEST_OWN_CLASSES", "")

pytestmark = pytest.mark.skipif(
    not LITE0.is_dir(),
    reason="models/efficientnet-lite0 is missing: scripts/model.py fetch fetches it",
)


class Bodies:
    """Stands for the fetcher: every image is in memory."""

    def fetch(self, source: Source, _: Deadline) -> bytes:
        assert isinstance(source, Body)
        return source.data


@pytest.fixture(scope="module")
def model() -> Model:
    return Model.load(read_bundle(Folder(LITE0)))


@pytest.fixture(scope="module")
def pipeline(model: Model) -> Pipeline:
    settings = Settings(S3Prefix("models", "x"))
    limits = Limits(settings.max_image_bytes, settings.max_image_pixels)
    fetcher: Fetcher = Bodies()  # type: ignore[assignment]
    return Pipeline(fetcher, model, limits)


def embed(pipeline: Pipeline, model: Model, images: Sequence[bytes]) -> np.ndarray:
    """The embeddings as they are answered, (n, 1280)."""
    options = [LabelOptions(embedding=True)] * len(images)
    outcomes = pipeline.run([Body(data) for data in images], Deadline.after(600), options)
    return np.array([each.describe(model.labels)["embedding"] for each in outcomes.images])


def resized(data: bytes, scale: float | None) -> bytes:
    """A copy as JPEG. scale: of both sides; None: the short side becomes 256 pixels."""
    pixels = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    scale = scale or 256 / min(pixels.shape[:2])
    how = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    return cv2.imencode(".jpg", cv2.resize(pixels, None, fx=scale, fy=scale, interpolation=how))[
        1
    ].tobytes()


@pytest.mark.skipif(not IMAGES, reason="CLASSIFIER_TEST_IMAGES names no folder")
def test_the_same_image_is_alike_and_so_is_a_resized_copy(pipeline: Pipeline, model: Model) -> None:
    files = [path.read_bytes() for path in sorted(Path(IMAGES).glob("*.JPEG"))]
    once, twice = embed(pipeline, model, files), embed(pipeline, model, files)
    # Rounding keeps the length, so a plain scalar product is the cosine.
    np.testing.assert_allclose((once * twice).sum(axis=1), 1, atol=1e-6)
    alone = embed(pipeline, model, files[:1])
    assert alone[0] @ once[0] == pytest.approx(1, abs=1e-6)

    # A copy that keeps what the network sees, 256 pixels, and one twice as large. (At 0.6 of their
    # sides, where some have fewer pixels than the network sees, the cosines are 0.89 to 0.99.)
    for scale in (None, 2.0):
        copies = embed(pipeline, model, [resized(data, scale) for data in files])
        cosines = (once * copies).sum(axis=1)
        assert cosines.min() > 0.95, cosines
    others = once @ once.T - 2 * np.eye(len(once))
    assert others.max() < 0.9


@pytest.mark.skipif(not OWN_CLASSES, reason="CLASSIFIER_TEST_OWN_CLASSES names no folder")
def test_ants_are_nearer_to_ants_than_to_bees(pipeline: Pipeline, model: Model) -> None:
    folder = Path(OWN_CLASSES) / "val"
    classes = [path for path in sorted(folder.iterdir()) if path.is_dir()]
    vectors, answers = [], []
    for number, path in enumerate(classes):
        files = [each.read_bytes() for each in sorted(path.iterdir())]
        vectors.append(embed(pipeline, model, files))
        answers += [number] * len(files)
    every, labels = np.concatenate(vectors), np.array(answers)
    cosines = every @ every.T
    np.fill_diagonal(cosines, np.nan)
    same = labels[:, None] == labels
    assert np.nanmean(cosines[same]) > np.nanmean(cosines[~same]) + 0.05
    # Nearest neighbours: measured 90 to 98 % of one's own class.
    nearest = np.nanargmax(cosines, axis=1)
    assert np.mean(labels[nearest] == labels) > 0.85
