"""HTTP connections that are kept from one request to the next."""

import socket
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from http.client import HTTPException, HTTPResponse
from typing import TYPE_CHECKING, cast
from urllib.parse import urlsplit

from classifier.net.reader import DeadlineReader

if TYPE_CHECKING:
    import ssl

type Left = Callable[[], float]


@dataclass(frozen=True)
class Address:
    """What to ask for, and whom: ``host`` as in the header, ``path`` percent-encoded."""

    secure: bool
    host: str
    path: str


class Connections:
    """Connections to the servers of addresses that the caller trusts; safe to use from threads.

    authorities: a file of the certificates that are trusted; empty: the system's.
    """

    def __init__(self, authorities: str = "") -> None:
        self._authorities = authorities
        self._idle: list[tuple[str, socket.socket]] = []
        self._lock = threading.Lock()

    @contextmanager
    def get(
        self, address: Address, headers: Mapping[str, str], left: Left
    ) -> Iterator[HTTPResponse]:
        """The answer to a ``GET`` of ``address``; its connection is kept if it is read whole.

        left: the time that is left, seconds; asked before each read, and raises when there is
            none.

        Raises OSError or http.client.HTTPException: the connection failed, or the answer is no
        HTTP.
        """
        lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        request = f"GET {address.path} HTTP/1.1\r\n{lines}\r\n".encode("latin-1")
        response, sock = self._ask(address, request, left)
        keep = False
        try:
            yield response
            keep = response.isclosed() and not response.will_close
        finally:
            response.close()
            if keep:
                with self._lock:
                    self._idle.append((address.host, sock))
            else:
                sock.close()

    def __del__(self) -> None:
        for _, sock in self._idle:
            sock.close()

    def _ask(
        self, address: Address, request: bytes, left: Left
    ) -> tuple[HTTPResponse, socket.socket]:
        """An answer whose body is still to be read, and the connection that it comes over."""
        if kept := self._take(address.host):
            try:
                return _send(kept, request, left), kept
            except (OSError, HTTPException):
                kept.close()  # the server had closed it in the meantime, as it may
        sock = self._connect(address, left)
        try:
            return _send(sock, request, left), sock
        except BaseException:
            sock.close()
            raise

    def _take(self, host: str) -> socket.socket | None:
        with self._lock:
            for pair in self._idle:
                if pair[0] == host:
                    self._idle.remove(pair)
                    return pair[1]
        return None

    def _connect(self, address: Address, left: Left) -> socket.socket:
        url = urlsplit(f"//{address.host}")
        port = url.port or (443 if address.secure else 80)
        sock = socket.create_connection((url.hostname, port), left())
        if not address.secure:
            return sock
        with sock:  # which TLS takes over, so that this closes it only when it could not
            return self._tls.wrap_socket(sock, server_hostname=url.hostname)

    @cached_property
    def _tls(self) -> "ssl.SSLContext":
        import ssl  # noqa: PLC0415  (not needed for endpoints without)

        return ssl.create_default_context(cafile=self._authorities or None)


def _send(sock: socket.socket, request: bytes, left: Left) -> HTTPResponse:
    sock.settimeout(left())
    sock.sendall(request)
    wire = cast("socket.socket", DeadlineReader(sock, left))  # as much of one as HTTPResponse uses
    response = HTTPResponse(wire, method="GET")
    response.begin()
    return response
