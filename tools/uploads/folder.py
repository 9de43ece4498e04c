"""A folder in place of a bucket: images that arrive in it get their results beside them."""

import hashlib
import json
import os
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from classifier.api.upload_event import Upload
from tools.batch.api import Api
from tools.batch.local import SUFFIXES, classify, file_item
from tools.errors import ToolError

type State = tuple[int, int]  # time of the last change, ns; size, bytes


def watch(
    folder: Path,
    api: str,
    *,
    is_once: bool = False,
    every_s: float = 1.0,
    sleep: Callable[[float], None] = time.sleep,
) -> Iterator[tuple[Path, dict[str, Any]]]:
    """Classify each image in ``folder``, now and when it comes or changes, through the API ``api``.

    Writes ``image.jpg.json`` beside ``image.jpg``, and yields the image and its result. An image is
    taken once it has stopped growing. One whose result has its own time of change is done.

    is_once: end when all images are classified.

    Raises ToolError: there is no such folder, or the API cannot be reached.
    """
    if not folder.is_dir():
        raise ToolError(f"{folder} is no folder: name one that images arrive in")
    client = Api(api, {})
    before: dict[Path, State] = {}
    while True:
        states = {path: state for path in _images(folder) if (state := _open_state(path))}
        ready = [path for path, state in states.items() if is_once or before.get(path) == state]
        yield from _classify(folder, {path: states[path][0] for path in ready}, client)
        if is_once:
            return
        before = states
        sleep(every_s)


def result_path(image: Path) -> Path:
    """Where the result of ``image`` is: beside it."""
    return image.with_name(f"{image.name}.json")


def _images(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES)


def _open_state(image: Path) -> State | None:
    """The state of an image that has no result yet; None: it has one, or is gone."""
    try:
        status = image.stat()
    except FileNotFoundError:
        return None
    result = result_path(image)
    if result.exists() and result.stat().st_mtime_ns == status.st_mtime_ns:
        return None
    return status.st_mtime_ns, status.st_size


def _classify(
    folder: Path, changes: Mapping[Path, int], api: Api
) -> Iterator[tuple[Path, dict[str, Any]]]:
    """changes: the images and the time of their last change, ns."""
    items = [file_item(folder, image) for image in changes]
    for (image, changed), item, line in zip(
        changes.items(), items, classify(api, items), strict=True
    ):
        # The members of a result in S3. A simple upload's ETag is the MD5 of its bytes.
        etag = hashlib.md5(image.read_bytes(), usedforsecurity=False).hexdigest()
        result = asdict(Upload("", item.key, etag)) | line
        path = result_path(image)
        path.write_text(json.dumps(result, ensure_ascii=False), encoding="utf-8")
        os.utime(path, ns=(changed, changed))
        yield image, result
