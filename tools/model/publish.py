"""The upload of a bundle to S3: every file is put once and read back, the manifest last."""

import base64
import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from classifier.location import S3Prefix
from classifier.model.bundle import MANIFEST
from classifier.model.network import Model
from tools.aws_errors import describe
from tools.errors import ToolError
from tools.model.files import open_folder, read_file
from tools.store import s3_store


def publish(folder: Path, place: S3Prefix, advance: Callable[[], None]) -> None:
    """Upload the bundle in ``folder`` to ``place``, which must not hold anything else.

    An upload that broke off goes on where its files are the same. The manifest comes last: until it
    is there, nobody reads a bundle.

    advance: called after each of the four files.

    Raises ToolError: ``place`` is not empty, S3 refuses, or a file read back differs. BundleError:
    the bundle is broken.
    """
    bundle = open_folder(folder)
    if not (folder / MANIFEST).is_file():
        raise ToolError(f"{folder}: has no {MANIFEST}; make a bundle of it with `bundle`")
    Model.load(bundle)
    names = [*(file.key for file in bundle.manifest.files.values()), MANIFEST]
    try:
        client = boto3.client("s3")
        _refuse_taken(client, place, names)
        for name in names:
            _put(client, place, name, read_file(folder / name))
            advance()
    except ClientError as error:
        raise ToolError(f"{place}: S3 answered {_code(error)}") from error
    except BotoCoreError as error:
        raise ToolError(f"{place}: {describe(error)}") from error


def _refuse_taken(client: Any, place: S3Prefix, names: list[str]) -> None:
    pages = client.get_paginator("list_objects_v2").paginate(
        Bucket=place.bucket, Prefix=place.object("").key, Delimiter="/"
    )
    keys = {item["Key"] for page in pages for item in page.get("Contents", ())}
    if place.object(MANIFEST).key in keys:
        raise ToolError(
            f"{place}: already holds a bundle, and a bundle is never changed; choose a new prefix"
        )
    if others := sorted(keys - {place.object(name).key for name in names}):
        raise ToolError(f"{place}: is not empty, {others[0]} is there; choose a new prefix")


def _put(client: Any, place: S3Prefix, name: str, data: bytes) -> None:
    """Create one object. An object of that name is never replaced."""
    digest = base64.b64encode(hashlib.sha256(data).digest()).decode()
    try:
        client.put_object(
            Bucket=place.bucket,
            Key=place.object(name).key,
            Body=data,
            ChecksumSHA256=digest,
            IfNoneMatch="*",
        )
    except ClientError as error:
        if _code(error) != "PreconditionFailed":
            raise
    if s3_store(place).read(name) != data:
        raise ToolError(f"{place}/{name}: another file of that name is there; choose a new prefix")


def _code(error: ClientError) -> str:
    return str(error.response["Error"]["Code"])
