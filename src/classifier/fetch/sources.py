"""Where an image's bytes come from: the request itself, an address, or S3."""

import binascii
from dataclasses import dataclass

from classifier.config import Settings, parse_s3_uri
from classifier.errors import (
    FetchFailed,
    FetchTimeout,
    ImageTooLarge,
    InvalidRequest,
    UrlNotAllowed,
)
from classifier.fetch.download import Downloader
from classifier.s3 import client as s3


@dataclass(frozen=True)
class Body:
    """The image is the request's body."""

    data: bytes
    kind = "body"


@dataclass(frozen=True)
class Base64:
    """The image came as base64 (RFC 4648, section 4) in a JSON body."""

    text: str
    kind = "base64"


@dataclass(frozen=True)
class Url:
    """The image is at ``https://``, ``http://`` or ``s3://``."""

    url: str

    @property
    def kind(self) -> str:
        return "s3" if self._is_s3 else "url"

    @property
    def _is_s3(self) -> bool:
        return self.url[:5].lower() == "s3://"


Source = Body | Base64 | Url


class Fetcher:
    """Turns a source into bytes. Safe to use from several threads at once.

    downloader: gets ``http(s)://``. objects: gets ``s3://``.
    """

    def __init__(self, settings: Settings, downloader: Downloader, objects: s3.Client) -> None:
        self._settings = settings
        self._downloader = downloader
        self._objects = objects

    def fetch(self, source: Source, deadline: float) -> bytes:
        """The bytes of ``source``; ``deadline`` is a reading of ``time.monotonic()``, seconds.

        Raises InvalidRequest, UrlNotAllowed, ImageTooLarge, FetchFailed, FetchTimeout.
        """
        match source:
            case Body(data):
                return data
            case Base64(text):
                return decode_base64(text)
            case Url(url) if source.kind == "s3":
                return self._fetch_s3(url, deadline)
            case Url(url):
                return self._downloader.get(url, deadline=deadline)

    def _fetch_s3(self, url: str, deadline: float) -> bytes:
        try:
            place = parse_s3_uri("s3" + url[2:])
        except ValueError as error:
            raise InvalidRequest("The address should be s3://bucket/key.") from error
        if place.bucket not in self._settings.s3_read_buckets:
            raise UrlNotAllowed("Images may not be read from this bucket.")
        if not place.prefix:
            raise InvalidRequest("The address should be s3://bucket/key.")
        limit = self._settings.max_image_bytes
        try:
            return self._objects.get(place.bucket, place.prefix, deadline=deadline, max_bytes=limit)
        except s3.TooLarge as error:
            raise ImageTooLarge(f"The image has more than {limit} bytes.") from error
        except s3.TooSlow as error:
            raise FetchTimeout("S3 took too long to answer.") from error
        except s3.S3Error as error:
            raise FetchFailed("S3 has no such object, or not for this service.") from error


def decode_base64(text: str) -> bytes:
    """The bytes that ``text`` encodes (RFC 4648, section 4, padded, no line breaks).

    Raises InvalidRequest.
    """
    try:
        return binascii.a2b_base64(text, strict_mode=True)
    except ValueError as error:  # binascii.Error, and text that is not ASCII
        hint = ": leave out what stands before the comma" if text.startswith("data:") else ""
        raise InvalidRequest(f"'image' is not base64{hint}.") from error
