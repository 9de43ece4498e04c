"""Class activation maps: against Grad-CAM, on photographs, and laid over the image."""

import io
import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import colors
import cv2
import images
import numpy as np
import pytest
from PIL import Image

from classifier.errors import InvalidRequest
from classifier.fetch.sources import Body, Fetcher, Source
from classifier.image.rectangle import Rectangle
from classifier.image.tensor import Limits
from classifier.model.activation_map import Evidence
from classifier.model.bundle import Folder, read_bundle
from classifier.model.labels import LabelOptions
from classifier.model.layers import MAX_NUMBERS, Sizes
from classifier.model.network import Model
from classifier.net.deadline import Deadline
from classifier.pipeline import Pipeline
from tools.model.quantize import quantize
from tools.model.synthetic import synthetic

ROOT = Path(__file__).parents[2]
LITE0 = ROOT / "models" / "efficientnet-lite0"
IMAGES = os.environ.get("CLASSIFIER_TEST_IMAGES", "")
GRAD_CAM = Path(__file__).with_name("test_maps") / "grad-cam.npz"

# Drawn by hand around the object: left, top, right, bottom, in fractions of the photograph.
BOXES = {
    "n01443537_goldfish": (0.11, 0.22, 0.80, 0.80),
    "n02099601_golden_retriever": (0.15, 0.24, 0.79, 0.81),
    "n03063599_coffee_mug": (0.30, 0.42, 0.72, 0.99),
    "n07747607_orange": (0.02, 0.39, 0.95, 0.88),
    "n07753592_banana": (0.60, 0.38, 0.97, 0.84),
}

needs_photographs = pytest.mark.skipif(
    not (IMAGES and LITE0.is_dir()),
    reason="CLASSIFIER_TEST_IMAGES names no folder, or models/efficientnet-lite0 is missing",
)


class Bodies:
    """Stands for the fetcher: every image is in memory."""

    def fetch(self, source: Source, _: Deadline) -> bytes:
        assert isinstance(source, Body)
        return source.data


def explain(model: Model, files: Sequence[bytes], **options: Any) -> list[dict[str, Any]]:
    """Each image as it is answered."""
    fetcher: Fetcher = Bodies()  # type: ignore[assignment]
    pipeline = Pipeline(fetcher, model, Limits(10_000_000, 40_000_000))
    each = LabelOptions(**({"explain": True} | options))
    sources = [Body(data) for data in files]
    outcomes = pipeline.run(sources, Deadline.after(600), [each] * len(files))
    return [outcome.describe(model.labels) for outcome in outcomes.images]


@pytest.fixture(scope="module")
def lite0() -> Model:
    return Model.load(read_bundle(Folder(LITE0)))


@pytest.fixture(scope="module")
def color_model(tmp_path_factory: pytest.TempPathFactory) -> Model:
    return Model.load(read_bundle(Folder(colors.write_bundle(tmp_path_factory.mktemp("colors")))))


# ---- The numbers


@pytest.mark.parametrize("precision", ["float32", "int8"])
def test_maps_of_resnet_18_are_those_of_grad_cam(precision: str, tmp_path: Path) -> None:
    stored = np.load(GRAD_CAM)
    tensors = np.random.default_rng(5).standard_normal((2, 3, 224, 224), np.float32)
    bundle = synthetic(0)
    if precision == "int8":
        bundle.write(tmp_path)
        float32 = read_bundle(Folder(tmp_path))
        # Noise calibrates it, for noise is what it is tried on.
        bundle = quantize(
            float32, bundle.labels, [Noise(tensor) for tensor in tensors], method="naive",
            advance=lambda: None,
        )  # fmt: skip
    model = bundle.model()
    outputs = model.classify_with_layers(tensors)
    assert outputs.features is not None
    whole = Rectangle(0, 0, 1, 1)
    for features, theirs in zip(outputs.features, stored["maps"], strict=True):
        maps = Evidence(features, model.last_weights, whole).maps(stored["classes"].tolist())
        for ours, expected in zip(maps, theirs, strict=True):
            # Grad-CAM averages the gradient of the average, so it is 49 times smaller.
            values = np.array(ours["values"])
            if precision == "int8":
                assert np.corrcoef(values.ravel(), expected.ravel())[0, 1] > 0.85
            else:
                np.testing.assert_allclose(
                    values, expected * 49, atol=1e-3 * np.abs(expected * 49).max()
                )


