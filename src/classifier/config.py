"""The function's settings: every environment variable it reads, checked once."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import IPv6Address
from typing import Self

from classifier.errors import SettingsError
from classifier.location import S3Prefix, is_bucket

_MB = 1024 * 1024
_HOST = re.compile(r"(?:[a-z0-9_-]+\.)*[a-z0-9_-]+|\[[0-9a-f:.]+\]")


@dataclass(frozen=True)
class Settings:
    """Everything that the environment decides.

    Attributes:
        model_uri: Where the model bundle is.
        allowed_url_hosts: The only host names that callers may name; empty: any public one.
        private_url_hosts: ``(host, port)`` pairs that may resolve to private addresses; a port of
            ``None`` stands for the standard ones, 80 and 443.
        s3_read_buckets: Buckets that callers may name with ``s3://``.
        max_image_bytes: Size of an encoded image, bytes.
        max_image_pixels: Width times height of an image.
        fetch_timeout_s: One deadline for a whole download, seconds.
        user_agent: Sent with downloads.
        threads: Of OpenCV. The engine reads OMP_NUM_THREADS itself.
        memory_bytes: The function's memory; None: unknown, as outside of Lambda.
    """

    model_uri: S3Prefix
    allowed_url_hosts: frozenset[str] = frozenset()
    private_url_hosts: frozenset[tuple[str, int | None]] = frozenset()
    s3_read_buckets: frozenset[str] = frozenset()
    max_image_bytes: int = 10 * _MB
    max_image_pixels: int = 40_000_000
    fetch_timeout_s: float = 10.0
    user_agent: str = "lambda-mxnet-classifier/1.0"
    threads: int = 1
    memory_bytes: int | None = None

    @classmethod
    def from_env(cls, env: Mapping[str, str]) -> Self:
        """Read the settings from ``env`` (an environment such as ``os.environ``).

        Variables that are absent or blank take their defaults.

        Raises:
            SettingsError: a variable is missing or wrong. The message names it, shows its value and
                says what it should be.
        """
        memory_mb = _integer(env, "AWS_LAMBDA_FUNCTION_MEMORY_SIZE", None)
        return cls(
            model_uri=_s3_prefix(env, "MODEL_URI", "of a model bundle"),
            allowed_url_hosts=frozenset(_hosts(env, "ALLOWED_URL_HOSTS")),
            private_url_hosts=frozenset(_host_ports(env, "PRIVATE_URL_HOSTS")),
            s3_read_buckets=frozenset(_buckets(env, "S3_READ_BUCKETS")),
            max_image_bytes=_integer(env, "MAX_IMAGE_BYTES", cls.max_image_bytes),
            max_image_pixels=_integer(env, "MAX_IMAGE_PIXELS", cls.max_image_pixels),
            fetch_timeout_s=_seconds(env, "FETCH_TIMEOUT_S", cls.fetch_timeout_s),
            user_agent=_user_agent(env, "USER_AGENT", cls.user_agent),
            threads=_integer(env, "OMP_NUM_THREADS", cls.threads),
            memory_bytes=memory_mb and memory_mb * _MB,
        )


@dataclass(frozen=True)
class UploadSettings:
    """What the function for uploads needs besides.

    Attributes:
        results: Where results are written.
        tag_uploads: Whether objects get their best label as tags.
        embed_uploads: Whether results hold embeddings.
    """

    results: S3Prefix
    tag_uploads: bool = False
    embed_uploads: bool = False

    @classmethod
    def from_env(cls, env: Mapping[str, str]) -> Self:
        """Read the settings from ``env``.

        Raises:
            SettingsError: a variable is missing or wrong.
        """
        return cls(
            results=_s3_prefix(env, "UPLOAD_RESULTS", "for the results of uploads"),
            tag_uploads=_switch(env, "TAG_UPLOADS"),
            embed_uploads=_switch(env, "EMBED_UPLOADS"),
        )


def _wrong(name: str, value: str, expected: str) -> SettingsError:
    return SettingsError(f"{name}={value!r}: {expected}")


def _switch(env: Mapping[str, str], name: str) -> bool:
    value = env.get(name, "").strip() or "false"
    if value not in ("true", "false"):
        raise _wrong(name, value, "should be true or false")
    return value == "true"


def _words(env: Mapping[str, str], name: str) -> list[str]:
    """The words of a list with commas or spaces between them."""
    return env.get(name, "").replace(",", " ").split()


def _s3_prefix(env: Mapping[str, str], name: str, purpose: str) -> S3Prefix:
    value = env.get(name, "").strip()
    if not value:
        raise SettingsError(f"{name} is not set: s3://bucket/prefix {purpose}")
    try:
        return S3Prefix.parse(value)
    except ValueError as error:
        raise _wrong(name, value, f"should be s3://bucket/prefix {purpose}") from error


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
        match = re.fullmatch(r"(.+?)(?::([0-9]{1,5}))?", word.lower())
        host = _host(match[1]) if match else None
        port = int(match[2]) if match and match[2] else None
        if not host or (port is not None and not 0 < port < 65536):
            raise _wrong(name, word, "should be host or host:port, without scheme or path")
        pairs.append((host, port))
    return pairs


def _host(text: str) -> str | None:
    """The host that ``text`` names, an IPv6 address in canonical spelling; None: it names none."""
    if not _HOST.fullmatch(text):
        return None
    try:
        return f"[{IPv6Address(text[1:-1])}]" if text.startswith("[") else text
    except ValueError:
        return None


def _buckets(env: Mapping[str, str], name: str) -> list[str]:
    buckets = _words(env, name)
    for bucket in buckets:
        if not is_bucket(bucket):
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


def _user_agent(env: Mapping[str, str], name: str, default: str) -> str:
    value = env.get(name, "").strip() or default
    if not re.fullmatch(r"[ -~]{1,200}", value):
        raise _wrong(name, value, "should be up to 200 printable ASCII characters")
    return value
