"""HTTP connections that live from one request to the next."""

import math
import socket
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from http.client import HTTPException, HTTPResponse
from urllib.parse import urlsplit

from classifier.net import http, tls
from classifier.net.deadline import Deadline


@dataclass(frozen=True)
class Address:
    """What to request, and from whom.

    Attributes:
        secure: Whether to use TLS.
        host: As in the Host header, with a port where it is not the scheme's own.
        path: Percent-encoded.
    """

    secure: bool
    host: str
    path: str


class ConnectionPool:
    """Connections to servers that we trust. Threads may share a pool.

    Args:
        authorities: A file of trusted certificates; empty: the system's.
        silence_s: The longest wait for a single read, seconds.
    """

    def __init__(self, authorities: str = "", silence_s: float = math.inf) -> None:
        self._authorities = authorities
        self._silence_s = silence_s
        self._idle: list[tuple[str, socket.socket]] = []
        self._lock = threading.Lock()

    @contextmanager
    def get(
        self, address: Address, headers: Mapping[str, str], deadline: Deadline
    ) -> Iterator[HTTPResponse]:
        """The answer to a ``GET`` of ``address``.

        The connection returns to the pool when the caller has read the whole body.

        Raises:
            TimeoutError: the deadline has passed, or nothing came for ``silence_s``.
            OSError, http.client.HTTPException: the connection failed, or the answer is no HTTP.
        """
        response, sock = self._request(address, headers, deadline)
        reusable = False
        try:
            yield response
            reusable = response.isclosed() and not response.will_close
        finally:
            response.close()
            if reusable:
                with self._lock:
                    self._idle.append((address.host, sock))
            else:
                sock.close()

    def __del__(self) -> None:
        for _, sock in self._idle:
            sock.close()

    def _request(
        self, address: Address, headers: Mapping[str, str], deadline: Deadline
    ) -> tuple[HTTPResponse, socket.socket]:
        """An answer with an unread body, and its connection."""
        if idle := self._take(address.host):
            # The server may have closed it in the meantime.
            with suppress(OSError, HTTPException):
                return http.get(idle, address.path, headers, deadline, self._silence_s), idle
            idle.close()
        sock = self._connect(address, deadline)
        try:
            return http.get(sock, address.path, headers, deadline, self._silence_s), sock
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

    def _connect(self, address: Address, deadline: Deadline) -> socket.socket:
        url = urlsplit(f"//{address.host}")
        port = url.port or (443 if address.secure else 80)
        timeout = min(deadline.remaining(), self._silence_s)
        sock = socket.create_connection((url.hostname, port), timeout)
        if not address.secure:
            return sock
        return tls.secure(sock, url.hostname or "", deadline.within(timeout), self._authorities)
