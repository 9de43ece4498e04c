"""Images of a folder or an S3 prefix through a running API, to try a model before a deploy."""

import base64
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import requests

from classifier.location import S3Object
from tools.batch.results import Line
from tools.errors import ToolError

SUFFIXES = {".jpg", ".jpeg", ".png", ".webp"}
# The limits of a request: the API's sixteen images, and Lambda's 6 MB less what base64 (4 bytes for
# 3) and JSON add.
MAX_IMAGES = 16
MAX_BYTES = 4_000_000


@dataclass(frozen=True)
class Item:
    """One image to send.

    content: its bytes in base64, or an address that the API fetches. size: of these, bytes.
    bucket: None for a file.
    """

    bucket: str | None
    key: str
    content: dict[str, str]
    size: int


def folder_items(folder: Path) -> Iterator[Item]:
    """The images below ``folder``, in the order of their names. Raises ToolError: no image."""
    if not folder.is_dir():
        raise ToolError(f"{folder} is no folder; name one, or s3://bucket/prefix")
    paths = sorted(path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES)
    if not paths:
        raise ToolError(f"{folder} holds no image ({', '.join(sorted(SUFFIXES))})")
    for path in paths:
        yield file_item(folder, path)


def file_item(folder: Path, path: Path) -> Item:
    """The image in the file ``path``; its key is its path below ``folder``."""
    data = path.read_bytes()
    content = {"image": base64.b64encode(data).decode()}
    return Item(None, str(path.relative_to(folder)), content, len(data))


def s3_items(start: S3Object) -> Iterator[Item]:
    """The objects whose keys begin with that of ``start``; the API must be allowed to read them."""
    pages = boto3.client("s3").get_paginator("list_objects_v2")
    for page in pages.paginate(Bucket=start.bucket, Prefix=start.key):
        for entry in page.get("Contents", []):
            url = str(S3Object(start.bucket, entry["Key"]))
            yield Item(start.bucket, entry["Key"], {"url": url}, len(url))


def classify(api: str, items: Iterable[Item], options: dict[str, Any]) -> Iterator[Line]:
    """The API's outcome of each item, in the form of a batch's results.

    Raises ToolError: the API cannot be reached, or refuses a whole request.
    """
    with requests.Session() as session:
        for group in groups(items):
            contents = [item.content for item in group]
            answer = _post(session, f"{api.rstrip('/')}/predict", {"images": contents} | options)
            for item, outcome in zip(group, answer["results"], strict=True):
                yield {"bucket": item.bucket, "key": item.key, "model": answer["model"]} | outcome


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


def _post(session: requests.Session, url: str, body: dict[str, Any]) -> dict[str, Any]:
    try:
        response = session.post(url, json=body, timeout=120)
    except requests.RequestException as error:
        raise ToolError(f"{url} cannot be reached; is `make run` running?") from error
    if response.status_code != 200:
        raise ToolError(f"{url} answered {response.status_code}: {response.text[:200]}")
    answer: dict[str, Any] = json.loads(response.content)
    return answer
