"""Reads objects from S3 with boto3, for environments that ask for more than ``s3`` does itself."""

import time
from contextlib import closing
from functools import cached_property
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectTimeoutError,
    ReadTimeoutError,
)

from classifier.s3.client import S3Error, TooLarge, TooSlow, refused

_CHUNK_BYTES = 1 << 20
_CONFIG = Config(connect_timeout=2, read_timeout=3, retries={"total_max_attempts": 4})


class BotoClient:
    """An ``s3.Client``. boto3 keeps its connections, and renews credentials that end."""

    def get(self, bucket: str, key: str, *, deadline: float, max_bytes: int | None = None) -> bytes:
        data = bytearray()
        try:
            with closing(self._client.get_object(Bucket=bucket, Key=key)["Body"]) as body:
                for chunk in body.iter_chunks(_CHUNK_BYTES):
                    data += chunk
                    if max_bytes is not None and len(data) > max_bytes:
                        raise TooLarge(f"it has more than {max_bytes} bytes")
                    if time.monotonic() > deadline:
                        raise TooSlow("it did not arrive in time")
        except ClientError as error:
            about = error.response
            headers = about.get("ResponseMetadata", {}).get("HTTPHeaders", {})
            raise refused(about["Error"]["Code"], headers.get("x-amz-bucket-region")) from error
        except (ConnectTimeoutError, ReadTimeoutError) as error:
            raise TooSlow("nothing came for some seconds") from error
        except BotoCoreError as error:
            raise S3Error(str(error)) from error
        return bytes(data)

    @cached_property
    def _client(self) -> Any:
        return boto3.Session().client("s3", config=_CONFIG)