def test_int8_weights_are_read_as_float32(tmp_path: Path) -> None:
    bundle = synthetic(0)
    bundle.write(tmp_path)
    tensors = np.random.default_rng(5).standard_normal((2, 3, 224, 224), np.float32)
    float32 = read_bundle(Folder(tmp_path))
    images = [Noise(tensor) for tensor in tensors]
    int8 = quantize(float32, bundle.labels, images, method="naive", advance=lambda: None)
    before, after = Model.load(float32).last_weights, int8.model().last_weights
    assert before.shape == after.shape == (1000, 512)
    np.testing.assert_allclose(after, before, atol=np.abs(before).max() / 127 * 0.51)


class Noise:
    """An image that is a tensor already."""

    name, answer = "noise", None

    def __init__(self, tensor: np.ndarray) -> None:
        self._tensor = tensor

    def tensor(self, _: object) -> np.ndarray:
        return self._tensor


def test_the_average_of_a_map_is_the_labels_share_of_the_logit(color_model: Model) -> None:
    pixels = np.random.default_rng(0).integers(0, 255, (36, 36, 3)).astype(np.uint8)
    (answer,) = explain(color_model, [images.encode(Image.fromarray(pixels), "PNG")])
    averages = {label["label"]: np.mean(label["map"]["values"]) for label in answer["labels"]}
    shares = {label["label"]: np.log(label["probability"]) for label in answer["labels"]}
    for name in ("green", "blue"):
        assert averages[name] - averages["red"] == pytest.approx(
            shares[name] - shares["red"], abs=1e-3
        )
    for label in answer["labels"]:
        values = np.array(label["map"]["values"])
        assert values.shape == (4, 4)
        assert (values.min(), values.max()) == (label["map"]["minimum"], label["map"]["maximum"])


def test_a_map_of_nothing_is_zeros() -> None:
    evidence = Evidence(
        np.zeros((2, 1, 3), np.float32), np.ones((1, 2), np.float32), Rectangle(0, 0, 1, 1)
    )
    assert evidence.maps([0])[0]["values"] == [[0, 0, 0]]


def test_only_labels_that_are_answered_have_maps(color_model: Model) -> None:
    red = images.encode(images.plain((200, 30, 20)), "PNG")
    (answer,) = explain(color_model, [red], top_k=2, min_probability=0.9)
    assert [set(label) for label in answer["labels"]] == [{"class", "label", "probability", "map"}]
    (plain,) = explain(color_model, [red], explain=False)
    assert not any("map" in label for label in plain["labels"])


# ---- The rectangle


