"""Results in S3, one object an image. An older result never replaces a newer one."""

import json
from collections.abc import Callable, Mapping
from typing import Any

from botocore.exceptions import ClientError

from classifier.location import S3Object

# Each attempt is lost to another writer of the same key.
_ATTEMPTS = 10
# 412: the condition is not met. 409: another write came in between. 404: the object is gone.
_LOST = (404, 409, 412)
# Who may not list the bucket is told 403 of an object that is not there.
_GONE = (403, 404)

type Result = dict[str, Any]
type Replaces = Callable[[Result, Mapping[str, Any]], bool]


class Results:
    """Writes results with S3's conditional writes.

    https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-writes.html

    Args:
        client: A boto3 client of S3.
        replaces: Whether the first result takes the place of the second, which is stored.
    """

    def __init__(self, client: Any, replaces: Replaces) -> None:
        self._client = client
        self._replaces = replaces

    def write(self, location: S3Object, result: Result) -> Result:
        """Store ``result`` at ``location``, unless what is there stays.

        Returns:
            The result that is there now.

        Raises:
            ClientError, BotoCoreError: it cannot be stored.
        """
        condition = {"IfNoneMatch": "*"}
        for attempt in range(1, _ATTEMPTS + 1):
            try:
                self._client.put_object(
                    Bucket=location.bucket,
                    Key=location.key,
                    Body=json.dumps(result, ensure_ascii=False).encode(),
                    ContentType="application/json",
                    **condition,
                )
            except ClientError as error:
                if _status(error) not in _LOST or attempt == _ATTEMPTS:
                    raise
            else:
                return result
            stored, etag = self._read(location)
            if etag and not self._replaces(result, stored):
                return stored
            condition = {"IfMatch": etag} if etag else {"IfNoneMatch": "*"}
        raise AssertionError("the last attempt returns or raises")

    def _read(self, location: S3Object) -> tuple[Result, str]:
        """The stored result and its ETag; no ETag: there is none."""
        try:
            answer = self._client.get_object(Bucket=location.bucket, Key=location.key)
        except ClientError as error:
            if _status(error) in _GONE:
                return {}, ""
            raise
        try:
            stored = json.loads(answer["Body"].read())
        except ValueError:
            stored = None
        # What is no result is replaced by one.
        return stored if isinstance(stored, dict) else {}, answer["ETag"]


def _status(error: ClientError) -> int:
    return int(error.response["ResponseMetadata"]["HTTPStatusCode"])
