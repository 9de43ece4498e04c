"""The bucket of a deployment: its models, and what `sam deploy` uploads."""

from typing import Any

from botocore.exceptions import ClientError

from tools.errors import ToolError


def name_of(stack: str, account: str, region: str) -> str:
    """The bucket's name, the same at every deploy. Raises ToolError: too long for S3."""
    name = f"{stack}-{account}-{region}".lower()
    if len(name) > 63:
        raise ToolError(f"{name} is too long for a bucket: choose a shorter name for the stack")
    return name


def ensure(s3: Any, name: str, account: str, region: str) -> bool:
    """See to it that the bucket is there, private and ours; returns whether it is new.

    Raises ToolError: it is somebody else's.
    """
    try:
        s3.head_bucket(Bucket=name, ExpectedBucketOwner=account)
    except ClientError as error:
        if error.response["Error"]["Code"] != "404":
            raise ToolError(f"the bucket {name} is there, and not this account's") from error
        # us-east-1 is not a location, it is where there is none.
        where: Any = {"CreateBucketConfiguration": {"LocationConstraint": region}}
        s3.create_bucket(Bucket=name, **({} if region == "us-east-1" else where))
        _protect(s3, name)
        return True
    return False


def remove(s3: Any, name: str) -> int:
    """Delete the bucket with all that is in it, versions included; returns how many of these.

    One that is not there is no error.
    """
    removed = 0
    try:
        pages = s3.get_paginator("list_object_versions").paginate(Bucket=name)
        for page in pages:
            kept = [*page.get("Versions", ()), *page.get("DeleteMarkers", ())]
            objects = [{name: each[name] for name in ("Key", "VersionId")} for each in kept]
            if objects:
                answer = s3.delete_objects(Bucket=name, Delete={"Objects": objects, "Quiet": True})
                if failed := answer.get("Errors"):
                    raise ToolError(f"{name}/{failed[0]['Key']}: {failed[0]['Message']}")
                removed += len(objects)
        s3.delete_bucket(Bucket=name)
    except ClientError as error:
        if error.response["Error"]["Code"] != "NoSuchBucket":
            raise
    return removed


def _protect(s3: Any, name: str) -> None:
    s3.put_public_access_block(
        Bucket=name,
        PublicAccessBlockConfiguration={
            "BlockPublicAcls": True,
            "IgnorePublicAcls": True,
            "BlockPublicPolicy": True,
            "RestrictPublicBuckets": True,
        },
    )
    # A bundle deleted by mistake can be had back for a month; an upload that broke off goes.
    s3.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled"})
    rule = {
        "ID": "tidy",
        "Status": "Enabled",
        "Filter": {"Prefix": ""},
        "NoncurrentVersionExpiration": {"NoncurrentDays": 30},
        "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 7},
    }
    s3.put_bucket_lifecycle_configuration(Bucket=name, LifecycleConfiguration={"Rules": [rule]})
