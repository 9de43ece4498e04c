"""Serves objects from memory.

Batches are measured with it: moto's S3 takes longer for an object than a network for its image.
"""

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@contextmanager
def object_server(objects: Mapping[str, bytes]) -> Iterator[str]:
    """Serve ``objects``, by path, as S3 does, ranges included; yields the server's address."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            data = memoryview(objects[self.path])
            head = "HTTP/1.1 200 OK\r\n"
            if bytes_range := self.headers.get("range"):
                first, last = map(int, bytes_range.removeprefix("bytes=").split("-"))
                part = data[first : last + 1]
                head = (
                    "HTTP/1.1 206 Partial Content\r\n"
                    f"Content-Range: bytes {first}-{first + len(part) - 1}/{len(data)}\r\n"
                )
                data = part
            self.wfile.write(f'{head}Content-Length: {len(data)}\r\nETag: "1"\r\n\r\n'.encode())
            self.wfile.write(data)

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
