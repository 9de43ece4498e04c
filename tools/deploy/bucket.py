"""The bucket of a deployment: its models, and what `sam deploy` uploads."""

from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

from botocore.exceptions import ClientError

from tools.errors import ToolError

_PRIVATE = {
    "BlockPublicAcls": True,
    "IgnorePublicAcls": True,
    "BlockPublicPolicy": True,
    "RestrictPublicBuckets": True,
}
# A bundle deleted by mistake can be had back for a month; an upload that broke off goes.
_LIFECYCLE = {
    "ID": "expire",
    "Status": "Enabled",
    "Filter": {"Prefix": ""},
    "NoncurrentVersionExpiration": {"NoncurrentDays": 30},
    "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 7},
}
_OUTDATED = timedelta(days=30)


def name_of(stack: str, account: str, region: str) -> str:
    """The bucket's name, the same at every deploy. Raises ToolError: too long for S3."""
    name = f"{stack}-{account}-{region}".lower()
    if len(name) > 63:
        raise ToolError(f"{name} is too long for a bucket: choose a shorter name for the stack")
    return name


def ensure(s3: Any, name: str, account: str, region: str) -> bool:
    """Make sure that the bucket is there, private and the account's own; returns whether it is new.

    What protects it is made up for where it is missing: an earlier deploy may have broken off.

    Raises ToolError: it is somebody else's, or elsewhere, or the account may not see it.
    """
    new = not _exists(s3, name, account, region)
    if new:
        # us-east-1 is not a location, it is where there is none.
        location: Any = {"CreateBucketConfiguration": {"LocationConstraint": region}}
        s3.create_bucket(Bucket=name, **({} if region == "us-east-1" else location))
    _protect(s3, name)
    return new


def prune(s3: Any, name: str, prefix: str, template: str) -> int:
    """Delete uploads below ``prefix`` that are outdated: a month old, and not in ``template``.

    template: text of what the stack was deployed with, which holds the keys that it needs, also to
    roll back to. Returns how many were deleted.
    """
    before = datetime.now(UTC) - _OUTDATED
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=name, Prefix=f"{prefix}/")
    outdated = [
        {"Key": item["Key"]}
        for page in pages
        for item in page.get("Contents", ())
        if item["LastModified"] < before and item["Key"] not in template
    ]
    _delete(s3, name, outdated)
    return len(outdated)


def remove(s3: Any, name: str) -> int:
    """Delete the bucket with all that is in it, versions included; returns how many of these.

    One that is not there is no error.
    """
    removed = 0
    try:
        pages = s3.get_paginator("list_object_versions").paginate(Bucket=name)
        for page in pages:
            versions = [*page.get("Versions", ()), *page.get("DeleteMarkers", ())]
            objects = [{key: each[key] for key in ("Key", "VersionId")} for each in versions]
            _delete(s3, name, objects)
            removed += len(objects)
        s3.delete_bucket(Bucket=name)
    except ClientError as error:
        if error.response["Error"]["Code"] != "NoSuchBucket":
            raise
    return removed


def _delete(s3: Any, name: str, objects: list[dict[str, str]]) -> None:
    for first in range(0, len(objects), 1000):
        delete = {"Objects": objects[first : first + 1000], "Quiet": True}
        if failed := s3.delete_objects(Bucket=name, Delete=delete).get("Errors"):
            raise ToolError(f"{name}/{failed[0]['Key']}: {failed[0]['Message']}")


def _exists(s3: Any, name: str, account: str, region: str) -> bool:
    try:
        s3.head_bucket(Bucket=name, ExpectedBucketOwner=account)
    except ClientError as error:
        metadata = error.response["ResponseMetadata"]
        status = metadata["HTTPStatusCode"]
        place = metadata.get("HTTPHeaders", {}).get("x-amz-bucket-region", region)
        if status == 404:
            return False
        if place != region:
            raise ToolError(f"the bucket {name} is in {place}, not in {region}") from error
        if status == 403:
            raise ToolError(
                f"the bucket {name} is there, and it is another account's, or these credentials may"
                " not see it (s3:ListBucket)"
            ) from error
        raise ToolError(f"the bucket {name} cannot be looked at: {error}") from error
    return True


def _protect(s3: Any, name: str) -> None:
    """Set what is not set yet; what somebody has chosen stays."""
    if not _has(s3.get_public_access_block, name, "PublicAccessBlockConfiguration"):
        s3.put_public_access_block(Bucket=name, PublicAccessBlockConfiguration=_PRIVATE)
    if s3.get_bucket_versioning(Bucket=name).get("Status") != "Enabled":
        s3.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled"})
    if not _has(s3.get_bucket_lifecycle_configuration, name, "Rules"):
        rules: Iterable[Any] = [_LIFECYCLE]
        s3.put_bucket_lifecycle_configuration(Bucket=name, LifecycleConfiguration={"Rules": rules})


def _has(get: Callable[..., Any], name: str, member: str) -> bool:
    try:
        return member in get(Bucket=name)
    except ClientError as error:
        if error.response["Error"]["Code"].startswith("NoSuch"):
            return False
        raise
