"""Images to measure with: those in a folder, with the classes that their names tell."""

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Protocol

from classifier.config import Settings
from classifier.errors import RequestError
from classifier.image.preprocessing import Preprocessing
from classifier.image.tensor import Limits, Tensor, to_tensor
from classifier.model.labels import Label
from tools.errors import ToolError

# An image file's name ends in one of these.
IMAGE_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".webp"})
# What the function itself takes: an image that it would refuse has no place in a measurement.
_LIMITS = Limits(Settings.max_image_bytes, Settings.max_image_pixels)


class Image(Protocol):
    """An image; ``answer`` is the index of its class among the labels, None where it has none."""

    @property
    def answer(self) -> int | None: ...

    def tensor(self, preprocessing: Preprocessing) -> Tensor:
        """The network's input, (3, size, size) float32. Raises ToolError, which names the image."""


@dataclass(frozen=True)
class ImageFile:
    """An image in a file."""

    path: Path
    answer: int | None

    def tensor(self, preprocessing: Preprocessing) -> Tensor:
        try:
            return tensor(self.path.read_bytes(), preprocessing, str(self.path))
        except OSError as error:
            raise ToolError(f"{self.path}: {error.strerror}") from error


def tensor(data: bytes, preprocessing: Preprocessing, where: str) -> Tensor:
    """The network's input, (3, size, size) float32, of the image file ``data``.

    Raises ToolError, which begins with ``where``.
    """
    try:
        return to_tensor(data, preprocessing, _LIMITS)
    except RequestError as error:
        raise ToolError(f"{where}: {error}") from error


def find_images(folder: Path, labels: Sequence[Label]) -> list[ImageFile]:
    """The images in ``folder``, sorted: ``<class id>_*.jpg``, ``<class id>/*.jpg`` or unnamed.

    A class id is a label's identifier, or its name where it has none. JPEG, PNG and WebP count.

    Raises ToolError: there is no such folder, or no image in it.
    """
    if not folder.is_dir():
        raise ToolError(f"{folder}: no such folder")
    classes = {label.class_id: index for index, label in enumerate(labels)}
    paths = [*folder.iterdir(), *(inner for sub in folder.iterdir() for inner in _files(sub))]
    files = sorted(
        path for path in paths if path.suffix.lower() in IMAGE_SUFFIXES and path.is_file()
    )
    if not files:
        raise ToolError(f"{folder}: no JPEG, PNG or WebP images in it")
    return [ImageFile(path, _answer(path, folder, classes)) for path in files]


def tensors(
    images: Sequence[Image], preprocessing: Preprocessing, advance: Callable[[], None]
) -> Iterator[Tensor]:
    """Each image's tensor, in order; some are decoded ahead of their use.

    advance: called for each that was used. Raises ToolError, which names the image.
    """
    for each in run_ahead(lambda image: image.tensor(preprocessing), images):
        yield each
        advance()


def run_ahead[T, R](function: Callable[[T], R], items: Iterable[T]) -> Iterator[R]:
    """``function`` of each of ``items``, in order; threads are some of them ahead of their use."""
    ahead = 2 * (os.cpu_count() or 1)
    with ThreadPoolExecutor() as pool:
        remaining = iter(items)
        futures: deque[Future[R]] = deque()
        try:
            while True:
                some = islice(remaining, ahead - len(futures))
                futures += [pool.submit(function, item) for item in some]
                if not futures:
                    return
                yield futures.popleft().result()
        finally:
            pool.shutdown(cancel_futures=True)


def _files(folder: Path) -> list[Path]:
    return list(folder.iterdir()) if folder.is_dir() else []


def _answer(path: Path, folder: Path, classes: dict[str, int]) -> int | None:
    if path.parent != folder:
        return classes.get(path.parent.name)
    # An identifier may hold an underscore itself: the longest one that is a label's wins.
    parts = path.stem.split("_")
    for length in range(len(parts) - 1, 0, -1):
        if (index := classes.get("_".join(parts[:length]))) is not None:
            return index
    return None
