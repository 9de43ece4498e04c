"""Reads objects from S3: with the standard library where that suffices, else with boto3.

A start-up waits for its bundle, and to import boto3 takes longer than all else of it. So an
object is read with a signature of our own (``sigv4``) over connections that are kept, a large
one in parts side by side. boto3 reads where the environment asks for more than that, and where
start-up time does not matter: credentials that it does not hold itself (SnapStart), FIPS or
dual-stack endpoints, proxies, partitions with other names.
"""

import random
import re
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from http.client import HTTPException, HTTPResponse
from typing import Protocol
from urllib.parse import urlsplit

from classifier.net.pool import Address, Connections, Left
from classifier.s3.sigv4 import Credentials, quote_key, sign_get

# S3 gives some 90 MB/s to a connection, and a small function's network takes a few of them. Most
# objects are one part.
_PART_BYTES = 16 << 20
_PARTS_AT_ONCE = 4
_ATTEMPTS = 4
_BACKOFF_S = 0.1
# A connection on which nothing comes for so long is given up, and the part asked for anew.
_SILENCE_S = 3.0
# boto3 knows what to make of these.
_BEYOND = (
    *("AWS_USE_FIPS_ENDPOINT", "AWS_USE_DUALSTACK_ENDPOINT", "AWS_PROFILE"),
    *("HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy"),
)
_OUR_REGIONS = re.compile(r"(?!us-iso|eu-iso|cn-)[a-z]{2}(-[a-z]+)+-[0-9]")


class S3Error(Exception):
    """An object cannot be read; the message says why, not which."""


class Missing(S3Error):
    """There is no such object, or none that we may see."""


class TooSlow(S3Error):
    """The object did not arrive before the deadline."""


class TooLarge(S3Error):
    """The object is larger than wanted."""


def refused(code: str, region: str | None) -> S3Error:
    """What an error code of S3's means here; ``region`` is where the bucket is, if S3 said so."""
    # Without s3:ListBucket, S3 says AccessDenied of a key that is not there.
    if code in ("NoSuchKey", "AccessDenied"):
        return Missing(code)
    return S3Error(f"S3 answered {code}" + (f": the bucket is in {region}" if region else ""))


class _UnsteadyError(Exception):
    """It may go well the next time."""


class Client(Protocol):
    """Reads objects; safe to use from several threads at once."""

    def get(self, bucket: str, key: str, *, deadline: float, max_bytes: int | None = None) -> bytes:
        """The object's bytes; ``deadline`` is a reading of ``time.monotonic()``, seconds.

        Raises Missing, TooSlow, TooLarge (than ``max_bytes``), S3Error.
        """


