"""Folders of images, their classes and their tensors; the split; the score."""

from pathlib import Path

import colors
import cv2
import numpy as np
import pytest

from classifier.image.preprocessing import Preprocessing
from classifier.model.labels import Label
from tools.errors import ToolError
from tools.model.evaluate import score
from tools.model.images import ImageFile, find_images, tensors
from tools.model.quantize import split

LABELS = [Label("n01", "tench"), Label("n02", "cat"), Label("n02_b", "tabby"), Label("", "dog")]
RECIPE = Preprocessing(**{**colors.INPUT, "mean": (0.5,) * 3, "std": (0.5,) * 3})


def touch(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()


def test_names_tell_classes(tmp_path: Path) -> None:
    touch(
        tmp_path,
        *("n01_1.jpg", "n02_1.JPEG", "n02_b_1.png", "dog_x.webp", "n02.jpg", "unknown_1.jpg"),
        *("n01/a.jpg", "dog/b.JPG", "n99/c.jpg", "expected.csv", "n01/notes.txt"),
    )
    found = find_images(tmp_path, LABELS)
    assert {str(p.path.relative_to(tmp_path)): p.answer for p in found} == {
        "dog/b.JPG": 3,
        "dog_x.webp": 3,
        "n01/a.jpg": 0,
        "n01_1.jpg": 0,
        "n02.jpg": None,
        "n02_1.JPEG": 1,
        "n02_b_1.png": 2,
        "n99/c.jpg": None,
        "unknown_1.jpg": None,
    }
    assert [image.path for image in found] == sorted(image.path for image in found)


def test_a_folder_without_images_is_refused(tmp_path: Path) -> None:
    touch(tmp_path, "a.txt")
    with pytest.raises(ToolError, match="no JPEG, PNG or WebP images in it"):
        find_images(tmp_path, LABELS)
    with pytest.raises(ToolError, match="no such folder"):
        find_images(tmp_path / "none", LABELS)
    with pytest.raises(ToolError, match="no such folder"):
        find_images(tmp_path / "a.txt", LABELS)


def test_tensors_come_in_order(tmp_path: Path) -> None:
    for grey in range(40):
        cv2.imwrite(str(tmp_path / f"{grey:02}.png"), np.full((40, 50, 3), grey * 6, np.uint8))
    count = []
    stream = tensors(find_images(tmp_path, LABELS), RECIPE, lambda: count.append(1))
    found = [tensor[0, 0, 0] for tensor in stream]
    np.testing.assert_allclose(
        found, [(grey * 6 / 255 - 0.5) / 0.5 for grey in range(40)], atol=1e-6
    )
    assert len(count) == 40


def test_a_broken_image_is_named(tmp_path: Path) -> None:
    (tmp_path / "broken.png").write_bytes(b"no image")
    with pytest.raises(ToolError, match=r"broken\.png: "):
        list(tensors(find_images(tmp_path, LABELS), RECIPE, lambda: None))
    gone = ImageFile(tmp_path / "gone.png", None)
    with pytest.raises(ToolError, match=r"gone\.png: No such file"):
        gone.tensor(RECIPE)


def test_the_split_parts_the_images_the_same_way_each_time() -> None:
    images = [ImageFile(Path(str(number)), None) for number in range(301)]
    seen, held_out = split(images)
    assert len(seen) == 128
    assert sorted([*seen, *held_out], key=lambda p: int(str(p.path))) == images
    assert split(images) == (seen, held_out)
    assert [len(part) for part in split(images[:15])] == [7, 8]
    with pytest.raises(ToolError, match="too few"):
        split(images[:1])


def test_the_score_counts_first_and_first_five() -> None:
    probabilities = np.tile(np.linspace(0.3, 0.0, 7, dtype=np.float32), (4, 1))
    images = [ImageFile(Path("x"), answer) for answer in (0, 4, 5, 0)]
    found = score(probabilities, images)
    assert (found.images, found.top1, found.top5) == (4, 0.5, 0.75)
