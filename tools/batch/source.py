"""Where a batch's images are: ``s3://bucket/…``, taken to the letter."""

from typing import Any

from classifier.location import S3Object, S3Prefix
from tools.errors import ToolError


def parse_source(source: str) -> S3Object:
    """A bucket and the beginning of keys, which may be empty. Raises ToolError.

    Not an S3Prefix, which has no slash at its end: `many/` has fewer objects than `many`.
    """
    try:
        bucket = S3Prefix.parse(source).bucket
        return S3Object.parse(source) if _has_key(source) else S3Object(bucket, "")
    except ValueError as error:
        raise ToolError(str(error)) from error


def _has_key(source: str) -> bool:
    return bool(source.partition("://")[2].partition("/")[2])


def batch_input(source: str) -> dict[str, Any]:
    """The part of an execution's input that says where its images are. Raises ToolError."""
    place = parse_source(source)
    kind = next((kind for kind in ("csv", "jsonl") if place.key.endswith(f".{kind}")), "prefix")
    return {"bucket": place.bucket, kind: place.key}