def client(env: Mapping[str, str]) -> Client:
    """The client for an environment such as ``os.environ``."""
    region = env.get("AWS_REGION") or env.get("AWS_DEFAULT_REGION") or ""
    key, secret = env.get("AWS_ACCESS_KEY_ID"), env.get("AWS_SECRET_ACCESS_KEY")
    endpoint = env.get("AWS_ENDPOINT_URL_S3") or env.get("AWS_ENDPOINT_URL") or ""
    if env.get("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "").lower() == "true":
        endpoint = ""
    known = _OUR_REGIONS.fullmatch(region) or (region and endpoint)
    if not (key and secret and known) or any(env.get(name) for name in _BEYOND):
        from classifier.s3.boto import BotoClient  # noqa: PLC0415  (what is to be spared)

        return BotoClient()
    credentials = Credentials(key, secret, env.get("AWS_SESSION_TOKEN", ""))
    connections = Connections(env.get("AWS_CA_BUNDLE", ""))
    return SignedClient(region, credentials, endpoint, connections)


def locate(bucket: str, key: str, region: str, endpoint: str) -> Address:
    """The address of an object, of ``endpoint`` where that is not empty.

    The bucket is part of the host, but of the path where the certificate would not hold for it
    (a dot in the bucket) or where an endpoint may not know such hosts.
    """
    if endpoint:
        url = urlsplit(endpoint)
        path = f"{url.path.rstrip('/')}/{bucket}/{quote_key(key)}"
        return Address(url.scheme == "https", url.netloc, path)
    host = f"s3.{region}.amazonaws.com"
    if "." in bucket:
        return Address(True, host, f"/{bucket}/{quote_key(key)}")
    return Address(True, f"{bucket}.{host}", f"/{quote_key(key)}")


class SignedClient:
    """Reads with the standard library and with the credentials it is given.

    endpoint: URL of a server that speaks S3's protocol; empty: S3's own. clock: seconds, never
    going back.
    """

    def __init__(
        self,
        region: str,
        credentials: Credentials,
        endpoint: str = "",
        connections: Connections | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._region = region
        self._credentials = credentials
        self._endpoint = endpoint
        self._connections = connections or Connections()
        self._clock = clock

    def get(self, bucket: str, key: str, *, deadline: float, max_bytes: int | None = None) -> bytes:
        address = locate(bucket, key, self._region, self._endpoint)

        def left() -> float:
            seconds = deadline - self._clock()
            if seconds <= 0:
                raise TooSlow("it did not arrive in time")
            return min(seconds, _SILENCE_S)

        with ThreadPoolExecutor(_PARTS_AT_ONCE) as pool:
            rest: list[Future[bytes]] = []

            def begin_rest(total: int, etag: str) -> None:
                if max_bytes is not None and total > max_bytes:
                    raise TooLarge(f"it has {total} bytes, not at most {max_bytes}")
                starts = range(_PART_BYTES, total, _PART_BYTES) if not rest else ()
                rest.extend(pool.submit(self._part, address, at, etag, left) for at in starts)

            first = self._part(address, 0, "", left, begin_rest)
            return b"".join([first, *(part.result() for part in rest)])

    def _part(
        self,
        address: Address,
        start: int,
        etag: str,
        left: Left,
        on_size: Callable[[int, str], None] = lambda _size, _etag: None,
    ) -> bytes:
        """The bytes from ``start`` on, asked for until there is no hope.

        on_size: is told the object's size, bytes, and ETag before the part itself has arrived.
        """
        headers = {"range": f"bytes={start}-{start + _PART_BYTES - 1}"}
        if etag:
            headers["if-match"] = etag
        for attempt in range(_ATTEMPTS):
            if attempt:
                # Some randomness, so that many environments do not come back all at once.
                pause = _BACKOFF_S * 2**attempt * random.uniform(0.5, 1)  # noqa: S311
                time.sleep(min(pause, left()))
            signed = sign_get(
                address.host,
                address.path,
                headers,
                region=self._region,
                credentials=self._credentials,
                now=time.time(),
            )
            try:
                with self._connections.get(address, signed, left) as response:
                    return _read(response, start, on_size)
            except TimeoutError as error:
                failure: S3Error = TooSlow("nothing came for some seconds")
                failure.__cause__ = error
            except (OSError, HTTPException) as error:
                failure = S3Error(f"the connection failed: {error or type(error).__name__}")
                failure.__cause__ = error
            except _UnsteadyError as error:
                failure = S3Error(str(error))
        raise failure


def _read(response: HTTPResponse, start: int, on_size: Callable[[int, str], None]) -> bytes:
    """The body, if it is what was asked for. Raises S3Error, _UnsteadyError, OSError."""
    if response.status == 416:  # of an empty object there is no first byte to begin with
        return b""
    if response.status not in (200, 206):
        raise _refusal(response)
    if response.length is None or (start and response.status != 206):
        raise S3Error("the answer is not S3's: it has no length, or is not the part asked for")
    _, _, size = response.headers.get("Content-Range", "").rpartition("/")
    on_size(int(size) if size.isdecimal() else response.length, response.headers.get("ETag", ""))
    return response.read()


def _refusal(response: HTTPResponse) -> Exception:
    said = response.read(64 * 1024).decode("utf-8", "replace")
    found = re.search(r"<Code>(\w+)</Code>", said)
    code = found[1] if found else f"status {response.status}"
    if response.status >= 500 or code in ("RequestTimeout", "SlowDown"):
        return _UnsteadyError(f"S3 answered {code}")
    return refused(code, response.headers.get("x-amz-bucket-region"))
