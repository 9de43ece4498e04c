"""Images and their embeddings: of a folder, or from the results of a batch."""

import json
from array import array
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tools.errors import ToolError
from tools.model.base import AVERAGE
from tools.model.groups import Groups, ungrouped
from tools.model.images import IMAGE_SUFFIXES
from tools.model.tiles import Rows
from tools.model.training.duplicates import find_duplicates
from tools.model.training.features import Extractor
from tools.model.training.folder import Sample


@dataclass(frozen=True)
class Embedded:
    """Images with embeddings.

    names: as they are shown. files: None where there is none on this machine. vectors: (n, length)
    float32, each of length 1. groups: of images that are the same by their pixels. failures: what
    has no embedding, and why.
    """

    names: tuple[str, ...]
    files: tuple[Path | None, ...]
    vectors: Rows
    groups: Groups
    failures: tuple[str, ...]

    def index(self, name: str) -> int:
        """The place of the image called ``name``, or in the file ``name``. Raises ToolError."""
        if name in self.names:
            return self.names.index(name)
        for index, file in enumerate(self.files):
            if file is not None and file.resolve() == Path(name).resolve():
                return index
        raise ToolError(f"--query {name}: none of the images; they are named as {self.names[0]}")


def image_files(folder: Path) -> list[Path]:
    """The images below ``folder``, sorted. Names that begin with a dot are ignored.

    Raises ToolError: there are fewer than two.
    """
    files = sorted(
        path
        for path in folder.rglob("*")
        if path.suffix.lower() in IMAGE_SUFFIXES
        and path.is_file()
        and not any(part.startswith(".") for part in path.relative_to(folder).parts)
    )
    if len(files) < 2:
        raise ToolError(f"{folder}: fewer than two JPEG, PNG or WebP images in it")
    return files


def embed_folder(
    folder: Path, files: list[Path], extractor: Extractor, advance: Callable[[], None]
) -> Embedded:
    """The ``files`` below ``folder``, with the embeddings that ``extractor`` makes.

    advance: called after each image. Raises ToolError: fewer than two can be decoded.
    """
    features, failures = extractor.features([Sample(file, 0) for file in files], advance)
    if len(features.samples) < 2:
        raise ToolError(f"{folder}: fewer than two images that can be decoded")
    paths = tuple(sample.path for sample in features.samples)
    return Embedded(
        names=tuple(str(path.relative_to(folder)) for path in paths),
        files=paths,
        vectors=_normalise(features.embeddings[AVERAGE]),
        groups=find_duplicates(features).groups,
        failures=tuple(f"{each.path.relative_to(folder)}: {each.reason}" for each in failures),
    )


def read_results(file: Path, folder: Path | None) -> Embedded:
    """The lines of a batch's results in ``file``, JSON Lines. Of several of one image, the first.

    folder: where the images are on this machine, by their keys.

    Raises ToolError, which names the line: it has no embedding, or that of another network.
    """
    names: dict[str, Path | None] = {}
    failures: list[str] = []
    numbers = array("f")
    network: tuple[Any, int] | None = None
    for number, line in _lines(file):
        name = f"s3://{line['bucket']}/{line['key']}" if line.get("bucket") else str(line["key"])
        if "error" in line:
            failures.append(f"{name}: {line['error']['code']}")
        elif "embedding" not in line:
            raise ToolError(
                f"{file}: line {number} has no embedding; classify again with --embedding"
            )
        elif name not in names:
            embedding = line["embedding"]
            network = network or (line.get("model"), len(embedding))
            if network != (line.get("model"), len(embedding)):
                raise ToolError(
                    f"{file}: line {number} is of another network than the first; embeddings of"
                    " two cannot be compared"
                )
            numbers.extend(embedding)
            path = folder / line["key"] if folder else None
            names[name] = path if path and path.is_file() else None
    if len(names) < 2:
        raise ToolError(f"{file}: fewer than two images with an embedding")
    vectors = np.frombuffer(numbers, np.float32).reshape(len(names), -1)
    return Embedded(
        tuple(names),
        tuple(names.values()),
        _normalise(vectors),
        ungrouped(len(names)),
        tuple(failures),
    )


def _lines(file: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    try:
        with file.open(encoding="utf-8") as lines:
            for number, text in enumerate(lines, 1):
                try:
                    line = json.loads(text)
                    if not {"key"} <= line.keys():
                        raise ToolError(f"{file}: line {number} has no key: no batch's result")
                except (ValueError, AttributeError) as error:
                    raise ToolError(f"{file}: line {number} is no JSON object") from error
                yield number, line
    except UnicodeDecodeError as error:
        raise ToolError(
            f"{file}: no results of a batch; name a folder of images, or a .jsonl file whose lines"
            " have embeddings"
        ) from error
    except OSError as error:
        raise ToolError(f"{file}: cannot be read: {error.strerror}") from error


def _normalise(vectors: Rows) -> Rows:
    """Each of ``vectors`` with length 1, in place where it may be written."""
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.divide(vectors, np.maximum(lengths, 1e-12), out=vectors)
