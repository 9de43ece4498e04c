"""Buckets of uploads: which ones are refused, and their notifications to EventBridge."""

from collections.abc import Collection, Mapping
from typing import Any

from tools.errors import ToolError

BUCKETS = "UploadBuckets"
_EVENTBRIDGE = "EventBridgeConfiguration"


def buckets(values: Mapping[str, str]) -> list[str]:
    """The buckets of uploads in the parameters ``values``."""
    return [name.strip() for name in values.get(BUCKETS, "").split(",") if name.strip()]


def check(values: Mapping[str, str], own: Collection[str]) -> None:
    """Check that no result can become an upload, whatever UploadPrefix is.

    own: the deployment's own buckets.

    Raises ToolError.
    """
    for name in buckets(values):
        if name in own:
            raise ToolError(
                f"{BUCKETS}: {name} is a bucket of this deployment. Each result in it would start"
                " another classification, without end. Take it out"
            )


def without_notifications(s3: Any, values: Mapping[str, str]) -> list[str]:
    """The buckets of uploads that do not tell EventBridge of new objects. s3: a boto3 client."""
    return [name for name in buckets(values) if _EVENTBRIDGE not in _configuration(s3, name)]


def turn_on_all(s3: Any, values: Mapping[str, str]) -> None:
    """Let the buckets of uploads tell EventBridge of new objects. Other notifications stay."""
    for name in without_notifications(s3, values):
        configuration = _configuration(s3, name) | {_EVENTBRIDGE: {}}
        s3.put_bucket_notification_configuration(
            Bucket=name,
            NotificationConfiguration=configuration,
            # S3 would ask every queue and function that it notifies already whether it may.
            SkipDestinationValidation=True,
        )


def _configuration(s3: Any, bucket: str) -> dict[str, Any]:
    answer = s3.get_bucket_notification_configuration(Bucket=bucket)
    return {name: value for name, value in answer.items() if name != "ResponseMetadata"}
