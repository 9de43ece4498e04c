"""Where an image's bytes come from: the request itself, an address, or S3."""

import logging
import re
from contextlib import suppress
from dataclasses import dataclass

import pybase64

from classifier.config import Settings
from classifier.errors import (
    FetchFailed,
    FetchTimeout,
    ImageTooLarge,
    InvalidRequest,
    RequestError,
    UrlNotAllowed,
)
from classifier.fetch.download import Downloader
from classifier.location import S3Object
from classifier.net.deadline import Deadline
from classifier.s3.client import S3Client
from classifier.s3.errors import ObjectTooLarge, S3Error, S3Timeout

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Body:
    """The image is (a part of) the request's body."""

    data: bytes


@dataclass(frozen=True)
class Base64:
    """The image is base64 in a JSON body."""

    text: str


@dataclass(frozen=True)
class Url:
    """The image is at an ``https://`` or ``http://`` address."""

    url: str


# A RequestError stands for an image that is refused before it is fetched.
type Source = Body | Base64 | Url | S3Object | RequestError


def parse_address(address: str) -> Source:
    """The source that ``address`` names; a malformed ``s3://`` address is a refused image."""
    if address[:5].lower() != "s3://":
        return Url(address)
    try:
        return S3Object.parse(address)
    except ValueError:
        return InvalidRequest("The address should be s3://bucket/key.")


def kind(source: Source) -> str:
    """One word for the log."""
    match source:
        case S3Object():
            return "s3"
        case RequestError():
            return "refused"
        case _:
            return type(source).__name__.lower()


class Fetcher:
    """Turns a source into bytes. Threads may share a fetcher.

    Args:
        settings: Buckets, sizes and the time-out of a download.
        downloader: Reads ``https://`` and ``http://``.
        s3: Reads ``s3://``.
    """

    def __init__(self, settings: Settings, downloader: Downloader, s3: S3Client) -> None:
        self._settings = settings
        self._downloader = downloader
        self._s3 = s3

    def fetch(self, source: Source, deadline: Deadline) -> bytes:
        """The bytes of ``source``, by ``deadline`` and within FETCH_TIMEOUT_S.

        Raises:
            InvalidRequest, UrlNotAllowed, ImageTooLarge, FetchFailed, FetchTimeout: or ``source``
                itself, where it is an error.
        """
        match source:
            case Body(data):
                return data
            case Base64(text):
                return decode_base64(text)
            case RequestError():
                raise source
        deadline = deadline.within(self._settings.fetch_timeout_s)
        if isinstance(source, S3Object):
            return self._read_object(source, deadline)
        return self._downloader.get(source.url, deadline)

    def _read_object(self, source: S3Object, deadline: Deadline) -> bytes:
        if source.bucket not in self._settings.s3_read_buckets:
            raise UrlNotAllowed("Images may not be read from this bucket.")
        limit = self._settings.max_image_bytes
        try:
            return self._s3.get(source, deadline, max_bytes=limit)
        except ObjectTooLarge as error:
            raise ImageTooLarge(f"The image has more than {limit} bytes.") from error
        except S3Timeout as error:
            raise FetchTimeout("S3 took too long to answer.") from error
        except S3Error as error:
            # The caller does not learn which it is. The operator needs to: a missing permission or
            # a bucket in another region is theirs to mend.
            logger.warning(
                "An object in S3 was not read: %s", error, extra={"bucket": source.bucket}
            )
            raise FetchFailed("S3 has no such object, or not for this service.") from error


_DATA_URL = re.compile(r"data:[^,]{0,200};base64,", re.IGNORECASE)
_URL_SAFE = str.maketrans("-_", "+/")


def decode_base64(text: str) -> bytes:
    """The bytes that ``text`` encodes (RFC 4648, sections 4 and 5).

    Line breaks and blanks are skipped, padding may be missing, both alphabets are read, and a data
    URL (RFC 2397) loses its head.

    Raises:
        InvalidRequest: it is not base64.
    """
    with suppress(ValueError):  # most clients pad and break no lines: one quick pass
        return pybase64.b64decode(text, validate=True)
    match = _DATA_URL.match(text)
    digits = "".join((text[match.end() :] if match else text).split())
    digits = digits.translate(_URL_SAFE).rstrip("=")
    try:
        if digits:
            return pybase64.b64decode(digits + "=" * (-len(digits) % 4), validate=True)
    except ValueError as error:  # binascii.Error, and text beyond ASCII
        raise InvalidRequest("'image' is not base64.") from error
    raise InvalidRequest("'image' is not base64.")
