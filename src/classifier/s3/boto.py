"""Reads objects from S3 with boto3, for environments that ``signed`` cannot serve."""

from collections.abc import Callable
from contextlib import closing
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectTimeoutError,
    ReadTimeoutError,
)

from classifier.location import S3Object
from classifier.net.deadline import Deadline
from classifier.s3.errors import ObjectTooLarge, S3Error, S3Timeout, refusal

_CHUNK_BYTES = 1 << 20
_CONFIG = Config(connect_timeout=2, read_timeout=3, retries={"total_max_attempts": 4})


class BotoClient:
    """An ``S3Client``. boto3 keeps its connections, and renews credentials that end."""

    def __init__(self) -> None:
        self._client = boto3.Session().client("s3", config=_CONFIG)

    def get(
        self,
        source: S3Object,
        deadline: Deadline,
        *,
        size: int | None = None,
        max_bytes: int | None = None,
        update: Callable[[bytes | memoryview], None] | None = None,
    ) -> bytes:
        del size  # one request reads the whole object
        data = bytearray()
        try:
            condition: Any = {"IfMatch": source.etag} if source.etag else {}
            answer = self._client.get_object(Bucket=source.bucket, Key=source.key, **condition)
            with closing(answer["Body"]) as body:
                for chunk in body.iter_chunks(_CHUNK_BYTES):
                    data += chunk
                    if update:
                        update(chunk)
                    if max_bytes is not None and len(data) > max_bytes:
                        raise ObjectTooLarge(f"it has more than {max_bytes} bytes")
                    deadline.remaining()
        except ClientError as error:
            details = error.response
            headers = details.get("ResponseMetadata", {}).get("HTTPHeaders", {})
            raise refusal(details["Error"]["Code"], headers.get("x-amz-bucket-region")) from error
        except (ConnectTimeoutError, ReadTimeoutError) as error:
            raise S3Timeout("nothing came for some seconds") from error
        except TimeoutError as error:
            raise S3Timeout("it did not arrive in time") from error
        except BotoCoreError as error:
            raise S3Error(str(error)) from error
        return bytes(data)