def spot(width: int, height: int, x: float, y: float) -> np.ndarray:
    """A grey image with a red spot, whose centre is at ``x``, ``y`` in fractions."""
    pixels = np.full((height, width, 3), 90, np.uint8)
    centre = (round(x * width), round(y * height))
    cv2.circle(pixels, centre, min(width, height) // 12, (255, 20, 20), -1)
    return pixels


def centre(map_: dict[str, Any]) -> tuple[float, float]:
    """The centre of mass of the evidence for a label, in fractions of the upright image."""
    values = np.array(map_["values"])
    values = np.maximum(values - (0 if values.min() < 0 else np.median(values)), 0)
    rows, columns = (np.arange(count) + 0.5 for count in values.shape)
    x = (values.sum(axis=0) @ columns) / values.sum() / values.shape[1]
    y = (values.sum(axis=1) @ rows) / values.sum() / values.shape[0]
    rectangle = map_["rectangle"]
    return (
        rectangle["left"] + x * rectangle["width"],
        rectangle["top"] + y * rectangle["height"],
    )


def red_map(answer: dict[str, Any]) -> dict[str, Any]:
    (found,) = [label["map"] for label in answer["labels"] if label["label"] == "red"]
    return dict(found)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize(("width", "height"), [(320, 240), (200, 300), (900, 160), (80, 80)])
def test_a_map_lies_where_the_spot_is_in_the_upright_image(
    color_model: Model, width: int, height: int, orientation: int
) -> None:
    # Within the crop even of the strip, in the middle of a cell's column and row.
    x = 0.5 + 0.25 * min(width, height) / width * 32 / 36
    y = 0.5 - 0.25 * min(width, height) / height * 32 / 36
    upright = Image.fromarray(spot(width, height, x, y))
    undo = {
        2: [Image.Transpose.FLIP_LEFT_RIGHT],
        3: [Image.Transpose.ROTATE_180],
        4: [Image.Transpose.FLIP_TOP_BOTTOM],
        5: [Image.Transpose.TRANSPOSE],
        6: [Image.Transpose.ROTATE_90],
        7: [Image.Transpose.TRANSVERSE],
        8: [Image.Transpose.ROTATE_270],
    }
    stored = upright
    for operation in undo.get(orientation, []):
        stored = stored.transpose(operation)
    exif = Image.Exif()
    exif[0x0112] = orientation
    file = io.BytesIO()
    stored.save(file, "JPEG", quality=95, exif=exif)
    (answer,) = explain(color_model, [file.getvalue()])
    map_ = red_map(answer)
    values = np.array(map_["values"]) - np.median(map_["values"])
    map_["values"] = np.maximum(values, 0.1 * values.max()) - 0.1 * values.max()
    at = centre(map_)
    cell = map_["rectangle"]["width"] / 4, map_["rectangle"]["height"] / 4
    assert abs(at[0] - x) < cell[0] / 2
    assert abs(at[1] - y) < cell[1] / 2
    rectangle = map_["rectangle"]
    assert rectangle["width"] * width == pytest.approx(rectangle["height"] * height, rel=0.02)
    assert rectangle["left"] * 2 + rectangle["width"] == pytest.approx(1, abs=0.02)


# ---- Photographs


@needs_photographs
@pytest.mark.parametrize("name", BOXES)
@pytest.mark.parametrize("is_mirrored", [False, True])
def test_the_evidence_lies_on_the_object(lite0: Model, name: str, is_mirrored: bool) -> None:
    left, top, right, bottom = BOXES[name]
    data = (Path(IMAGES) / f"{name}.JPEG").read_bytes()
    if is_mirrored:
        left, right = 1 - right, 1 - left
        pixels = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
        data = cv2.imencode(".jpg", cv2.flip(pixels, 1))[1].tobytes()
    (answer,) = explain(lite0, [data], top_k=1)
    (label,) = answer["labels"]
    assert label["class"] == name.partition("_")[0]
    values = np.array(label["map"]["values"])
    assert values.shape == (7, 7)
    x, y = centre(label["map"])
    assert left < x < right, (x, y)
    assert top < y < bottom, (x, y)


@needs_photographs
def test_the_largest_response_fits_into_lambdas_limit(lite0: Model) -> None:
    files = [path.read_bytes() for path in sorted(Path(IMAGES).glob("*.JPEG"))]
    answers = explain(lite0, [*files, files[0]], top_k=100, embedding=True)
    lite0.sizes.check([LabelOptions(100, 0, True, True)] * 16)
    assert len(answers) == 16
    assert len(json.dumps({"results": answers})) < 1_500_000  # measured 1,080,000; 6 MB are allowed


# ---- Limits


def test_what_the_model_lacks_is_refused() -> None:
    sizes = Sizes(classes=10)
    sizes.check([LabelOptions()])
    with pytest.raises(InvalidRequest, match="'embedding' is not possible: this model has none"):
        sizes.check([LabelOptions(), LabelOptions(embedding=True)])
    with pytest.raises(InvalidRequest, match="'explain' is not possible: this model has no maps"):
        sizes.check([LabelOptions(explain=True)])


def test_what_does_not_fit_into_a_response_is_refused() -> None:
    sizes = Sizes(classes=1000, embedding=1280, map=(40, 40), channels=512)
    sizes.check([LabelOptions(15, explain=True)] * 16)
    with pytest.raises(InvalidRequest, match=r"at most 400000 fit into a response\. Lower 'top_k'"):
        sizes.check([LabelOptions(16, explain=True)] * 16)
    with pytest.raises(InvalidRequest, match="send fewer images"):
        sizes.check([LabelOptions(15, explain=True, embedding=True)] * 17)


def test_as_many_numbers_as_are_allowed_fit_into_lambdas_limit() -> None:
    """The longest numbers and labels that there are."""
    side = int((MAX_NUMBERS / 16 / 100) ** 0.5) - 1
    features = -np.random.default_rng(0).random((2, side, side), np.float32)
    evidence = Evidence(
        features, np.full((100, 2), 0.01234567, np.float32), Rectangle(0.12345, 0.12345, 0.6, 0.6)
    )
    label = {"class": "n01443537", "label": "x" * 120, "probability": 0.123456}
    labels = [label | {"map": map_} for map_ in evidence.maps(range(100))]
    assert len(json.dumps([{"labels": labels}] * 16)) < 6_000_000
