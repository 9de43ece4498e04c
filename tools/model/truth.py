"""The truth of images that may have several labels: a CSV file, one image a row."""

import csv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from classifier.model.labels import Label
from tools.errors import ToolError
from tools.model.images import ImageFile

_HEADER = "file"


@dataclass(frozen=True)
class Truth:
    """Images and the labels that they have: ``has``, (images, classes)."""

    images: tuple[ImageFile, ...]
    has: npt.NDArray[np.bool_]


def read_truth(file: Path, folder: Path, labels: Sequence[Label]) -> Truth:
    """The truth in the CSV ``file``: an image's file below ``folder``, then its labels, if any.

    A label is its identifier or its name. Several rows of one image are taken together. A first row
    that begins with "file" is a header.

    Raises ToolError, which names the line: there is no such image, or no such label.
    """
    columns = {label.name: index for index, label in enumerate(labels)}
    columns |= {label.class_id: index for index, label in enumerate(labels)}
    rows: dict[Path, npt.NDArray[np.bool_]] = {}
    for number, (name, *classes) in _rows(file):
        path = folder / name
        if path not in rows:
            if not path.is_file():
                raise ToolError(f"{file}: line {number}: {path}: no such file")
            rows[path] = np.zeros(len(labels), bool)
        for each in filter(None, classes):
            if each not in columns:
                raise ToolError(f"{file}: line {number}: {each!r} is no label of the bundle")
            rows[path][columns[each]] = True
    if not rows:
        raise ToolError(f"{file}: no rows; each should be an image's file and its labels")
    return Truth(tuple(ImageFile(path, None) for path in rows), np.stack(list(rows.values())))


def _rows(file: Path) -> Iterator[tuple[int, list[str]]]:
    """The rows that hold anything, each with the number of its line."""
    try:
        # utf-8-sig: spreadsheets put a mark before the first cell.
        with file.open(encoding="utf-8-sig", newline="") as lines:
            reader = csv.reader(lines, strict=True)
            for index, row in enumerate(reader):
                cells = [cell.strip() for cell in row]
                if any(cells) and not (index == 0 and cells[0].lower() == _HEADER):
                    yield reader.line_num, cells
    except (csv.Error, UnicodeDecodeError) as error:
        raise ToolError(f"{file}: no CSV in UTF-8: {error}") from error
    except OSError as error:
        raise ToolError(f"{file}: {error.strerror}") from error
