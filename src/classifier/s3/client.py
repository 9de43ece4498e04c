"""The client that reads objects from S3, and which of the two an environment gets.

A start-up waits for its bundle, and importing boto3 takes longer than the rest of a start-up. So
``signed`` reads with a signature of our own over pooled connections. boto3 reads where more is
needed, and where start-up time does not matter: credentials that end (SnapStart), FIPS or
dual-stack endpoints, proxies, partitions with other host names.
"""

import re
from collections.abc import Callable, Mapping
from typing import Protocol

from classifier.location import S3Object
from classifier.net.deadline import Deadline
from classifier.net.pool import ConnectionPool
from classifier.s3.signed import SILENCE_S, SignedClient
from classifier.s3.sigv4 import Credentials

# Only boto3 knows what these ask for.
_ONLY_BOTO3 = (
    *("AWS_USE_FIPS_ENDPOINT", "AWS_USE_DUALSTACK_ENDPOINT", "AWS_PROFILE"),
    *("HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy"),
)
_REGION = re.compile(r"(?!us-iso|eu-iso|cn-)[a-z]{2}(-[a-z]+)+-[0-9]")


class S3Client(Protocol):
    """Reads objects. Threads may share a client."""

    def get(
        self,
        source: S3Object,
        deadline: Deadline,
        *,
        size: int | None = None,
        max_bytes: int | None = None,
        update: Callable[[bytes | memoryview], None] | None = None,
    ) -> bytes:
        """The object's bytes.

        Args:
            source: The object.
            deadline: Of the whole read.
            size: The object's size in bytes, where the caller knows it. It saves a round trip
                for large objects.
            max_bytes: The largest object that the caller takes.
            update: Called with the object's bytes, in order, while the rest arrives, as a hash's
                method ``update`` is.

        Raises:
            ObjectMissing, ObjectTooLarge, S3Timeout, S3Error.
        """


def make_client(env: Mapping[str, str]) -> S3Client:
    """The client for an environment such as ``os.environ``."""
    region = env.get("AWS_REGION") or env.get("AWS_DEFAULT_REGION") or ""
    key, secret = env.get("AWS_ACCESS_KEY_ID"), env.get("AWS_SECRET_ACCESS_KEY")
    endpoint = env.get("AWS_ENDPOINT_URL_S3") or env.get("AWS_ENDPOINT_URL") or ""
    if env.get("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "").lower() == "true":
        endpoint = ""
    has_endpoint = _REGION.fullmatch(region) or (region and endpoint)
    if not (key and secret and has_endpoint) or any(env.get(name) for name in _ONLY_BOTO3):
        from classifier.s3.boto import BotoClient  # noqa: PLC0415  (slow import, rarely needed)

        return BotoClient()
    credentials = Credentials(key, secret, env.get("AWS_SESSION_TOKEN", ""))
    connections = ConnectionPool(env.get("AWS_CA_BUNDLE", ""), SILENCE_S)
    return SignedClient(region, credentials, endpoint, connections)
