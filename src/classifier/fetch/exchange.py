"""One HTTP exchange over a connection that stands: a request, and the body or the redirect."""

import socket
from collections.abc import Callable
from http.client import HTTPException, HTTPResponse
from typing import cast

from classifier.errors import FetchFailed, ImageTooLarge
from classifier.fetch.target import Target
from classifier.net.reader import DeadlineReader

_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_CHUNK = 64 * 1024


def exchange(
    sock: socket.socket, target: Target, left: Callable[[], float], max_bytes: int
) -> bytes | str:
    """Ask for ``target`` over ``sock``: its body, or the address that it redirects to.

    left: the time that is left, seconds; raises FetchTimeout when there is none.

    Raises FetchFailed: the answer is no use. ImageTooLarge: the body is longer than ``max_bytes``.
    TimeoutError or another OSError: the connection failed.
    """
    try:
        sock.settimeout(left())
        sock.sendall(_request(target))
        wire = cast(
            "socket.socket", DeadlineReader(sock, left)
        )  # as much of one as HTTPResponse uses
        with HTTPResponse(wire, method="GET") as response:
            response.begin()
            return _redirect(response) or _body(response, max_bytes)
    except OSError:
        raise  # http.client has one that is both: RemoteDisconnected
    except HTTPException:
        raise FetchFailed("The image's server did not answer in whole and valid HTTP.") from None


def _request(target: Target) -> bytes:
    return (
        f"GET {target.path} HTTP/1.1\r\n"
        f"Host: {target.authority}\r\n"
        "Accept: image/jpeg, image/png, image/webp, */*;q=0.1\r\n"
        "Accept-Encoding: identity\r\n"
        "User-Agent: lambda-image-classifier\r\n"
        "Connection: close\r\n\r\n"
    ).encode("ascii")


def _redirect(response: HTTPResponse) -> str | None:
    """Where the answer points to. Raises FetchFailed: it is neither a redirect nor a success."""
    if response.status in _REDIRECTS and (location := response.headers["Location"]):
        return str(location)
    if response.status != 200:
        raise FetchFailed(f"The image's server answered with status {response.status}.")
    return None


def _body(response: HTTPResponse, max_bytes: int) -> bytes:
    """The body, counted as it arrives; a header that promises too much ends it at once."""
    codings = {response.headers.get(f"{kind}-Encoding", "") for kind in ("Content", "Transfer")}
    if not {coding.strip().lower() for coding in codings} <= {"", "identity", "chunked"}:
        # Images are compressed already, and identity was asked for: no bomb gets to a decoder.
        raise FetchFailed("The image's server answered with a compressed body.")
    body = bytearray()
    # readinto and not read, which would take a chunk of size -1 for all that there is.
    buffer = memoryview(bytearray(_CHUNK))
    while len(body) + (response.length or 0) <= max_bytes:
        if not (count := response.readinto(buffer)):
            break
        body += buffer[:count]
    else:
        raise ImageTooLarge(f"The image is larger than {max_bytes} bytes.")
    if response.length:
        raise ConnectionError("the body ended early")
    return bytes(body)
