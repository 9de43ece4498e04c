"""Folders of classes: what is read, and one clear line for what is wrong."""

from pathlib import Path

import pytest

from tools.errors import ToolError
from tools.model.training.folder import Sample, check_counts, read_folder


def touch(folder: Path, *names: str) -> Path:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
    return folder


def test_images_have_the_class_of_their_folder(tmp_path: Path) -> None:
    names = "bees/2.webp", "ants/b.JPG", "ants/a.png", "ants/notes.txt", "ants/.hidden.jpg"
    folder = read_folder(touch(tmp_path, *names, ".git/x.jpg"))
    assert folder.classes == ("ants", "bees")
    assert [(str(each.path.relative_to(tmp_path)), each.label) for each in folder.samples] == [
        ("ants/a.png", 0),
        ("ants/b.JPG", 0),
        ("bees/2.webp", 1),
    ]
    assert [path.name for path in folder.others] == ["notes.txt"]


def test_missing_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ToolError, match="none: no such folder"):
        read_folder(tmp_path / "none")


def test_empty_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ToolError, match="no classes in it; put the images into a folder for each"):
        read_folder(tmp_path)


def test_folders_without_images_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ToolError, match="no images in it"):
        read_folder(touch(tmp_path, "ants/a.gif", "bees/b.txt"))


def test_one_class_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ToolError, match="'ants' is the only class; there must be two"):
        read_folder(touch(tmp_path, "ants/a.jpg"))


@pytest.mark.parametrize("stray", ["x.jpg", "ants/more/x.jpg"])
def test_images_outside_of_classes_are_refused(tmp_path: Path, stray: str) -> None:
    with pytest.raises(ToolError, match=f"1 image is in no class's folder, such as {stray}; move"):
        read_folder(touch(tmp_path, "ants/a.jpg", "bees/b.jpg", stray))


@pytest.mark.parametrize("names", [("Ants", "ants"), ("Straße", "STRASSE"), ("é", "e\u0301")])
def test_names_that_differ_in_case_only_are_refused(tmp_path: Path, names: tuple[str, str]) -> None:
    with pytest.raises(ToolError, match="differ in upper and lower case only"):
        read_folder(touch(tmp_path, *(f"{name}/a.jpg" for name in names)))


@pytest.mark.parametrize("name", ["two\twords", " ants", "two\nlines", "n02123045 tabby"])
def test_names_that_cannot_be_labels_are_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(ToolError, match="cannot be a label"):
        read_folder(touch(tmp_path, f"{name}/a.jpg", "bees/a.jpg"))


def test_few_images_are_refused(tmp_path: Path) -> None:
    samples = [Sample(Path("x"), label) for label in [0] * 5 + [1] * 4]
    with pytest.raises(ToolError, match="a class needs 5 images that can be decoded, and 'bees' h"):
        check_counts(tmp_path, ["ants", "bees"], samples)
    check_counts(tmp_path, ["ants", "bees"], [*samples, Sample(Path("x"), 1)])


def test_validation_folder_has_no_other_classes(tmp_path: Path) -> None:
    touch(tmp_path, "ants/a.jpg", "wasps/b.jpg")
    with pytest.raises(ToolError, match="'wasps' is none of the classes that are trained"):
        read_folder(tmp_path, ["ants", "bees"])


def test_validation_folder_may_lack_a_class(tmp_path: Path) -> None:
    folder = read_folder(touch(tmp_path, "bees/a.jpg"), ["ants", "bees"])
    assert [each.label for each in folder.samples] == [1]
