"""Regions: their names, the one that AWS clients are made for, and what must be in the same one."""

import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import click
from botocore.exceptions import ClientError

from tools.errors import ToolError

BUCKETS = ("S3ReadBuckets", "BatchBuckets", "UploadBuckets")  # parameters that name buckets

_NAME = re.compile(r"[a-z]{2}(-[a-z]+)+-[0-9]+")
# https://docs.aws.amazon.com/lambda/latest/dg/snapstart.html#snapstart-supported-regions
_NO_SNAPSTART = frozenset({"ap-east-2", "ap-southeast-6"})
_NO_SNAPSTART_PREFIXES = ("cn-", "us-gov-", "us-iso", "eu-iso", "eusc-")


class Regions(click.ParamType):
    """Names of regions with commas between them."""

    name = "a,b"

    def convert(
        self, value: str | list[str], param: click.Parameter | None, ctx: click.Context | None
    ) -> list[str]:
        regions = value if isinstance(value, list) else value.split(",")
        for region in regions:
            if not is_region(region):
                self.fail(f"{region!r} is not the name of a region, as eu-west-1 is", param, ctx)
        return regions


def is_region(name: str) -> bool:
    """Whether ``name`` can be the name of a region."""
    return _NAME.fullmatch(name) is not None


@contextmanager
def clients_in(region: str) -> Iterator[None]:
    """Every AWS client that is made meanwhile, here or by a tool, is one of ``region``."""
    before = {name: os.environ.get(name) for name in ("AWS_REGION", "AWS_DEFAULT_REGION")}
    os.environ.update(dict.fromkeys(before, region))
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def check(values: Mapping[str, str], region: str, s3: Any) -> None:
    """Check that ``values``, parameters of a stack in ``region``, are of that region.

    s3: a boto3 client.

    Raises ToolError: an ARN or a bucket is elsewhere, a bucket is nowhere, or the region has no
    SnapStart.
    """
    for name, value in values.items():
        for word in filter(None, value.split(",")):
            place = _region_of_arn(word) or (name in BUCKETS and _region_of_bucket(word, s3))
            if place and place != region:
                raise ToolError(
                    f"{name}: {word} is in {place}, and the stack in {region}. Set it for each"
                    f" region: --set {region}:{name}=…"
                )
    if values.get("SnapStart") == "true" and (
        region in _NO_SNAPSTART or region.startswith(_NO_SNAPSTART_PREFIXES)
    ):
        raise ToolError(f"{region} has no SnapStart: --set {region}:SnapStart=false")


def _region_of_arn(word: str) -> str:
    return word.split(":")[3] if re.fullmatch(r"arn(:[^:]*){5,}", word) else ""


def _region_of_bucket(name: str, s3: Any) -> str:
    """Where the bucket is; S3 says so to those, too, who may not read it. Empty: not known."""
    try:
        answer = s3.head_bucket(Bucket=name)
    except ClientError as error:
        if error.response["ResponseMetadata"]["HTTPStatusCode"] == 404:
            raise ToolError(f"there is no bucket {name}") from error
        answer = error.response
    return str(answer["ResponseMetadata"]["HTTPHeaders"].get("x-amz-bucket-region", ""))
