"""Copies are found, whatever was done to them; what only resembles is no copy."""

from pathlib import Path

import cv2
import numpy as np
from own_classes import COLORS, pattern

from tools.model.training.duplicates import find_duplicates
from tools.model.training.features import THUMBNAIL_SIDE, Features
from tools.model.training.folder import Sample


def features(images: list[np.ndarray], labels: list[int] | None = None) -> Features:
    labels = labels or [0] * len(images)
    side = (THUMBNAIL_SIDE, THUMBNAIL_SIDE)
    thumbnails = [cv2.resize(each, side, interpolation=cv2.INTER_AREA) for each in images]
    return Features(
        tuple(Sample(Path(str(index)), label) for index, label in enumerate(labels)),
        {},
        np.array(thumbnails),
        tuple(each.tobytes() for each in images),
    )


def different(count: int) -> list[np.ndarray]:
    return [pattern(COLORS["red"], seed) for seed in range(count)]


def compressed(image: np.ndarray) -> np.ndarray:
    small = cv2.resize(image, None, fx=0.6, fy=0.6, interpolation=cv2.INTER_AREA)
    _, data = cv2.imencode(".jpg", small, [cv2.IMWRITE_JPEG_QUALITY, 60])
    return cv2.imdecode(data, cv2.IMREAD_COLOR)


def test_different_images_are_no_duplicates() -> None:
    assert find_duplicates(features(different(200))).sets() == []


def test_same_bytes_are_duplicates() -> None:
    images = different(20)
    assert find_duplicates(features([*images, images[3], images[3]])).sets() == [[3, 20, 21]]


def test_smaller_and_recompressed_copies_are_duplicates() -> None:
    images = different(20)
    copies = [compressed(image) for image in images[:3]]
    found = find_duplicates(features([*images, *copies]))
    assert found.sets() == [[0, 20], [1, 21], [2, 22]]


def test_mirrored_copies_are_duplicates_within_a_class_only() -> None:
    images = different(20)
    images.append(np.ascontiguousarray(images[4][:, ::-1]))
    assert find_duplicates(features(images)).sets() == [[4, 20]]
    assert find_duplicates(features(images, [0] * 20 + [1])).sets() == []


def test_copies_in_several_classes_are_duplicates() -> None:
    images = different(20)
    found = find_duplicates(features([*images, compressed(images[2])], [0] * 20 + [1]))
    assert found.sets() == [[2, 20]]


def test_plain_colours_are_compared_by_their_bytes_alone() -> None:
    plain = [np.full((48, 64, 3), grey, np.uint8) for grey in range(50, 70)]
    assert find_duplicates(features([*plain, plain[0]])).sets() == [[0, 20]]


def test_images_of_a_fixed_camera_are_no_duplicates_and_told() -> None:
    scene = pattern(COLORS["green"], 0).astype(int)
    random = np.random.default_rng(0)
    shots = [
        np.clip(scene + random.normal(size=scene.shape) * 2, 0, 255).astype(np.uint8)
        for _ in range(20)
    ]
    others = different(10)
    found = find_duplicates(features([*shots, shots[0], *others, others[0]], [0] * 21 + [1] * 11))
    assert found.alike == (0,)
    assert found.sets() == [[0, 20], [21, 31]]
