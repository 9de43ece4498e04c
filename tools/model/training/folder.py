"""A folder of images, one folder a class."""

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from classifier.errors import BundleError
from classifier.model.labels import parse_labels
from tools.errors import ToolError
from tools.model.images import IMAGE_SUFFIXES

# With fewer, a fifth of them is no image to judge by.
MIN_IMAGES = 5


@dataclass(frozen=True)
class Sample:
    """An image file; label: the index of its class."""

    path: Path
    label: int


@dataclass(frozen=True)
class ClassFolder:
    """classes: the folders' names, sorted. others: files that are not JPEG, PNG or WebP."""

    path: Path
    classes: tuple[str, ...]
    samples: tuple[Sample, ...]
    others: tuple[Path, ...]


def read_folder(folder: Path, classes: Sequence[str] | None = None) -> ClassFolder:
    """The images in ``folder/<class>/``, sorted. Names that begin with a dot are ignored.

    classes: the only ones that there may be. Default: the folders, of which there must be two.

    Raises ToolError, in one line: there are no classes or images, an image is in no class's folder,
    two names differ in case only, or a name cannot be a label.
    """
    if not folder.is_dir():
        raise ToolError(f"{folder}: no such folder")
    folders = [path for path in _visible(folder) if path.is_dir()]
    _refuse_strays(folder, folders)
    names = tuple(path.name for path in folders)
    if classes is None:
        _check_names(folder, names)
        classes = names
    elif unknown := [name for name in names if name not in classes]:
        raise ToolError(
            f"{folder}: {unknown[0]!r} is none of the classes that are trained,"
            f" which are {', '.join(classes)}; rename the folder or take it away"
        )
    files = [path for inner in folders for path in _visible(inner) if path.is_file()]
    images = [path for path in files if path.suffix.lower() in IMAGE_SUFFIXES]
    if not images:
        raise ToolError(
            f"{folder}: no images in it; put JPEG, PNG or WebP files into a folder for each class:"
            f" {folder}/<class>/*.jpg"
        )
    index = {name: number for number, name in enumerate(classes)}
    samples = tuple(Sample(path, index[path.parent.name]) for path in images)
    others = tuple(path for path in files if path.suffix.lower() not in IMAGE_SUFFIXES)
    return ClassFolder(folder, tuple(classes), samples, others)


def check_counts(folder: Path, classes: Sequence[str], samples: Sequence[Sample]) -> None:
    """Raises ToolError: a class has fewer than ``MIN_IMAGES`` images."""
    counts = [sum(sample.label == label for sample in samples) for label in range(len(classes))]
    few = [
        f"{name!r} has {count}"
        for name, count in zip(classes, counts, strict=True)
        if count < MIN_IMAGES
    ]
    if few:
        raise ToolError(
            f"{folder}: a class needs {MIN_IMAGES} images that can be decoded, and"
            f" {', '.join(few)}; add images, or take the folder away"
        )


def labels_file(classes: Sequence[str]) -> bytes:
    """The bundle's label file."""
    return "".join(f"{name}\n" for name in classes).encode()


def _visible(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if not path.name.startswith("."))


def _refuse_strays(folder: Path, folders: Sequence[Path]) -> None:
    """Raises ToolError: an image lies beside the classes' folders or below them."""
    deeper = [path for inner in folders for sub in _visible(inner) if sub.is_dir()
              for path in sub.rglob("*")]  # fmt: skip
    strays = [
        path
        for path in [*_visible(folder), *deeper]
        if path.suffix.lower() in IMAGE_SUFFIXES and path.is_file()
    ]
    if strays:
        verb = "1 image is" if len(strays) == 1 else f"{len(strays)} images are"
        raise ToolError(
            f"{folder}: {verb} in no class's folder, such as {strays[0].relative_to(folder)};"
            f" move them to {folder}/<class>/, or out of {folder}"
        )


def _check_names(folder: Path, names: Sequence[str]) -> None:
    if not names:
        raise ToolError(
            f"{folder}: no classes in it; put the images into a folder for each class:"
            f" {folder}/<class>/*.jpg"
        )
    if len(names) == 1:
        raise ToolError(
            f"{folder}: {names[0]!r} is the only class; there must be two, such as"
            f" {names[0]!r} and 'other'"
        )
    seen: dict[str, str] = {}
    for name in names:
        key = unicodedata.normalize("NFC", name).casefold()
        if key in seen:
            raise ToolError(
                f"{folder}: the classes {seen[key]!r} and {name!r} differ in upper and lower case"
                " only; rename one, or put their images together"
            )
        seen[key] = name
        if not _is_label(name):
            raise ToolError(
                f"{folder}: {name!r} cannot be a label, because of blanks around it, a tab or an"
                " identifier before it; rename the folder"
            )


def _is_label(name: str) -> bool:
    """Whether ``name`` is a line of a label file, and comes back from it unchanged."""
    try:
        labels = parse_labels(labels_file([name]), "")
    except (BundleError, UnicodeEncodeError):
        return False
    return len(labels) == 1 and labels[0].name == name
