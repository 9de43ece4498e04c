"""Places in S3: an object, and a prefix that holds several."""

import re
from dataclasses import dataclass
from typing import Self

_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")


@dataclass(frozen=True)
class S3Object:
    """An object. ``key`` is taken to the letter: slashes at either end are part of it.

    etag: the object must still have this ETag when it is read, with its quotes; empty: any.
    """

    bucket: str
    key: str
    etag: str = ""

    @classmethod
    def parse(cls, uri: str) -> Self:
        """Read ``s3://bucket/key``.

        Raises:
            ValueError: it has another form, or no key.
        """
        bucket, key = _split(uri)
        if not key:
            raise ValueError(f"{uri!r} is not of the form s3://bucket/key")
        return cls(bucket, key)

    def __str__(self) -> str:
        return f"s3://{self.bucket}/{self.key}"


@dataclass(frozen=True)
class S3Prefix:
    """A folder in S3. ``prefix`` has no slash at either end, and may be empty."""

    bucket: str
    prefix: str

    @classmethod
    def parse(cls, uri: str) -> Self:
        """Read ``s3://bucket/prefix``.

        Raises:
            ValueError: it has another form.
        """
        bucket, prefix = _split(uri)
        return cls(bucket, prefix.strip("/"))

    def object(self, name: str) -> S3Object:
        """The object ``name`` below this prefix."""
        return S3Object(self.bucket, f"{self.prefix}/{name}" if self.prefix else name)

    def __str__(self) -> str:
        return f"s3://{self.bucket}/{self.prefix}"


def is_bucket(name: str) -> bool:
    """Whether ``name`` can be the name of a bucket."""
    return _BUCKET.fullmatch(name) is not None


def _split(uri: str) -> tuple[str, str]:
    scheme, _, rest = uri.partition("://")
    bucket, _, key = rest.partition("/")
    if scheme.lower() != "s3" or not bucket:
        raise ValueError(f"{uri!r} is not of the form s3://bucket/prefix")
    if not is_bucket(bucket):
        raise ValueError(
            f"{uri!r}: {bucket!r} is not the name of a bucket, which has 3 to 63 characters:"
            " lower-case letters, digits, dots and hyphens"
        )
    return bucket, key
