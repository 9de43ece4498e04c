"""Where a batch's images are: ``s3://bucket/…``, taken to the letter."""

from typing import Any

from classifier.config import parse_s3_uri
from tools.errors import ToolError


def split(source: str) -> tuple[str, str]:
    """Bucket and key of ``s3://bucket/key``; the key may be empty. Raises ToolError."""
    try:
        bucket = parse_s3_uri(source).bucket
    except ValueError as error:
        raise ToolError(str(error)) from error
    # Not the parsed prefix, which has no slash at its end: `many/` is less than `many`.
    return bucket, source.removeprefix(f"s3://{bucket}").removeprefix("/")


def batch_input(source: str) -> dict[str, Any]:
    """The part of an execution's input that says where its images are. Raises ToolError."""
    bucket, key = split(source)
    kind = next((kind for kind in ("csv", "jsonl") if key.endswith(f".{kind}")), "prefix")
    return {"bucket": bucket, kind: key}
