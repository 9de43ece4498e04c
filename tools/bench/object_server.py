"""Serves objects from memory, as S3 does and, where it is asked to, no faster than S3.

moto's S3 takes longer for an object than a network for its image, and more of two cores for a
bundle than the function that loads it.
"""

import re
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from tools.errors import ToolError


@dataclass(frozen=True)
class Pace:
    """How fast an object comes. first_byte_s: before it. bytes_s: bytes a second a connection."""

    first_byte_s: float
    bytes_s: float


# S3 gives some 90 MB/s to a connection (src/classifier/s3/signed.py). 15 ms before the first byte
# is S3 on a good day. Without a pace a bundle of 47 MB comes in some 20 ms, and what several
# connections gain cannot be seen.
S3_PACE = Pace(first_byte_s=0.015, bytes_s=90e6)
# A paced object is sent in pieces of so many bytes: 3 ms each, at S3's pace.
_PIECE_BYTES = 256 << 10


@contextmanager
def object_server(objects: Mapping[str, bytes], pace: Pace | None = None) -> Iterator[str]:
    """Serve ``objects``, by path, ranges included; yields the server's address.

    pace: none is as fast as it can be. Raises ToolError at the end: an object was requested that is
    not there, or another request could not be answered.
    """
    errors: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_HEAD(self) -> None:
            self._answer(with_body=False)

        def do_GET(self) -> None:
            self._answer(with_body=True)

        def _answer(self, *, with_body: bool) -> None:
            if self.path not in objects:
                self.send_error(404, f"no object {self.path}")
                return
            data = memoryview(objects[self.path])
            head = "HTTP/1.1 200 OK\r\n"
            if text := self.headers.get("range"):
                bytes_range = _range(text, len(data))
                if not bytes_range:
                    self.send_error(416, f"not a range of {self.path}: {text}")
                    return
                head = (
                    "HTTP/1.1 206 Partial Content\r\n"
                    f"Content-Range: bytes {bytes_range[0]}-{bytes_range[-1]}/{len(data)}\r\n"
                )
                data = data[bytes_range.start : bytes_range.stop]
            head += (
                f"Content-Length: {len(data)}\r\n"
                'ETag: "1"\r\nLast-Modified: Thu, 01 Jan 2026 00:00:00 GMT\r\n\r\n'
            )
            if pace:
                time.sleep(pace.first_byte_s)
            self.wfile.write(head.encode())
            if with_body:
                self._send(data)

        def _send(self, data: memoryview) -> None:
            if not pace:
                self.wfile.write(data)
                return
            start = time.monotonic()
            for first in range(0, len(data), _PIECE_BYTES):
                piece = data[first : first + _PIECE_BYTES]
                due = start + (first + len(piece)) / pace.bytes_s
                time.sleep(max(0.0, due - time.monotonic()))
                self.wfile.write(piece)

        def log_message(self, *_: object) -> None:
            pass

        def log_error(self, *values: object) -> None:
            errors.append(str(values[0]) % values[1:])

    class Server(ThreadingHTTPServer):
        def handle_error(self, *_: object) -> None:
            error = sys.exception()
            # A client that leaves, as a contender does at its end, says itself what it lacks.
            if not isinstance(error, ConnectionError):
                errors.append(repr(error))

    with Server(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            if errors:
                raise ToolError(f"The object server could not answer: {errors[0]}")


def _range(text: str, size: int) -> range | None:
    """The bytes that "bytes=FIRST-" or "bytes=FIRST-LAST" names of ``size``; None: none."""
    match = re.fullmatch(r"bytes=(\d+)-(\d*)", text)
    if not match:
        return None
    last = int(match[2]) if match[2] else size
    return range(int(match[1]), min(last + 1, size)) or None
