"""The function's settings: every environment variable it reads, checked once."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import IPv6Address
from typing import Self

from classifier.errors import SettingsError

_MB = 1024 * 1024
_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
_HOST = re.compile(r"(?:[a-z0-9_-]+\.)*[a-z0-9_-]+|\[[0-9a-f:.]+\]")


@dataclass(frozen=True)
class S3Prefix:
    """A place in S3: ``bucket`` and ``prefix`` without a slash at either end (may be empty)."""

    bucket: str
    prefix: str

    def key(self, name: str) -> str:
        """The key of the object ``name`` below this prefix."""
        return f"{self.prefix}/{name}" if self.prefix else name

    def __str__(self) -> str:
        return f"s3://{self.bucket}/{self.prefix}"


@dataclass(frozen=True)
class Settings:
    """Everything that the environment decides.

    model_uri: where the model bundle is.
    allowed_url_hosts: the only host names that callers may name; empty: any public one.
    private_url_hosts: ``(host, port)`` pairs that may resolve to private addresses; a port of
        ``None`` stands for the standard ones, 80 and 443.
    s3_read_buckets: buckets that callers may name with ``s3://``.
    max_image_bytes: size of an encoded image, bytes.
    max_image_pixels: width times height of an image.
    fetch_timeout_s: one deadline for a whole download, seconds.
    threads: of OpenCV; the engine reads OMP_NUM_THREADS itself.
    memory_bytes: the function's memory; None: not told, as outside of Lambda.
    """

    model_uri: S3Prefix
    allowed_url_hosts: frozenset[str] = frozenset()
    private_url_hosts: frozenset[tuple[str, int | None]] = frozenset()
    s3_read_buckets: frozenset[str] = frozenset()
    max_image_bytes: int = 10 * _MB
    max_image_pixels: int = 40_000_000
    fetch_timeout_s: float = 10.0
    threads: int = 1
    memory_bytes: int | None = None

    @classmethod
    def from_env(cls, env: Mapping[str, str]) -> Self:
        """Read the settings from ``env`` (an environment such as ``os.environ``).

        Variables that are absent or blank take their defaults.

        Raises SettingsError: a variable is missing or wrong; the message names it, shows its
        value and says what it should be.
        """
        memory_mb = _integer(env, "AWS_LAMBDA_FUNCTION_MEMORY_SIZE", None)
        return cls(
            model_uri=_s3_prefix(env, "MODEL_URI"),
            allowed_url_hosts=frozenset(_hosts(env, "ALLOWED_URL_HOSTS")),
            private_url_hosts=frozenset(_host_ports(env, "PRIVATE_URL_HOSTS")),
            s3_read_buckets=frozenset(_buckets(env, "S3_READ_BUCKETS")),
            max_image_bytes=_integer(env, "MAX_IMAGE_BYTES", cls.max_image_bytes),
            max_image_pixels=_integer(env, "MAX_IMAGE_PIXELS", cls.max_image_pixels),
            fetch_timeout_s=_seconds(env, "FETCH_TIMEOUT_S", cls.fetch_timeout_s),
            threads=_integer(env, "OMP_NUM_THREADS", cls.threads),
            memory_bytes=memory_mb and memory_mb * _MB,
        )


def parse_s3_uri(uri: str) -> S3Prefix:
    """Split ``s3://bucket/prefix``. Raises ValueError when it is not one."""
    scheme, _, rest = uri.partition("://")
    bucket, _, prefix = rest.partition("/")
    if scheme != "s3" or not _BUCKET.fullmatch(bucket):
        raise ValueError(f"{uri!r} is not of the form s3://bucket/prefix")
    return S3Prefix(bucket, prefix.strip("/"))


def _wrong(name: str, value: str, wanted: str) -> SettingsError:
    return SettingsError(f"{name}={value!r}: {wanted}")


def _words(env: Mapping[str, str], name: str) -> list[str]:
    """The words of a list; both commas and spaces part them."""
    return env.get(name, "").replace(",", " ").split()


def _s3_prefix(env: Mapping[str, str], name: str) -> S3Prefix:
    value = env.get(name, "").strip()
    if not value:
        raise SettingsError(f"{name} is not set: s3://bucket/prefix of a model bundle")
    try:
        return parse_s3_uri(value)
    except ValueError as error:
        raise _wrong(name, value, "should be s3://bucket/prefix of a model bundle") from error


def _hosts(env: Mapping[str, str], name: str) -> list[str]:
    hosts = []
    for word in _words(env, name):
        host = _host(word.lower())
        if not host:
            raise _wrong(name, word, "should be host names, without scheme, port or path")
        hosts.append(host)
    return hosts


def _host_ports(env: Mapping[str, str], name: str) -> list[tuple[str, int | None]]:
    pairs: list[tuple[str, int | None]] = []
    for word in _words(env, name):
        found = re.fullmatch(r"(.+?)(?::([0-9]{1,5}))?", word.lower())
        host = _host(found[1]) if found else None
        port = int(found[2]) if found and found[2] else None
        if not host or (port is not None and not 0 < port < 65536):
            raise _wrong(name, word, "should be host or host:port, without scheme or path")
        pairs.append((host, port))
    return pairs


def _host(text: str) -> str | None:
    """The host ``text`` names, an IPv6 address in its one spelling; None: it names none."""
    if not _HOST.fullmatch(text):
        return None
    try:
        return f"[{IPv6Address(text[1:-1])}]" if text.startswith("[") else text
    except ValueError:
        return None


def _buckets(env: Mapping[str, str], name: str) -> list[str]:
    buckets = _words(env, name)
    for bucket in buckets:
        if not _BUCKET.fullmatch(bucket):
            raise _wrong(name, bucket, "should be names of S3 buckets")
    return buckets


def _integer[Default: (int, None)](
    env: Mapping[str, str], name: str, default: Default
) -> int | Default:
    value = env.get(name, "").strip()
    if not value:
        return default
    if not re.fullmatch(r"[0-9]{1,15}", value) or int(value) < 1:
        raise _wrong(name, value, "should be a whole number above zero")
    return int(value)


def _seconds(env: Mapping[str, str], name: str, default: float) -> float:
    value = env.get(name, "").strip() or str(default)
    if not re.fullmatch(r"[0-9]{1,6}(\.[0-9]{1,6})?", value) or float(value) <= 0:
        raise _wrong(name, value, "should be a number of seconds above zero")
    return float(value)
