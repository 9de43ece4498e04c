"""Images of a folder, or below an S3 prefix, through a running API: a look before a deploy."""

import base64
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import requests

from tools.batch.results import Line
from tools.errors import ToolError

SUFFIXES = {".jpg", ".jpeg", ".png", ".webp"}
# What one request may hold: the API's sixteen images, and Lambda's 6 MB less what JSON and
# base64 (4 for 3) add.
MAX_IMAGES = 16
MAX_BYTES = 4_000_000


@dataclass(frozen=True)
class Item:
    """One image to send: bytes of a file, or an address that the API fetches itself."""

    bucket: str | None
    key: str
    content: dict[str, str]
    size: int


def of_folder(folder: Path) -> Iterator[Item]:
    """The images below ``folder``, in the order of their names. Raises ToolError: none."""
    if not folder.is_dir():
        raise ToolError(f"{folder} is no folder")
    paths = sorted(path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES)
    if not paths:
        raise ToolError(f"{folder} holds no image ({', '.join(sorted(SUFFIXES))})")
    for path in paths:
        data = path.read_bytes()
        content = {"image": base64.b64encode(data).decode()}
        yield Item(None, str(path.relative_to(folder)), content, len(data))


def of_prefix(bucket: str, prefix: str) -> Iterator[Item]:
    """The objects below ``s3://bucket/prefix``, which the API must be allowed to read."""
    pages = boto3.client("s3").get_paginator("list_objects_v2")
    for page in pages.paginate(Bucket=bucket, Prefix=prefix):
        for found in page.get("Contents", []):
            address = f"s3://{bucket}/{found['Key']}"
            yield Item(bucket, found["Key"], {"url": address}, len(address))


def classify(api: str, images: Iterable[Item], options: dict[str, Any]) -> Iterator[Line]:
    """What the API at ``api`` says of each of ``images``, in the form of a batch's results.

    Raises ToolError: it cannot be reached, or gives no answer to a whole request.
    """
    with requests.Session() as session:
        for group in _groups(images):
            contents = [image.content for image in group]
            answer = _post(session, f"{api.rstrip('/')}/predict", {"images": contents} | options)
            for image, result in zip(group, answer["results"], strict=True):
                place = {"bucket": image.bucket, "key": image.key}
                yield place | {"model": answer["model"]} | result


def _groups(images: Iterable[Item]) -> Iterator[list[Item]]:
    """As many images as one request takes; one that is too large by itself goes alone."""
    group: list[Item] = []
    size = 0
    for image in images:
        if group and (len(group) == MAX_IMAGES or size + image.size > MAX_BYTES):
            yield group
            group, size = [], 0
        group.append(image)
        size += image.size
    if group:
        yield group


def _post(session: requests.Session, address: str, body: dict[str, Any]) -> dict[str, Any]:
    try:
        response = session.post(address, json=body, timeout=120)
    except requests.RequestException as error:
        raise ToolError(f"{address} cannot be reached; is `make run` running?") from error
    if response.status_code != 200:
        raise ToolError(f"{address} answered {response.status_code}: {response.text[:200]}")
    answer: dict[str, Any] = json.loads(response.content)
    return answer
