"""A socket as http.client reads it: every read gets what is left of one deadline."""

import io
import socket
from collections.abc import Callable


class DeadlineReader(io.RawIOBase):
    """As much of a socket as ``http.client.HTTPResponse`` uses.

    left: the time that is left, seconds; raises when there is none. It is asked before every
        read, so that a peer gains nothing by dripping.
    """

    def __init__(self, sock: socket.socket, left: Callable[[], float]) -> None:
        self._sock = sock
        self._left = left

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        self._sock.settimeout(self._left())
        return self._sock.recv_into(buffer)

    def makefile(self, _mode: str) -> io.BufferedReader:
        return io.BufferedReader(self)
