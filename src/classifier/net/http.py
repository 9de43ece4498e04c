"""One HTTP request over a connected socket: every read gets what remains of one deadline."""

import io
import math
import socket
from collections.abc import Mapping
from http.client import HTTPException, HTTPResponse
from typing import cast

from classifier.net.deadline import Deadline

# The real answer, and the interim ones before it: servers send one or two (103 Early Hints).
_MAX_ANSWERS = 8


class DeadlineReader(io.RawIOBase):
    """Reads a socket under a deadline.

    The socket's time-out is set before every read, so a peer gains nothing by sending a byte at a
    time. ``silence_s`` bounds a single read, seconds.
    """

    def __init__(self, sock: socket.socket, deadline: Deadline, silence_s: float) -> None:
        self._sock = sock
        self._deadline = deadline
        self._silence_s = silence_s

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        self._sock.settimeout(min(self._deadline.remaining(), self._silence_s))
        return self._sock.recv_into(buffer)


class _Stream:
    """The part of a socket that ``HTTPResponse`` uses."""

    def __init__(self, stream: io.BufferedIOBase) -> None:
        self._stream = stream

    def makefile(self, _mode: str) -> io.BufferedIOBase:
        return self._stream


def get(
    sock: socket.socket,
    path: str,
    headers: Mapping[str, str],
    deadline: Deadline,
    silence_s: float = math.inf,
) -> HTTPResponse:
    """Send ``GET path`` over ``sock`` and read the head of the answer.

    Args:
        sock: A connected socket, with TLS where that is needed.
        path: With its query, percent-encoded.
        headers: All of them, ``host`` included.
        deadline: Holds for the request and for every later read of the body.
        silence_s: The longest wait for a single read, seconds.

    Raises:
        TimeoutError: the deadline has passed, or nothing came for ``silence_s``.
        OSError: the connection failed.
        HTTPException: the answer is no HTTP.
    """
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    sock.settimeout(min(deadline.remaining(), silence_s))
    sock.sendall(f"GET {path} HTTP/1.1\r\n{lines}\r\n".encode("latin-1"))
    stream = io.BufferedReader(DeadlineReader(sock, deadline, silence_s))
    for _ in range(_MAX_ANSWERS):
        response = HTTPResponse(cast("socket.socket", _Stream(stream)), method="GET")
        response.begin()
        if response.status >= 200:
            return response
        response.fp = None  # type: ignore[assignment]  # keeps the stream open for the next head
    raise HTTPException("too many interim answers")
