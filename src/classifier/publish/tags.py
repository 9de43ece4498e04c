"""The best label of an image as tags of its object."""

import logging
import re
from typing import Any

from botocore.exceptions import ClientError

LABEL, PROBABILITY = "label", "probability"
# https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-tagging.html
_MAX_TAGS = 10
_MAX_VALUE = 256
_NOT_ALLOWED = re.compile(r"[^\w +\-=.:/@]")

logger = logging.getLogger(__name__)


def tag(client: Any, bucket: str, key: str, version: str | None, best: dict[str, Any]) -> None:
    """Add ``best``, a label, to the object's tags. The other tags stay.

    A tag is an extra: where the object is gone, or has no room for two more tags, the log says so.
    """
    place = {"Bucket": bucket, "Key": key} | ({"VersionId": version} if version else {})
    ours = {
        LABEL: _NOT_ALLOWED.sub(" ", best["label"])[:_MAX_VALUE].strip(),
        PROBABILITY: str(best["probability"]),
    }
    try:
        before = client.get_object_tagging(**place)["TagSet"]
        tags = {each["Key"]: each["Value"] for each in before} | ours
        if len(tags) > _MAX_TAGS:
            logger.warning("no tags were written: the object has too many")
            return
        pairs = [{"Key": name, "Value": value} for name, value in tags.items()]
        client.put_object_tagging(**place, Tagging={"TagSet": pairs})
    except ClientError as error:
        logger.warning("no tags were written: %s", error.response["Error"]["Code"])
