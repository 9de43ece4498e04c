"""Targets of a download: a URL, judged by its text alone."""

import re
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address
from typing import Self
from urllib.parse import quote, urljoin

from classifier.errors import InvalidRequest, UrlNotAllowed

STANDARD_PORTS = {"http": 80, "https": 443}

_MAX_URL = 2048
# A colon before a digit begins a port: "localhost:8080/a.jpg" has no scheme.
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*):(?![0-9])")
_AUTHORITY = re.compile(r"//([^/?#]+)([^#]*)")
_HOST_PORT = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(?::([1-9][0-9]{0,4}))?")
_LABEL = "[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?"
_NAME = re.compile(rf"{_LABEL}(?:\.{_LABEL})*")
_MAX_NAME = 253
# Resolvers read a name that ends in a number as an IPv4 address: 127.1, 0x7f000001, 2130706433.
_ENDS_IN_NUMBER = re.compile(r"(?:.*\.)?(?:[0-9]+|0x[0-9a-f]*)")
_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")
_URL_SAFE = "%/?:@!$&'()*+,;=~[]"


@dataclass(frozen=True, slots=True)
class Target:
    """A parsed URL.

    Attributes:
        scheme: ``http`` or ``https``.
        host: A lower-case name, or an address in its canonical spelling, IPv6 in brackets.
        port: The URL's, or the scheme's own.
        path: With the query, in printable ASCII.
    """

    scheme: str
    host: str
    port: int
    path: str

    @classmethod
    def parse(cls, url: str) -> Self:
        """Read ``url`` strictly: one spelling for an address, nothing that two parsers read apart.

        Characters beyond ASCII, and spaces, are percent-encoded in the path, as browsers do.

        Raises:
            InvalidRequest: this is no URL.
            UrlNotAllowed: the service never fetches such a URL.
        """
        if len(url) > _MAX_URL:
            raise UrlNotAllowed(f"The URL is longer than {_MAX_URL} characters.")
        if _UNPRINTABLE.search(url):
            raise UrlNotAllowed("The URL holds control characters.")
        if not (match := _SCHEME.match(url)):
            raise InvalidRequest("The URL has no scheme: it should be like https://host/path.")
        scheme = match[1].lower()
        if scheme not in STANDARD_PORTS:
            raise UrlNotAllowed(
                "The URL's scheme is not allowed: it should be https or http, or s3 for a bucket"
                " that this service may read."
            )
        if not (match := _AUTHORITY.match(url, match.end())):
            raise InvalidRequest("The URL has no host: it should be like https://host/path.")
        authority, path = match.groups()
        if "@" in authority:
            raise UrlNotAllowed("The URL holds a user name or password; it must not.")
        if not (match := _HOST_PORT.fullmatch(authority)):
            raise UrlNotAllowed(
                "The URL's host is not allowed: it should be a name in ASCII (xn--… for others)"
                " or an address, with or without a port."
            )
        host, port = match.groups()
        return cls(
            scheme,
            _canonical(host.lower()),
            int(port or STANDARD_PORTS[scheme]),
            quote(path if path.startswith("/") else "/" + path, safe=_URL_SAFE),
        )

    def follow(self, location: str) -> Self:
        """The target of a redirect to ``location``. It raises what ``parse`` raises."""
        # http.client reads headers as Latin-1. Encoding them so gives back the original bytes.
        location = quote(location.strip(), safe=_URL_SAFE + "#", encoding="latin-1")
        try:
            url = urljoin(f"{self.scheme}://{self.authority}{self.path}", location)
        except ValueError:
            raise InvalidRequest("The redirect's address is not valid.") from None
        return self.parse(url)

    @property
    def authority(self) -> str:
        """The Host header: host and port, without the scheme's own port."""
        standard = self.port == STANDARD_PORTS[self.scheme]
        return self.host if standard else f"{self.host}:{self.port}"

    @property
    def hostname(self) -> str:
        """The host without the brackets of an IPv6 address."""
        return self.host.strip("[]")


def _canonical(host: str) -> str:
    """The canonical spelling of ``host``, or UrlNotAllowed where it is no host or an odd one."""
    try:
        if host.startswith("["):
            return f"[{IPv6Address(host[1:-1])}]"
        if _ENDS_IN_NUMBER.fullmatch(host):
            return str(IPv4Address(host))
    except ValueError:
        raise UrlNotAllowed(
            "The URL's host is not allowed: an address should be four numbers from 0 to 255 with"
            " dots between them, or a full IPv6 address in brackets."
        ) from None
    if len(host) > _MAX_NAME or not _NAME.fullmatch(host):
        raise UrlNotAllowed("The URL's host is not allowed: it is not a valid name.")
    return host
