"""Images of a folder or an S3 prefix through a running API, to try a model before a deploy."""

import base64
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import boto3

from classifier.errors import FetchFailed, ImageTooLarge, describe
from classifier.image import jpeg, png
from classifier.image.webp import is_webp
from classifier.location import S3Object
from tools.batch.api import Api, Outcome
from tools.batch.results import Line
from tools.errors import ToolError

SUFFIXES = {".jpg", ".jpeg", ".png", ".webp"}
# The limits of a request: the API's sixteen images, and Lambda's 6 MB less what base64 (4 bytes for
# 3) and JSON add.
MAX_IMAGES = 16
MAX_BYTES = 4_000_000
# No function is set to take so large an image; one that is larger is not even read.
_MAX_LARGE_BYTES = 100_000_000
# Enough of a file for its signature.
_SIGNATURE_BYTES = 16


@dataclass(frozen=True)
class Item:
    """One image: a file, or an object that the API reads itself.

    bucket: None for a file. path: None for an object. size: what it adds to a request, bytes.
    """

    bucket: str | None
    key: str
    path: Path | None
    size: int


@dataclass(frozen=True)
class Files:
    """The files below a folder: images, and the others, in the order of their names."""

    images: list[Item]
    others: list[str]


def folder_files(folder: Path) -> Files:
    """The files below ``folder``. An image has an image's name or signature.

    Raises ToolError: there is no image.
    """
    if not folder.is_dir():
        raise ToolError(f"{folder} is no folder; name one, or s3://bucket/prefix")
    files = Files([], [])
    for path in sorted(path for path in folder.rglob("*") if not path.is_dir()):
        key = str(path.relative_to(folder))
        if path.suffix.lower() in SUFFIXES or _has_signature(path):
            files.images.append(file_item(folder, path))
        else:
            files.others.append(key)
    if not files.images:
        raise ToolError(f"{folder} holds no image ({', '.join(sorted(SUFFIXES))})")
    return files


def file_item(folder: Path, path: Path) -> Item:
    """The image in the file ``path``; its key is its path below ``folder``."""
    return Item(None, str(path.relative_to(folder)), path, _size(path))


def s3_items(start: S3Object) -> Iterator[Item]:
    """The objects whose keys begin with that of ``start``; the API must be allowed to read them."""
    pages = boto3.client("s3").get_paginator("list_objects_v2")
    for page in pages.paginate(Bucket=start.bucket, Prefix=start.key):
        for entry in page.get("Contents", []):
            url = str(S3Object(start.bucket, entry["Key"]))
            yield Item(start.bucket, entry["Key"], None, len(url))


def classify(api: Api, items: Iterable[Item]) -> Iterator[Line]:
    """The API's outcome of each item, in the form of a batch's results.

    Raises ToolError: the API cannot be reached, or has no model.
    """
    for group in groups(items):
        for item, outcome in zip(group, _outcomes(api, group), strict=True):
            yield {"bucket": item.bucket, "key": item.key, "model": api.model} | outcome


def groups(items: Iterable[Item]) -> Iterator[list[Item]]:
    """As many items as one request may hold; one that is too large goes alone."""
    group: list[Item] = []
    size = 0
    for item in items:
        if group and (len(group) == MAX_IMAGES or size + item.size > MAX_BYTES):
            yield group
            group, size = [], 0
        group.append(item)
        size += item.size
    if group:
        yield group


def _outcomes(api: Api, group: Sequence[Item]) -> list[Outcome]:
    """The labels or the error of each item of ``group``, which is large or fits one request."""
    if group[0].size > MAX_BYTES:
        return [_large_outcome(api, group[0])]
    outcomes: list[Outcome | None] = []
    contents: list[dict[str, str]] = []
    for item in group:
        try:
            contents.append(_content(item))
            outcomes.append(None)
        except OSError as error:
            outcomes.append(_unreadable(error))
    answers = iter(api.classify(contents) if contents else [])
    return [next(answers) if outcome is None else outcome for outcome in outcomes]


def _large_outcome(api: Api, item: Item) -> Outcome:
    assert item.path  # An object's address is never as long.
    if item.size > _MAX_LARGE_BYTES:
        return {"error": describe(ImageTooLarge(f"It has {item.size:,} bytes."))}
    try:
        data = item.path.read_bytes()
    except OSError as error:
        return _unreadable(error)
    return api.classify_large(data)


def _content(item: Item) -> dict[str, str]:
    """The item as a member of the API's ``images``. Raises OSError: the file cannot be read."""
    if item.path:
        return {"image": base64.b64encode(item.path.read_bytes()).decode()}
    return {"url": str(S3Object(item.bucket or "", item.key))}


def _unreadable(error: OSError) -> Outcome:
    return {"error": describe(FetchFailed(f"The file cannot be read: {error.strerror}."))}


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:  # Reading it says why.
        return 0


def _has_signature(path: Path) -> bool:
    """Whether a regular file begins as an image that the API takes does."""
    try:
        if not path.is_file():
            return False
        with path.open("rb") as file:
            start = file.read(_SIGNATURE_BYTES)
    except OSError:
        return False
    return start.startswith((jpeg.SIGNATURE, png.SIGNATURE)) or is_webp(start)
