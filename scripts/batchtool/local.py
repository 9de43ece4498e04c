"""Pictures of a folder, or below an S3 prefix, through a running API: a look before a deploy."""

import base64
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import requests

from batchtool.errors import ToolError
from batchtool.results import Line

SUFFIXES = {".jpg", ".jpeg", ".png", ".webp"}
# What one request may hold: the API's sixteen pictures, and Lambda's 6 MB less what JSON and
# base64 (4 for 3) add.
MAX_PICTURES = 16
MAX_BYTES = 4_000_000


@dataclass(frozen=True)
class Picture:
    """One picture to send: bytes of a file, or an address that the API fetches itself."""

    bucket: str | None
    key: str
    content: dict[str, str]
    size: int


def of_folder(folder: Path) -> Iterator[Picture]:
    """The pictures below ``folder``, in the order of their names. Raises ToolError: none."""
    if not folder.is_dir():
        raise ToolError(f"{folder} is no folder")
    paths = sorted(path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES)
    if not paths:
        raise ToolError(f"{folder} holds no picture ({', '.join(sorted(SUFFIXES))})")
    for path in paths:
        data = path.read_bytes()
        content = {"image": base64.b64encode(data).decode()}
        yield Picture(None, str(path.relative_to(folder)), content, len(data))


def of_prefix(bucket: str, prefix: str) -> Iterator[Picture]:
    """The objects below ``s3://bucket/prefix``, which the API must be allowed to read."""
    pages = boto3.client("s3").get_paginator("list_objects_v2")
    for page in pages.paginate(Bucket=bucket, Prefix=prefix):
        for found in page.get("Contents", []):
            address = f"s3://{bucket}/{found['Key']}"
            yield Picture(bucket, found["Key"], {"url": address}, len(address))


def classify(api: str, pictures: Iterable[Picture], options: dict[str, Any]) -> Iterator[Line]:
    """What the API at ``api`` says of each of ``pictures``, in the form of a batch's results.

    Raises ToolError: it cannot be reached, or gives no answer to a whole request.
    """
    with requests.Session() as session:
        for group in _groups(pictures):
            images = [picture.content for picture in group]
            answer = _post(session, f"{api.rstrip('/')}/predict", {"images": images} | options)
            for picture, result in zip(group, answer["results"], strict=True):
                place = {"bucket": picture.bucket, "key": picture.key}
                yield place | {"model": answer["model"]} | result


def _groups(pictures: Iterable[Picture]) -> Iterator[list[Picture]]:
    """As many pictures as one request takes; one that is too large by itself goes alone."""
    group: list[Picture] = []
    size = 0
    for picture in pictures:
        if group and (len(group) == MAX_PICTURES or size + picture.size > MAX_BYTES):
            yield group
            group, size = [], 0
        group.append(picture)
        size += picture.size
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
