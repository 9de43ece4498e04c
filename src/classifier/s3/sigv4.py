"""Signature Version 4 for S3, as much as a ``GET`` needs.

botocore's signature is the same to the byte (tests/unit/test_s3.py). Its import alone takes 200 ms,
as long as the rest of a start-up: see docs/benchmarks.md.

https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html
"""

import hashlib
import hmac
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import quote

_ALGORITHM = "AWS4-HMAC-SHA256"
_NO_BODY = hashlib.sha256(b"").hexdigest()


@dataclass(frozen=True)
class Credentials:
    """Credentials of AWS. ``token`` is empty for those that never end."""

    access_key: str
    secret_key: str = field(repr=False)
    token: str = field(default="", repr=False)


def sign_get(
    host: str,
    path: str,
    headers: Mapping[str, str],
    *,
    region: str,
    credentials: Credentials,
    now: float,
) -> dict[str, str]:
    """All headers of a signed ``GET``.

    Args:
        host: As in the Host header.
        path: Percent-encoded.
        headers: Further headers, names in lower case.
        region: The bucket's.
        credentials: Sign the request.
        now: Seconds since 1970, UTC.
    """
    moment = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(now))
    scope = f"{moment[:8]}/{region}/s3/aws4_request"
    signed = {**headers, "host": host, "x-amz-content-sha256": _NO_BODY, "x-amz-date": moment}
    if credentials.token:
        signed["x-amz-security-token"] = credentials.token
    names = ";".join(sorted(signed))
    lines = "".join(f"{name}:{' '.join(signed[name].split())}\n" for name in sorted(signed))
    request = f"GET\n{path}\n\n{lines}\n{names}\n{_NO_BODY}"
    digest = hashlib.sha256(request.encode()).hexdigest()
    key = f"AWS4{credentials.secret_key}".encode()
    for part in scope.split("/"):
        key = hmac.digest(key, part.encode(), "sha256")
    signature = hmac.digest(key, f"{_ALGORITHM}\n{moment}\n{scope}\n{digest}".encode(), "sha256")
    signed["authorization"] = (
        f"{_ALGORITHM} Credential={credentials.access_key}/{scope}, "
        f"SignedHeaders={names}, Signature={signature.hex()}"
    )
    return signed


def quote_key(key: str) -> str:
    """``key`` as part of a path: S3 wants every byte encoded once, but slashes as they are."""
    return quote(key, safe="/~")
