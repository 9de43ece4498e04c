"""Reads objects from S3 with the standard library: signed requests, large objects in parts."""

import io
import random
import re
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from http.client import HTTPException, HTTPResponse
from urllib.parse import urlsplit

from classifier.location import S3Object
from classifier.net.deadline import Deadline
from classifier.net.pool import Address, ConnectionPool
from classifier.s3.errors import ObjectTooLarge, S3Error, S3Timeout, refusal
from classifier.s3.sigv4 import Credentials, quote_key, sign_get

# S3 gives some 90 MB/s to a connection, and a small function's network takes a few of them. At that
# pace a start-up with ResNet-18, 47 MB, takes 0.48 s; with parts of 8 MB 0.50 s, of 16 MB 0.55 s.
# Most other objects are one part.
PART_BYTES = 6 << 20
_PARTS_AT_ONCE = 8
_ATTEMPTS = 4
_BACKOFF_S = 0.1
# After so long without a byte the connection is given up, and the part requested again.
SILENCE_S = 3.0


class _RetryableError(Exception):
    """The next attempt may succeed."""


@dataclass(frozen=True)
class _Wanted:
    """An object, and what its parts must keep to.

    Attributes:
        address: Its own.
        deadline: Of the whole read.
        max_bytes: The largest object that the caller takes.
        etag: Its ETag; empty: any.
        size: Its size, bytes; None: any.
    """

    address: Address
    deadline: Deadline
    max_bytes: int | None
    etag: str
    size: int | None


@dataclass(frozen=True)
class _Part:
    """Bytes of an object, with the whole object's size, bytes, and ETag."""

    data: bytes | memoryview
    size: int
    etag: str


class SignedClient:
    """An ``S3Client`` that signs with fixed credentials.

    Args:
        region: The buckets' region.
        credentials: Sign every request.
        endpoint: URL of a server that speaks S3's protocol; empty: S3's own.
        connections: Shared by all reads.
    """

    def __init__(
        self, region: str, credentials: Credentials, endpoint: str, connections: ConnectionPool
    ) -> None:
        self._region = region
        self._credentials = credentials
        self._endpoint = endpoint
        self._connections = connections

    def get(
        self,
        source: S3Object,
        deadline: Deadline,
        *,
        size: int | None = None,
        max_bytes: int | None = None,
        update: Callable[[bytes | memoryview], None] | None = None,
    ) -> bytes:
        address = locate(source, self._region, self._endpoint)
        wanted = _Wanted(address, deadline, max_bytes, source.etag, size)
        first: bytes | memoryview = b""
        if size is None:
            part = self._part(wanted, 0)
            first, size = part.data, part.size
            if update:
                update(first)
            if len(first) == size:
                return bytes(first)
            wanted = replace(wanted, etag=part.etag, size=size)
        # Parts are read into one block. To join them takes 30 ms for ResNet-18, in which no other
        # thread runs Python.
        try:
            whole = io.BytesIO(bytes(size))
        except MemoryError as error:
            raise S3Error(f"there is no memory for its {size} bytes") from error
        with whole.getbuffer() as block, ThreadPoolExecutor(_PARTS_AT_ONCE) as pool:
            block[: len(first)] = first
            for part in pool.map(
                lambda start: self._part(wanted, start, block[start : start + PART_BYTES]),
                range(len(first), max(size, 1), PART_BYTES),
            ):
                if update:
                    update(part.data)
        return whole.getvalue()

    def _part(self, wanted: _Wanted, start: int, block: memoryview | None = None) -> _Part:
        """PART_BYTES from ``start`` on, or less at the end, requested up to _ATTEMPTS times.

        block: where they are written; None: a new one.
        """
        address, deadline = wanted.address, wanted.deadline
        headers = {"range": f"bytes={start}-{start + PART_BYTES - 1}"}
        if wanted.etag:
            headers["if-match"] = wanted.etag
        for attempt in range(_ATTEMPTS):
            if attempt:
                # Randomness keeps many environments from coming back all at once.
                pause = _BACKOFF_S * 2**attempt * random.uniform(0.5, 1)  # noqa: S311
                time.sleep(min(pause, max(deadline.at - deadline.clock(), 0)))
            signed = sign_get(
                address.host,
                address.path,
                headers,
                region=self._region,
                credentials=self._credentials,
                now=time.time(),
            )
            try:
                with self._connections.get(address, signed, deadline) as response:
                    return _read(response, wanted, start, block)
            except TimeoutError as error:
                if deadline.at <= deadline.clock():
                    raise S3Timeout("it did not arrive in time") from error
                failure: S3Error = S3Timeout("nothing came for some seconds")
                failure.__cause__ = error
            except (OSError, HTTPException) as error:
                failure = S3Error(f"the connection failed: {error or type(error).__name__}")
                failure.__cause__ = error
            except _RetryableError as error:
                failure = S3Error(str(error))
        raise failure


def locate(source: S3Object, region: str, endpoint: str) -> Address:
    """The address of ``source``, at ``endpoint`` where that is not empty.

    The bucket is part of the host. It is part of the path where the certificate would not hold for
    such a host (a dot in the bucket) and where an endpoint may not know such hosts.
    """
    path = quote_key(source.key)
    if endpoint:
        url = urlsplit(endpoint)
        prefix = url.path.rstrip("/")
        return Address(url.scheme == "https", url.netloc, f"{prefix}/{source.bucket}/{path}")
    host = f"s3.{region}.amazonaws.com"
    if "." in source.bucket:
        return Address(True, host, f"/{source.bucket}/{path}")
    return Address(True, f"{source.bucket}.{host}", f"/{path}")


def _read(response: HTTPResponse, wanted: _Wanted, start: int, block: memoryview | None) -> _Part:
    """The part in ``response``.

    Raises:
        ObjectTooLarge, S3Error, _RetryableError, OSError, HTTPException.
    """
    size = _size(response, start)
    if wanted.max_bytes is not None and size > wanted.max_bytes:
        raise ObjectTooLarge(f"it has {size} bytes, not at most {wanted.max_bytes}")
    if wanted.size is not None and size != wanted.size:
        raise S3Error(f"it has {size} bytes, not {wanted.size}")
    if response.status == 416:
        return _Part(b"", 0, "")
    etag = response.headers.get("ETag", "")
    if block is None:
        return _Part(response.read(), size, etag)
    if response.readinto(block) != len(block):
        raise HTTPException("the answer ended early")
    return _Part(block, size, etag)


def _size(response: HTTPResponse, start: int) -> int:
    """The whole object's size, bytes. Raises as ``_read`` does."""
    if response.status == 416:  # an empty object has no first byte
        return 0
    if response.status not in (200, 206):
        raise _refusal(response)
    if response.length is None or (start and response.status != 206):
        raise S3Error("the answer is not S3's: it has no length, or is another part")
    _, _, total = response.headers.get("Content-Range", "").rpartition("/")
    return int(total) if total.isdecimal() else response.length


def _refusal(response: HTTPResponse) -> Exception:
    body = response.read(64 * 1024).decode("utf-8", "replace")
    match = re.search(r"<Code>(\w+)</Code>", body)
    code = match[1] if match else f"status {response.status}"
    if response.status >= 500 or code in ("RequestTimeout", "SlowDown"):
        return _RetryableError(f"S3 answered {code}")
    return refusal(code, response.headers.get("x-amz-bucket-region"))
