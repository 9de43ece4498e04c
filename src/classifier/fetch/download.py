"""The guarded download: the one place where the service goes where a stranger sends it.

An address is judged twice. First its text (``target``): a caller learns which rule forbids it. Then
the name is looked up, once, and every address it leads to is judged (``connect``). The connection
goes to one of those addresses and not to the name, so a name server that changes its mind gains
nothing. An address that is refused for where it leads answers like one that cannot be reached. Each
redirect starts from the beginning.

Why not urllib3, requests or httpx: the guard is the connection itself (this address, that name for
the certificate, the rest of one deadline for every read). A library would need its resolver, pool,
retries, redirects, decoders and proxies switched off or replaced. urllib3's import takes 40 ms more
than all that this module imports. What is hard to get right comes from the standard library: TLS is
``ssl``, HTTP is ``http.client``, addresses are ``ipaddress``.

docs/security.md has the threat model, and what is tested.
"""

import socket
import time
from collections.abc import Callable
from http.client import HTTPException, HTTPResponse

from classifier.errors import (
    FetchFailed,
    FetchTimeout,
    ImageTooLarge,
    InvalidRequest,
    UrlNotAllowed,
)
from classifier.fetch.connect import (
    TOO_SLOW,
    UNREACHABLE,
    Connect,
    Connector,
    Resolve,
    system_resolve,
)
from classifier.fetch.target import STANDARD_PORTS, Target
from classifier.net import http
from classifier.net.deadline import Deadline

# Link shorteners before a CDN redirect four or five times.
_MAX_REDIRECTS = 5
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_CHUNK_BYTES = 64 * 1024
# Registered codings (RFC 9110, section 8.4.1, and IANA). Servers also write "UTF-8", "none" or
# "aws-chunked" there, which code nothing.
_CODINGS = frozenset({"gzip", "x-gzip", "deflate", "compress", "x-compress", "br", "zstd", "dcb"})

_BROKEN_OFF = "The image's server broke the connection off."


class Downloader:
    """Downloads images from where callers say. Threads may share a downloader.

    Args:
        allowed_hosts: The only hosts that callers may name, besides private ones; empty: any.
        private_hosts: ``(host, port)`` pairs that may lead to private addresses; a port of ``None``
            stands for 80 and 443.
        max_bytes: Size of a body.
        user_agent: Sent with every request.
        resolve, connect, clock: See ``Connector``.
    """

    def __init__(
        self,
        *,
        allowed_hosts: frozenset[str],
        private_hosts: frozenset[tuple[str, int | None]],
        max_bytes: int,
        user_agent: str,
        resolve: Resolve | None = None,
        connect: Connect = socket.create_connection,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._allowed_hosts = allowed_hosts
        self._max_bytes = max_bytes
        self._user_agent = user_agent
        self._connector = Connector(private_hosts, resolve or system_resolve, connect, clock)

    def get(self, url: str, deadline: Deadline) -> bytes:
        """The body at ``url``, at most ``max_bytes`` long.

        Args:
            url: ``https://`` or ``http://``.
            deadline: Of name look-up, connections, redirects and body together.

        Raises:
            InvalidRequest: ``url`` is no URL.
            UrlNotAllowed: a rule or a setting forbids it.
            FetchFailed: it leads nowhere, or to an address that is not public (in the same words),
                or the server's answer has no image.
            FetchTimeout: the deadline has passed.
            ImageTooLarge: the body is longer than ``max_bytes``.
        """
        target = Target.parse(url)
        self._permit(target)
        for _ in range(1 + _MAX_REDIRECTS):
            answer = self._request(target, deadline)
            if isinstance(answer, bytes):
                return answer
            target = self._redirect(target, answer)
        raise FetchFailed(f"The image's server redirects more than {_MAX_REDIRECTS} times.")

    def _permit(self, target: Target) -> None:
        """Compare ``target`` with the settings.

        Raises:
            UrlNotAllowed.
        """
        if self._connector.may_be_private(target):
            return
        if self._allowed_hosts and target.host not in self._allowed_hosts:
            raise UrlNotAllowed("The URL's host is not among those that this service fetches from.")
        if target.port not in STANDARD_PORTS.values():
            raise UrlNotAllowed("The URL's port is not allowed: it should be 80 or 443.")

    def _redirect(self, target: Target, location: str) -> Target:
        """The next target. Its errors tell no more than those of the first."""
        try:
            following = target.follow(location)
            self._permit(following)
        except (InvalidRequest, UrlNotAllowed):
            raise FetchFailed(UNREACHABLE) from None
        if (target.scheme, following.scheme) == ("https", "http"):
            raise FetchFailed("The image's server redirects from https to http.")
        return following

    def _request(self, target: Target, deadline: Deadline) -> bytes | str:
        """The body at ``target``, or the address that it redirects to."""
        headers = {
            "Host": target.authority,
            "Accept": "image/jpeg, image/png, image/webp, */*;q=0.1",
            "Accept-Encoding": "identity",
            "User-Agent": self._user_agent,
            "Connection": "close",
        }
        # "from None": the causes can name hosts and addresses, which no log may hold.
        try:
            with (
                self._connector.connect(target, deadline) as sock,
                http.get(sock, target.path, headers, deadline) as response,
            ):
                return _location(response) or _read_body(response, self._max_bytes)
        except TimeoutError:
            raise FetchTimeout(TOO_SLOW) from None
        except OSError:  # before HTTPException: http.client's RemoteDisconnected is both
            raise FetchFailed(_BROKEN_OFF) from None
        except HTTPException:
            raise FetchFailed(
                "The image's server did not answer in whole and valid HTTP."
            ) from None


def _location(response: HTTPResponse) -> str | None:
    """Where a redirect leads; None: the answer is a success.

    Raises:
        FetchFailed: it is neither.
    """
    if response.status in _REDIRECTS and (location := response.headers["Location"]):
        return str(location)
    if response.status != 200:
        raise FetchFailed(f"The image's server answered with status {response.status}.")
    return None


def _read_body(response: HTTPResponse, max_bytes: int) -> bytes:
    """The body, counted as it arrives. A header that promises too much ends it at once."""
    content = response.headers.get("Content-Encoding", "").lower().replace(",", " ").split()
    transfer = response.headers.get("Transfer-Encoding", "").strip().lower()
    if _CODINGS.intersection(content) or transfer not in ("", "identity", "chunked"):
        # The request asked for identity, and images are compressed already. No bomb gets further.
        raise FetchFailed("The image's server answered with a compressed body.")
    body = bytearray()
    # readinto and not read: read takes a chunk of size -1 for everything there is.
    buffer = memoryview(bytearray(_CHUNK_BYTES))
    while len(body) + (response.length or 0) <= max_bytes:
        if not (count := response.readinto(buffer)):
            break
        body += buffer[:count]
    else:
        raise ImageTooLarge(f"The image is larger than {max_bytes} bytes.")
    if response.length:
        raise ConnectionError("the body ended early")
    if not body:
        raise FetchFailed("The image's server answered with an empty body.")
    return bytes(body)
